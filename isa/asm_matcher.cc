// SPDX-License-Identifier: Apache-2.0
#include "isa/asm_matcher.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace skep {
namespace {

using Kind = AsmToken::Kind;

// The number of a register name such as r3 or w10, nullopt for other words.
std::optional<int> RegisterNumber(const AsmToken& token, char letter) {
  if (token.kind != Kind::kWord || token.text.size() < 2 || token.text.size() > 3) return {};
  if (token.text[0] != letter) return {};
  int number = 0;
  for (const char c : token.text.substr(1)) {
    if (c < '0' || c > '9') return {};
    number = number * 10 + (c - '0');
  }
  if (token.text.size() == 3 && token.text[1] == '0') return {};
  return number;
}

}  // namespace

std::string QuotedForMessage(std::string_view text) {
  constexpr size_t kMost = 40;
  std::string out = "'";
  for (const char c : text.substr(0, kMost)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  if (text.size() > kMost) out += "...";
  return out + "'";
}

Error AsmErrorAt(const AsmToken& token, ErrorCode code, std::string message) {
  return Error{code, "line " + std::to_string(token.line) + ", column " +
                         std::to_string(token.column) + ": " + std::move(message)};
}

bool IsRegisterName(const AsmToken& token) {
  return RegisterNumber(token, 'r') || RegisterNumber(token, 'w');
}

bool AsmMatcher::Match(const AsmPattern& pattern) {
  for (const AsmPatternItem& item : pattern.items) {
    if (!MatchItem(item)) return false;
  }
  return true;
}

bool AsmMatcher::Fail(std::string_view expected, bool is_text) {
  expected_ = expected;
  expected_is_text_ = is_text;
  return false;
}

std::string AsmMatcher::expected() const {
  if (expected_is_text_) return QuotedForMessage(expected_);
  if (expected_letter_ == 0) return std::string(expected_);
  if (expected_number_ >= 0) return expected_letter_ + std::to_string(expected_number_);
  return std::string("a register ") + expected_letter_ + "0 to " + expected_letter_ + "10";
}

bool AsmMatcher::MatchItem(const AsmPatternItem& item) {
  switch (item.kind) {
    case AsmPatternItem::Kind::kText:
      if (!Token().Is(item.text)) return Fail(item.text, true);
      ++at_;
      return true;
    case AsmPatternItem::Kind::kReg64:
      return MatchRegister('r', item.field);
    case AsmPatternItem::Kind::kReg32:
      return MatchRegister('w', item.field);
    case AsmPatternItem::Kind::kField:
      return MatchField(item.field);
    case AsmPatternItem::Kind::kEnd:
      return Token().kind == Kind::kEnd || Fail("the end of the instruction");
  }
  return false;
}

bool AsmMatcher::MatchRegister(char letter, char field) {
  std::optional<int>& bound = field == 'd' ? dst_ : src_;
  const std::optional<int> number = RegisterNumber(Token(), letter);
  // Reserved numbers can be written with a percent sign, for tests.
  const int limit = Token().percent ? 16 : kRegisterCount;
  if (!number || *number >= limit) {
    near_miss_ = number.has_value();
    expected_letter_ = letter;
    return false;
  }
  if (bound && *bound != *number) {
    expected_letter_ = letter;
    expected_number_ = *bound;
    return false;
  }
  bound = number;
  (field == 'd' ? insn_.dst : insn_.src) = static_cast<uint8_t>(*number);
  ++at_;
  return true;
}

bool AsmMatcher::MatchField(char field) {
  switch (field) {
    case 'i':
    case 'x':
      return Imm32();
    case 'q':
      return SignedInto(&wide_, -(__int128{1} << 63), (__int128{1} << 64) - 1,
                        "a number of 64 bits");
    case 'h':
      return SignedInto(&high_, 0, UINT32_MAX, "a number from 0 to 4294967295");
    case 'j':
      return OptionalHigh();
    case 'n':
      return Helper();
    case 'm':
      return Map();
    case 'c':
      return AddressSpaces();
    case 'o':
      return MemoryOffset();
    case 'f':
      return Off16();
    case 'e':
      if (!Token().Is("off")) return true;
      ++at_;
      return Off16();
    case 't':
    case 'l':
    case 'p':
      return Target(field == 't');
    case 'L':
      return Label(false, "a label of this text");
  }
  SKEP_CHECK(!"a field that opcodes.def lists");
  return false;
}

// Reads [+-]number within the limits into number_.
bool AsmMatcher::Signed(__int128 least, __int128 most, const char* expected) {
  size_t at = at_;
  bool negative = false;
  if (tokens_[at].Is("+") || tokens_[at].Is("-")) negative = tokens_[at++].Is("-");
  // `+ -4`, as LLVM prints offsets.
  if (at == at_ + 1 && !negative && tokens_[at].Is("-")) negative = (++at, true);
  if (tokens_[at].kind != Kind::kNumber) return Fail(expected);
  const __int128 value =
      negative ? -static_cast<__int128>(tokens_[at].number) : __int128{tokens_[at].number};
  if (value < least || value > most) {
    at_ = at;
    near_miss_ = true;
    return Fail(expected);
  }
  number_ = static_cast<uint64_t>(value);
  at_ = at + 1;
  return true;
}

bool AsmMatcher::SignedInto(uint64_t* where, __int128 least, __int128 most, const char* expected) {
  if (!Signed(least, most, expected)) return false;
  *where = number_;
  return true;
}

bool AsmMatcher::Imm32() {
  constexpr auto kLeast = -(__int128{1} << 31);
  if (!Signed(kLeast, (__int128{1} << 64) - 1, "a number of 32 bits")) return false;
  if (static_cast<int64_t>(number_) < INT32_MIN || static_cast<int64_t>(number_) > UINT32_MAX) {
    --at_;
    near_miss_ = true;
    return Fail("a number of 32 bits");
  }
  insn_.imm = static_cast<int32_t>(static_cast<uint32_t>(number_));
  return true;
}

bool AsmMatcher::Off16() {
  if (!Signed(INT16_MIN, INT16_MAX, "an offset from -32768 to 32767")) return false;
  insn_.off = static_cast<int16_t>(number_);
  return true;
}

bool AsmMatcher::MemoryOffset() {
  if (!Token().Is("+") && !Token().Is("-")) return true;
  return Off16();
}

bool AsmMatcher::OptionalHigh() {
  if (!Token().Is("[")) return true;
  ++at_;
  if (!SignedInto(&high_, 0, UINT32_MAX, "a number from 0 to 4294967295")) return false;
  if (!Token().Is("]")) return Fail("']'");
  ++at_;
  return true;
}

bool AsmMatcher::AddressSpaces() {
  constexpr const char* kExpected = "an address space from 0 to 65535";
  if (!Signed(0, UINT16_MAX, kExpected)) return false;
  const auto to = static_cast<uint32_t>(number_);
  if (!Token().Is(",")) return Fail("','");
  ++at_;
  if (!Signed(0, UINT16_MAX, kExpected)) return false;
  insn_.imm = static_cast<int32_t>((to << 16) | static_cast<uint32_t>(number_));
  return true;
}

bool AsmMatcher::Helper() {
  if (Token().kind == Kind::kNumber) return Imm32();
  const bool is_name = Token().kind == Kind::kWord && !IsRegisterName(Token()) &&
                       labels_.find(Token().text) == labels_.end();
  if (is_name) {
    const std::optional<int32_t> id =
        symbols_ == nullptr ? std::nullopt : symbols_->HelperId(Token().text);
    if (id) {
      insn_.imm = *id;
      ++at_;
      return true;
    }
    unresolved_ = true;
  }
  return Fail("a helper id or name");
}

bool AsmMatcher::Map() {
  if (Token().kind != Kind::kWord) return Imm32();
  const std::optional<int32_t> index =
      symbols_ == nullptr ? std::nullopt : symbols_->MapIndex(Token().text);
  if (!index) {
    unresolved_ = true;
    return Fail("a map index or name");
  }
  insn_.imm = *index;
  ++at_;
  return true;
}

// `+3`, `pc+3` or a label.
bool AsmMatcher::Target(bool by_off) {
  if (Token().Is("pc") && labels_.find("pc") == labels_.end()) {
    ++at_;
    if (!Token().Is("+") && !Token().Is("-")) return Fail("'+' or '-'");
  }
  if (Token().Is("+") || Token().Is("-")) {
    if (by_off) return Off16();
    if (!Signed(INT32_MIN, INT32_MAX, "a distance of 32 bits")) return false;
    insn_.imm = static_cast<int32_t>(number_);
    return true;
  }
  return Label(by_off, "a label of this text or a distance such as +3");
}

bool AsmMatcher::Label(bool by_off, const char* expected) {
  if (Token().kind != Kind::kWord || labels_.find(Token().text) == labels_.end()) {
    unresolved_ = Token().kind == Kind::kWord && !IsRegisterName(Token());
    return Fail(expected);
  }
  label_ = Token();
  label_by_off_ = by_off;
  ++at_;
  return true;
}

// The instruction as `op`, with the 64-bit immediate put together.
DecodedInsn AsmMatcher::Finish(Op op) const {
  DecodedInsn insn = insn_;
  insn.op = op;
  if (op == Op::kLdImm64) {
    insn.imm64 = static_cast<int64_t>(wide_);
  } else {
    insn.imm64 = static_cast<int64_t>((high_ << 32) | static_cast<uint32_t>(insn.imm));
  }
  return insn;
}

void AsmExpectations::Add(const AsmMatcher& matcher) {
  if (matcher.at() < at_ || (matcher.at() == at_ && near_miss_ && !matcher.near_miss())) return;
  if (matcher.at() > at_ || matcher.near_miss() != near_miss_) {
    at_ = matcher.at();
    near_miss_ = matcher.near_miss();
    unresolved_ = false;
    wanted_.clear();
  }
  unresolved_ = unresolved_ || matcher.unresolved();
  std::string what = matcher.expected();
  if (std::find(wanted_.begin(), wanted_.end(), what) == wanted_.end())
    wanted_.push_back(std::move(what));
}

Error AsmExpectations::ToError(const std::vector<AsmToken>& tokens) const {
  const AsmToken& token = tokens[at_];
  std::string message = "found ";
  message += token.kind == Kind::kEnd ? "the end of the instruction" : QuotedForMessage(token.text);
  message += ", expected ";
  constexpr size_t kMost = 6;
  for (size_t i = 0; i < std::min(wanted_.size(), kMost); ++i) {
    if (i > 0) message += i + 1 == wanted_.size() ? " or " : ", ";
    message += wanted_[i];
  }
  if (wanted_.size() > kMost) message += " or others";
  return AsmErrorAt(token, unresolved_ ? ErrorCode::kUnresolved : ErrorCode::kMalformedObject,
                    std::move(message));
}

}  // namespace skep
