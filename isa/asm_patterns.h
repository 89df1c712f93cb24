// SPDX-License-Identifier: Apache-2.0
// AsmPatterns: every way to write every operation, as sequences of tokens and
// fields. Internal to the assembler.
//
// Three syntaxes, one mechanism: the text column of isa/opcodes.def (kernel
// syntax), the spellings of LLVM where they differ, and the mnemonics of the
// bpf_conformance suite, which follow from kind, width and form of a row.
//
// Threads: const access from any thread once built.

#ifndef SKEP_ISA_ASM_PATTERNS_H_
#define SKEP_ISA_ASM_PATTERNS_H_

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "isa/op.h"

namespace skep {

struct AsmPatternItem {
  enum class Kind : uint8_t {
    kText,   // this word or operator
    kReg64,  // r0 .. r10 into `field`, d or s
    kReg32,  // w0 .. w10
    kField,  // directive `field` of opcodes.def
    kEnd,
  };
  Kind kind = Kind::kEnd;
  char field = 0;
  std::string_view text;
};

struct AsmPattern {
  // What the statement becomes. kCallRegister has no operation: Linux and
  // RFC 9669 know no such opcode, but tests must be able to write it.
  enum class Result : uint8_t { kOp, kCallRegister, kRawInsn };
  Result result = Result::kOp;
  Op op = Op::kInvalid;
  std::vector<AsmPatternItem> items;  // ends with kEnd
};

class AsmPatterns {
 public:
  AsmPatterns();

  // The patterns that can start with `word`; a register is looked up as "r" or
  // "w". Empty if no statement starts so.
  const std::vector<AsmPattern>& StartingWith(std::string_view word) const;

 private:
  void Add(Op op, std::string pattern, AsmPattern::Result result = AsmPattern::Result::kOp);

  std::deque<std::string> texts_;  // items point into these; a deque does not move them
  std::unordered_map<std::string_view, std::vector<AsmPattern>> by_first_;
  std::vector<AsmPattern> none_;
};

}  // namespace skep

#endif  // SKEP_ISA_ASM_PATTERNS_H_
