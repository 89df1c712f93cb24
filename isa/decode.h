// SPDX-License-Identifier: Apache-2.0
// Decoding: from instruction slots to operations, with every legality rule of
// one instruction (unknown opcodes, reserved fields, register numbers).
//
// What is legal here is what Linux 6.18 accepts field by field. Rules that need
// more than the instruction belong to others: jump targets to DecodeProgram and
// the CFG; division by an immediate zero, shifts beyond the width and writes to
// r10 to the verifier, since RFC 9669 gives the first two a meaning that engines
// keep (conformance tests run them).
//
// Note for the verifier: Linux checks most reserved fields only of instructions
// it walks through. It refuses unknown opcodes, LDX reserved fields and broken
// wide loads anywhere.
//
// Threads: pure functions.

#ifndef SKEP_ISA_DECODE_H_
#define SKEP_ISA_DECODE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "skep/insn.h"

#include "isa/op.h"

namespace skep {

// One operation with its operands. Fields that the form does not use are zero.
struct DecodedInsn {
  Op op = Op::kInvalid;
  uint8_t dst = 0;
  uint8_t src = 0;  // for wide loads and calls the selector (Linux's pseudo kind)
  int16_t off = 0;
  int32_t imm = 0;
  int64_t imm64 = 0;  // wide loads: high half from the second slot; else imm, sign-extended

  // High immediate of a wide load: offset into a map value, BTF object.
  constexpr uint32_t imm_high() const {
    return static_cast<uint32_t>(static_cast<uint64_t>(imm64) >> 32);
  }
  // Slots it takes: 2 for wide loads, else 1. REQUIRES: op is not kInvalid.
  constexpr int slots() const { return Info(op).Has(kTwoSlots) ? 2 : 1; }

  friend bool operator==(const DecodedInsn&, const DecodedInsn&) = default;
};
static_assert(sizeof(DecodedInsn) <= 24);

// The rule an instruction breaks. Values are stable: they appear in findings
// and in test data; append only.
enum class DecodeRule : uint8_t {
  kNone = 0,  // legal
  kUnknownOpcode = 1,
  kInvalidRegister = 2,  // a register number above 10
  kAluReserved = 3,      // the k...Reserved rules: a field that must be zero
  kMovReserved = 4,
  kNegReserved = 5,
  kEndReserved = 6,  // also a width other than 16, 32, 64
  kLdxReserved = 7,
  kStReserved = 8,
  kStxReserved = 9,
  kAtomicOpcode = 10,  // no atomic operation has this imm
  kAtomicSize = 11,    // read-modify-write of 8 or 16 bits
  kLdAbsReserved = 12,
  kWideReserved = 13,
  kWideTruncated = 14,     // second slot missing or not all zero around imm
  kWideUnrecognized = 15,  // unknown pseudo kind, or high half where none is allowed
  kJmpReserved = 16,
  kJaReserved = 17,
  kMayGotoReserved = 18,
  kCallReserved = 19,
  kExitReserved = 20,
  kCastSpaces = 21,    // address spaces other than 0 and 1
  kJumpRange = 22,     // DecodeProgram: target outside the program
  kJumpIntoWide = 23,  // DecodeProgram: target is the second slot of a wide load
  kEmptyProgram = 24,  // Cfg: no instructions
  kLastInsn = 25,      // Cfg: control can run off the end of a subprogram
};

struct DecodeError {
  DecodeRule rule = DecodeRule::kNone;
  uint32_t at = 0;     // slot of the instruction
  Insn insn;           // the offending slot
  int64_t target = 0;  // jump target, for kJumpRange and kJumpIntoWide
};

// The rule in Linux's words, without the place: "unknown opcode 8d",
// "BPF_ALU uses reserved fields", "R11 is invalid".
std::string Message(const DecodeError& error);

// The decoded instruction, or the rule it breaks.
struct DecodeResult {
  DecodedInsn insn;
  DecodeError error;  // rule is kNone on success

  explicit operator bool() const { return error.rule == DecodeRule::kNone; }
  // Slots consumed, 1 or 2. REQUIRES: success.
  size_t slots() const { return static_cast<size_t>(insn.slots()); }
};

// Decodes the instruction that starts at slot `at`.
// REQUIRES: at < code.size().
DecodeResult Decode(std::span<const Insn> code, size_t at);

// As Decode, for speed: writes `out` and returns kNone, or returns the broken
// rule and leaves `out` unspecified.
DecodeRule DecodeInto(std::span<const Insn> code, size_t at, DecodedInsn& out);

// Decodes a whole program. On success `insns` has one entry a slot, so that
// jump arithmetic stays Linux's; the second slot of a wide load holds kInvalid.
// Also checks that jumps, local calls and subprogram references land on an
// instruction of the program. `error` names the first instruction that is wrong.
struct DecodedProgram {
  std::vector<DecodedInsn> insns;
  DecodeError error;

  explicit operator bool() const { return error.rule == DecodeRule::kNone; }
};
DecodedProgram DecodeProgram(std::span<const Insn> code);

// Returns the slot that the instruction at slot `at` names: the target of a
// jump (kBranches), a local call or a subprogram reference. May lie outside the
// program. REQUIRES: insn is one of those.
constexpr int64_t TargetOf(const DecodedInsn& insn, size_t at) {
  const Operands operands = Info(insn.op).operands;
  const bool by_off = operands == Operands::kJump || operands == Operands::kBranchImm ||
                      operands == Operands::kBranchReg;
  return static_cast<int64_t>(at) + 1 + (by_off ? int64_t{insn.off} : int64_t{insn.imm});
}

}  // namespace skep

#endif  // SKEP_ISA_DECODE_H_
