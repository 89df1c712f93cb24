// SPDX-License-Identifier: Apache-2.0
#include "isa/asm_lexer.h"

namespace skep {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '$';
}
bool IsWordChar(char c) { return IsWordStart(c) || IsDigit(c); }
int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Longest first: the first that fits is taken.
constexpr std::string_view kOperators[] = {
    "s>>=", "<<=", ">>=", "s>=", "s<=", "s/=", "s%=", "s>", "s<", "+=", "-=", "*=",
    "/=",   "%=",  "|=",  "&=",  "^=",  "==",  "!=",  ">=", "<=", "+",  "-",  "*",
    "/",    "&",   "|",   "=",   ">",   "<",   "(",   ")",  "[",  "]",  ",",  ":"};

}  // namespace

void AsmLexer::SkipSpaceAndComments() {
  for (;;) {
    const char c = At();
    if (c == ' ' || c == '\t' || c == '\r') {
      ++pos_;
    } else if (c == '#' || (c == '/' && At(1) == '/')) {
      while (pos_ < text_.size() && text_[pos_] != '\n') ++pos_;
    } else {
      return;
    }
  }
}

AsmToken AsmLexer::LexWord(AsmToken token) {
  const size_t begin = pos_;
  while (IsWordChar(At())) ++pos_;
  token.kind = AsmToken::Kind::kWord;
  token.text = text_.substr(begin, pos_ - begin);
  if (after_call_ && At() == '#' && IsDigit(At(1))) {
    ++pos_;
    token = LexNumber(token);
    token.text = text_.substr(begin, pos_ - begin);
  }
  return token;
}

AsmToken AsmLexer::LexNumber(AsmToken token) {
  const size_t begin = pos_;
  token.kind = AsmToken::Kind::kNumber;
  unsigned base = 10;
  if (At() == '0' && (At(1) == 'x' || At(1) == 'X')) {
    base = 16;
    pos_ += 2;
    if (HexValue(At()) < 0) token.kind = AsmToken::Kind::kInvalid;
  }
  for (int digit; (digit = HexValue(At())) >= 0 && digit < static_cast<int>(base); ++pos_) {
    if (__builtin_mul_overflow(token.number, uint64_t{base}, &token.number) ||
        __builtin_add_overflow(token.number, static_cast<uint64_t>(digit), &token.number)) {
      token.kind = AsmToken::Kind::kInvalid;
    }
  }
  token.text = text_.substr(begin, pos_ - begin);
  return token;
}

AsmToken AsmLexer::LexOperator(AsmToken token) {
  for (const std::string_view candidate : kOperators) {
    if (text_.substr(pos_, candidate.size()) == candidate) {
      token.kind = AsmToken::Kind::kOperator;
      token.text = text_.substr(pos_, candidate.size());
      pos_ += candidate.size();
      return token;
    }
  }
  token.kind = AsmToken::Kind::kInvalid;
  token.text = text_.substr(pos_, 1);
  ++pos_;
  return token;
}

// The next token of the line; kEnd, not consumed, at its end.
AsmToken AsmLexer::Next() {
  SkipSpaceAndComments();
  AsmToken token;
  token.line = line_;
  token.column = static_cast<uint32_t>(pos_ - line_begin_ + 1);
  const char c = At();
  if (pos_ >= text_.size() || c == '\n' || c == ';') return token;
  if (c == kFieldMark && is_pattern_) {
    token.kind = AsmToken::Kind::kField;
    token.text = text_.substr(pos_ + 1, 1);
    pos_ += 2;
    return token;
  }
  if (c == '%' && (At(1) == 'r' || At(1) == 'w') && IsDigit(At(2))) {
    ++pos_;
    token = LexWord(token);
    token.percent = true;
    return token;
  }
  // `s>` is a comparison, not a name before one.
  const bool signed_operator =
      c == 's' && (At(1) == '>' || At(1) == '<' || (At(1) == '/' && At(2) == '=') ||
                   (At(1) == '%' && At(2) == '='));
  if (IsWordStart(c) && !signed_operator) return LexWord(token);
  if (IsDigit(c)) return LexNumber(token);
  return LexOperator(token);
}

bool AsmLexer::NextStatement(std::vector<AsmToken>& tokens) {
  tokens.clear();
  after_call_ = false;
  for (;;) {
    const AsmToken token = Next();
    if (token.kind != AsmToken::Kind::kEnd) {
      after_call_ = token.Is("call");
      tokens.push_back(token);
      continue;
    }
    if (!tokens.empty()) {
      tokens.push_back(token);
      return true;
    }
    if (pos_ >= text_.size()) return false;
    if (text_[pos_++] == '\n') {
      ++line_;
      line_begin_ = pos_;
    }
  }
}

}  // namespace skep
