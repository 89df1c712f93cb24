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

#include <bit>
#include <optional>

#include "base/check.h"
#include "isa/asm_lexer.h"
#include "isa/asm_matcher.h"
#include "isa/asm_patterns.h"
#include "isa/encode.h"

namespace skep {
namespace {

using Tokens = std::vector<AsmToken>;
using Kind = AsmToken::Kind;

// A jump, call or reference by label, patched when all labels are known.
struct Fixup {
  size_t slot;
  bool by_off;  // else by imm
  AsmToken label;
};

bool IsLabelAt(const Tokens& tokens, size_t at) {
  return tokens[at].kind == Kind::kWord && !tokens[at].percent && tokens[at + 1].Is(":");
}

class AssemblerRun {
 public:
  AssemblerRun(const AsmPatterns& patterns, std::string_view text, const AsmSymbols* symbols)
      : patterns_(patterns), text_(text), symbols_(symbols) {}

  Result<AssembledProgram> Run() {
    SKEP_TRY_VOID(CollectLabels());
    AsmLexer lexer(text_);
    for (Tokens tokens; lexer.NextStatement(tokens);) {
      SKEP_TRY_VOID(Statement(tokens));
      if (program_.insns.size() > kMaxAssembledSlots) {
        return AsmErrorAt(tokens[0], ErrorCode::kResourceLimit,
                          "more than 1000000 instruction slots");
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
        if (IsRegisterName(tokens[at])) {
          return AsmErrorAt(
              tokens[at], ErrorCode::kMalformedObject,
              "found the register " + QuotedForMessage(tokens[at].text) + ", expected a label");
        }
        if (!labels_.emplace(tokens[at].text, std::nullopt).second) {
          return AsmErrorAt(tokens[at], ErrorCode::kMalformedObject,
                            "found label " + QuotedForMessage(tokens[at].text) +
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

    const std::string_view key = IsRegisterName(first) ? first.text.substr(0, 1) : first.text;
    const std::vector<AsmPattern>& patterns = patterns_.StartingWith(key);
    if (patterns.empty()) {
      return AsmErrorAt(
          first, ErrorCode::kMalformedObject,
          "found " + QuotedForMessage(first.text) + ", expected an instruction or a label");
    }
    for (const AsmPattern& pattern : patterns) {
      AsmMatcher matcher(tokens, begin, labels_, symbols_);
      if (!matcher.Match(pattern)) continue;
      Emit(pattern, matcher, first.line);
      return {};
    }
    AsmExpectations expectations;
    for (const AsmPattern& pattern : patterns) {
      AsmMatcher matcher(tokens, begin, labels_, symbols_);
      if (!matcher.Match(pattern)) expectations.Add(matcher);
    }
    return expectations.ToError(tokens);
  }

  void Emit(const AsmPattern& pattern, const AsmMatcher& matcher, uint32_t line) {
    const size_t slot = program_.insns.size();
    switch (pattern.result) {
      case AsmPattern::Result::kOp:
        AppendEncoded(matcher.Finish(pattern.op), program_.insns);
        break;
      case AsmPattern::Result::kCallRegister:
        program_.insns.push_back({.code = 0x8d});
        program_.insns.back().dst = static_cast<uint8_t>(matcher.dst() & 0xf);
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
        return AsmErrorAt(fixup.label, ErrorCode::kMalformedObject,
                          "found label " + QuotedForMessage(fixup.label.text) + " " +
                              std::to_string(distance) +
                              " slots away, expected -32768 to 32767 (gotol reaches further)");
      }
    }
    return {};
  }

  const AsmPatterns& patterns_;
  std::string_view text_;
  const AsmSymbols* symbols_;
  AssembledProgram program_;
  AsmLabels labels_;
  std::vector<Fixup> fixups_;
  bool implicit_exit_ = false;
};

}  // namespace

Assembler::Assembler() : patterns_(std::make_unique<AsmPatterns>()) {}
Assembler::~Assembler() = default;

Result<AssembledProgram> Assembler::Assemble(std::string_view text,
                                             const AsmSymbols* symbols) const {
  if (text.size() > kMaxAssemblyBytes) {
    return Error{ErrorCode::kResourceLimit, "text of " + std::to_string(text.size()) +
                                                " bytes, expected at most " +
                                                std::to_string(kMaxAssemblyBytes)};
  }
  return AssemblerRun(*patterns_, text, symbols).Run();
}

Result<AssembledProgram> Assemble(std::string_view text, const AsmSymbols* symbols) {
  return Assembler().Assemble(text, symbols);
}

}  // namespace skep
