// SPDX-License-Identifier: Apache-2.0
// Each statement is matched against the patterns that start with its first
// token (isa/asm_patterns.h). Patterns hold no choices, so matching one is a
// walk along both; the first that matches to the end is the instruction. If
// none does, the error is about the token where matching got furthest, and
// lists what the patterns that came so far wanted there.
//
// Example: `r0 = *(u8 *)(r11 + 4)` fails in `r%d += %i` at token 2, in the
// pattern of LdxB at token 8; the message is "found 'r11', expected a register
// r0 to r10".

#include "isa/assembler.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <unordered_map>

#include "base/check.h"
#include "isa/asm_lexer.h"
#include "isa/asm_patterns.h"
#include "isa/encode.h"

namespace skep {
namespace {

using Tokens = std::vector<AsmToken>;
using Kind = AsmToken::Kind;

std::string Quoted(std::string_view text) {
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

Error ErrorAt(const AsmToken& token, ErrorCode code, std::string message) {
  return Error{code, "line " + std::to_string(token.line) + ", column " +
                         std::to_string(token.column) + ": " + std::move(message)};
}

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

bool IsRegister(const AsmToken& token) {
  return RegisterNumber(token, 'r') || RegisterNumber(token, 'w');
}

// A jump, call or reference by label, patched when all labels are known.
struct Fixup {
  size_t slot;
  bool by_off;  // else by imm
  AsmToken label;
};

using Labels = std::unordered_map<std::string_view, std::optional<uint32_t>>;

// One attempt to read a statement as one pattern.
class Matcher {
 public:
  Matcher(const Tokens& tokens, size_t begin, const Labels& labels, const AsmSymbols* symbols)
      : tokens_(tokens), at_(begin), labels_(labels), symbols_(symbols) {}

  bool Match(const AsmPattern& pattern) {
    for (const AsmPatternItem& item : pattern.items) {
      if (!MatchItem(item)) return false;
    }
    return true;
  }

  // After success.
  const DecodedInsn& insn() const { return insn_; }
  const std::optional<AsmToken>& label() const { return label_; }
  bool label_by_off() const { return label_by_off_; }
  uint64_t wide() const { return wide_; }

  // After failure: the token that did not fit and what would have.
  size_t at() const { return at_; }
  const std::string& expected() const { return expected_; }
  bool unresolved() const { return unresolved_; }
  // The token is of the right sort, only its value is not: this pattern was meant.
  bool near_miss() const { return near_miss_; }

 private:
  const AsmToken& Token() const { return tokens_[at_]; }
  bool Fail(std::string expected) {
    expected_ = std::move(expected);
    return false;
  }

  bool MatchItem(const AsmPatternItem& item) {
    switch (item.kind) {
      case AsmPatternItem::Kind::kText:
        if (!Token().Is(item.text)) return Fail(Quoted(item.text));
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

  bool MatchRegister(char letter, char field) {
    std::optional<int>& bound = field == 'd' ? dst_ : src_;
    const std::optional<int> number = RegisterNumber(Token(), letter);
    // Reserved numbers can be written with a percent sign, for tests.
    const int limit = Token().percent ? 16 : kRegisterCount;
    if (!number || *number >= limit) {
      near_miss_ = number.has_value();
      return Fail(std::string("a register ") + letter + "0 to " + letter + "10");
    }
    if (bound && *bound != *number) return Fail(letter + std::to_string(*bound));
    bound = number;
    (field == 'd' ? insn_.dst : insn_.src) = static_cast<uint8_t>(*number);
    ++at_;
    return true;
  }

  bool MatchField(char field) {
    switch (field) {
      case 'i':
      case 'x':
        return Imm32();
      case 'q':
        return Signed(-(__int128{1} << 63), (__int128{1} << 64) - 1, "a number of 64 bits") &&
               Store(&wide_);
      case 'h':
        return Signed(0, UINT32_MAX, "a number from 0 to 4294967295") && Store(&high_);
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
  bool Signed(__int128 least, __int128 most, const char* expected) {
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

  bool Store(uint64_t* where) {
    *where = number_;
    return true;
  }

  bool Imm32() {
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

  bool Off16() {
    if (!Signed(INT16_MIN, INT16_MAX, "an offset from -32768 to 32767")) return false;
    insn_.off = static_cast<int16_t>(number_);
    return true;
  }

  bool MemoryOffset() {
    if (!Token().Is("+") && !Token().Is("-")) return true;
    return Off16();
  }

  bool OptionalHigh() {
    if (!Token().Is("[")) return true;
    ++at_;
    if (!Signed(0, UINT32_MAX, "a number from 0 to 4294967295")) return false;
    high_ = number_;
    if (!Token().Is("]")) return Fail("']'");
    ++at_;
    return true;
  }

  bool AddressSpaces() {
    constexpr const char* kExpected = "an address space from 0 to 65535";
    if (!Signed(0, UINT16_MAX, kExpected)) return false;
    const auto to = static_cast<uint32_t>(number_);
    if (!Token().Is(",")) return Fail("','");
    ++at_;
    if (!Signed(0, UINT16_MAX, kExpected)) return false;
    insn_.imm = static_cast<int32_t>((to << 16) | static_cast<uint32_t>(number_));
    return true;
  }

  bool Helper() {
    if (Token().kind == Kind::kNumber) return Imm32();
    const bool is_name = Token().kind == Kind::kWord && !IsRegister(Token()) &&
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

  bool Map() {
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
  bool Target(bool by_off) {
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

  bool Label(bool by_off, const char* expected) {
    if (Token().kind != Kind::kWord || labels_.find(Token().text) == labels_.end()) {
      unresolved_ = Token().kind == Kind::kWord && !IsRegister(Token());
      return Fail(expected);
    }
    label_ = Token();
    label_by_off_ = by_off;
    ++at_;
    return true;
  }

 public:
  // The instruction as `op`, with the 64-bit immediate put together.
  DecodedInsn Finish(Op op) const {
    DecodedInsn insn = insn_;
    insn.op = op;
    if (op == Op::kLdImm64) {
      insn.imm64 = static_cast<int64_t>(wide_);
    } else {
      insn.imm64 = static_cast<int64_t>((high_ << 32) | static_cast<uint32_t>(insn.imm));
    }
    return insn;
  }

 private:
  const Tokens& tokens_;
  size_t at_;
  const Labels& labels_;
  const AsmSymbols* symbols_;

  DecodedInsn insn_;
  std::optional<int> dst_;
  std::optional<int> src_;
  std::optional<AsmToken> label_;
  bool label_by_off_ = false;
  uint64_t number_ = 0;
  uint64_t wide_ = 0;
  uint64_t high_ = 0;
  std::string expected_;
  bool unresolved_ = false;
  bool near_miss_ = false;
};

// What patterns wanted at the furthest token any of them reached.
class Expectations {
 public:
  void Add(const Matcher& matcher) {
    if (matcher.at() < at_ || (matcher.at() == at_ && near_miss_ && !matcher.near_miss())) return;
    if (matcher.at() > at_ || matcher.near_miss() != near_miss_) {
      at_ = matcher.at();
      near_miss_ = matcher.near_miss();
      unresolved_ = false;
      wanted_.clear();
    }
    unresolved_ = unresolved_ || matcher.unresolved();
    const std::string& what = matcher.expected();
    if (std::find(wanted_.begin(), wanted_.end(), what) == wanted_.end()) wanted_.push_back(what);
  }

  Error ToError(const Tokens& tokens) const {
    const AsmToken& token = tokens[at_];
    std::string message = "found ";
    message += token.kind == Kind::kEnd ? "the end of the instruction" : Quoted(token.text);
    message += ", expected ";
    constexpr size_t kMost = 6;
    for (size_t i = 0; i < std::min(wanted_.size(), kMost); ++i) {
      if (i > 0) message += i + 1 == wanted_.size() ? " or " : ", ";
      message += wanted_[i];
    }
    if (wanted_.size() > kMost) message += " or others";
    return ErrorAt(token, unresolved_ ? ErrorCode::kUnresolved : ErrorCode::kMalformedObject,
                   std::move(message));
  }

 private:
  size_t at_ = 0;
  std::vector<std::string> wanted_;
  bool near_miss_ = false;
  bool unresolved_ = false;
};

bool IsLabelAt(const Tokens& tokens, size_t at) {
  return tokens[at].kind == Kind::kWord && !tokens[at].percent && tokens[at + 1].Is(":");
}

class AssemblerRun {
 public:
  AssemblerRun(std::string_view text, const AsmSymbols* symbols) : text_(text), symbols_(symbols) {}

  Result<AssembledProgram> Run() {
    SKEP_TRY_VOID(CollectLabels());
    AsmLexer lexer(text_);
    for (Tokens tokens; lexer.NextStatement(tokens);) {
      SKEP_TRY_VOID(Statement(tokens));
      if (program_.insns.size() > kMaxAssembledSlots) {
        return ErrorAt(tokens[0], ErrorCode::kResourceLimit, "more than 1000000 instruction slots");
      }
    }
    SKEP_TRY_VOID(PatchLabels());
    return std::move(program_);
  }

 private:
  // Names first: a jump may come before its label, and `call f` is a local call
  // only if f is one.
  Result<void> CollectLabels() {
    AsmLexer lexer(text_);
    bool has_exit = false;
    for (Tokens tokens; lexer.NextStatement(tokens);) {
      size_t at = 0;
      for (; IsLabelAt(tokens, at); at += 2) {
        if (IsRegister(tokens[at])) {
          return ErrorAt(tokens[at], ErrorCode::kMalformedObject,
                         "found the register " + Quoted(tokens[at].text) + ", expected a label");
        }
        if (!labels_.emplace(tokens[at].text, std::nullopt).second) {
          return ErrorAt(tokens[at], ErrorCode::kMalformedObject,
                         "found label " + Quoted(tokens[at].text) +
                             " a second time, expected each label once");
        }
      }
      has_exit = has_exit || tokens[at].Is("exit");
    }
    implicit_exit_ = has_exit && labels_.emplace("exit", std::nullopt).second;
    return {};
  }

  Result<void> Statement(const Tokens& tokens) {
    size_t begin = 0;
    const auto slot = static_cast<uint32_t>(program_.insns.size());
    for (; IsLabelAt(tokens, begin); begin += 2) {
      labels_[tokens[begin].text] = slot;
      program_.labels.emplace_back(tokens[begin].text, slot);
    }
    const AsmToken& first = tokens[begin];
    if (first.kind == Kind::kEnd) return {};
    if (implicit_exit_ && first.Is("exit") && !labels_["exit"]) labels_["exit"] = slot;

    const std::string_view key = IsRegister(first) ? first.text.substr(0, 1) : first.text;
    const std::vector<AsmPattern>& patterns = patterns_.StartingWith(key);
    if (patterns.empty()) {
      return ErrorAt(first, ErrorCode::kMalformedObject,
                     "found " + Quoted(first.text) + ", expected an instruction or a label");
    }
    Expectations expectations;
    for (const AsmPattern& pattern : patterns) {
      Matcher matcher(tokens, begin, labels_, symbols_);
      if (matcher.Match(pattern)) {
        Emit(pattern, matcher, first.line);
        return {};
      }
      expectations.Add(matcher);
    }
    return expectations.ToError(tokens);
  }

  void Emit(const AsmPattern& pattern, const Matcher& matcher, uint32_t line) {
    const size_t slot = program_.insns.size();
    switch (pattern.result) {
      case AsmPattern::Result::kOp:
        AppendEncoded(matcher.Finish(pattern.op), program_.insns);
        break;
      case AsmPattern::Result::kCallRegister:
        program_.insns.push_back({.code = 0x8d});
        program_.insns.back().dst = static_cast<uint8_t>(matcher.insn().dst & 0xf);
        break;
      case AsmPattern::Result::kRawInsn:
        program_.insns.push_back(std::bit_cast<Insn>(matcher.wide()));
        break;
    }
    program_.lines.resize(program_.insns.size(), line);
    if (matcher.label()) fixups_.push_back({slot, matcher.label_by_off(), *matcher.label()});
  }

  Result<void> PatchLabels() {
    for (const Fixup& fixup : fixups_) {
      const std::optional<uint32_t> target = labels_[fixup.label.text];
      SKEP_CHECK(target.has_value());
      const int64_t distance = int64_t{*target} - static_cast<int64_t>(fixup.slot) - 1;
      Insn& insn = program_.insns[fixup.slot];
      if (!fixup.by_off) {
        insn.imm = static_cast<int32_t>(distance);
      } else if (distance >= INT16_MIN && distance <= INT16_MAX) {
        insn.off = static_cast<int16_t>(distance);
      } else {
        return ErrorAt(fixup.label, ErrorCode::kMalformedObject,
                       "found label " + Quoted(fixup.label.text) + " " + std::to_string(distance) +
                           " slots away, expected -32768 to 32767 (gotol reaches further)");
      }
    }
    return {};
  }

  std::string_view text_;
  const AsmSymbols* symbols_;
  AsmPatterns patterns_;
  AssembledProgram program_;
  Labels labels_;
  std::vector<Fixup> fixups_;
  bool implicit_exit_ = false;
};

}  // namespace

Result<AssembledProgram> Assemble(std::string_view text, const AsmSymbols* symbols) {
  if (text.size() > kMaxAssemblyBytes) {
    return Error{ErrorCode::kResourceLimit, "text of " + std::to_string(text.size()) +
                                                " bytes, expected at most " +
                                                std::to_string(kMaxAssemblyBytes)};
  }
  return AssemblerRun(text, symbols).Run();
}

}  // namespace skep
