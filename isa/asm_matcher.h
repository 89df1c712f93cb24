// SPDX-License-Identifier: Apache-2.0
// Matching one statement against one pattern, and collecting what patterns
// would have accepted for the error message. Internal to the assembler.
//
// Threads: objects belong to one thread.

#ifndef SKEP_ISA_ASM_MATCHER_H_
#define SKEP_ISA_ASM_MATCHER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "skep/result.h"

#include "isa/asm_lexer.h"
#include "isa/asm_patterns.h"
#include "isa/asm_symbols.h"
#include "isa/decode.h"

namespace skep {

// Labels of a text and their slots, as far as these are known.
using AsmLabels = std::unordered_map<std::string_view, std::optional<uint32_t>>;

// True for r0, w3, also for r11: words that cannot be labels.
bool IsRegisterName(const AsmToken& token);

// The text in quotes, shortened, with bytes that do not print as \x01.
std::string QuotedForMessage(std::string_view text);

// An error about this token: "line 3, column 9: " and the message.
Error AsmErrorAt(const AsmToken& token, ErrorCode code, std::string message);

// One attempt to read a statement, from the token at `begin` on, as one pattern.
class AsmMatcher {
 public:
  AsmMatcher(const std::vector<AsmToken>& tokens, size_t begin, const AsmLabels& labels,
             const AsmSymbols* symbols)
      : tokens_(tokens), at_(begin), labels_(labels), symbols_(symbols) {}

  // Returns true if all tokens match the whole pattern. Call it once.
  bool Match(const AsmPattern& pattern);

  // After success: the instruction as `op`, with the 64-bit immediate put
  // together; the label it names, which takes the place of off or of imm; the
  // register or number of statements that are no operation.
  DecodedInsn Finish(Op op) const;
  const std::optional<AsmToken>& label() const { return label_; }
  bool label_by_off() const { return label_by_off_; }
  int dst() const { return insn_.dst; }
  uint64_t wide() const { return wide_; }

  // After failure: the token that did not fit and what would have.
  size_t at() const { return at_; }
  std::string expected() const;
  // The token is a name that nobody knows.
  bool unresolved() const { return unresolved_; }
  // The token is of the right sort, only its value is not: this pattern was meant.
  bool near_miss() const { return near_miss_; }

 private:
  const AsmToken& Token() const { return tokens_[at_]; }
  // Most patterns fail, so what they wanted is put into words only on demand.
  bool Fail(std::string_view expected, bool is_text = false);
  bool MatchItem(const AsmPatternItem& item);
  bool MatchRegister(char letter, char field);
  bool MatchField(char field);
  bool Signed(__int128 least, __int128 most, const char* expected);
  bool SignedInto(uint64_t* where, __int128 least, __int128 most, const char* expected);
  bool Imm32();
  bool Off16();
  bool MemoryOffset();
  bool OptionalHigh();
  bool AddressSpaces();
  bool Helper();
  bool Map();
  bool Target(bool by_off);
  bool Label(bool by_off, const char* expected);

  const std::vector<AsmToken>& tokens_;
  size_t at_;
  const AsmLabels& labels_;
  const AsmSymbols* symbols_;

  DecodedInsn insn_;
  std::optional<int> dst_;  // once bound, the same register must come again
  std::optional<int> src_;
  std::optional<AsmToken> label_;
  bool label_by_off_ = false;
  uint64_t number_ = 0;  // last one that Signed() read
  uint64_t wide_ = 0;
  uint64_t high_ = 0;
  std::string_view expected_;
  bool expected_is_text_ = false;  // a word or operator of the pattern, to be quoted
  char expected_letter_ = 0;       // a register of this letter
  int expected_number_ = -1;       // and this number, if one is bound
  bool unresolved_ = false;
  bool near_miss_ = false;
};

// What patterns wanted at the furthest token any of them reached.
class AsmExpectations {
 public:
  // REQUIRES: the matcher failed.
  void Add(const AsmMatcher& matcher);
  // kUnresolved if a name was unknown, else kMalformedObject.
  Error ToError(const std::vector<AsmToken>& tokens) const;

 private:
  size_t at_ = 0;
  std::vector<std::string> wanted_;
  bool near_miss_ = false;
  bool unresolved_ = false;
};

}  // namespace skep

#endif  // SKEP_ISA_ASM_MATCHER_H_
