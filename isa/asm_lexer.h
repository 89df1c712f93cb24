// SPDX-License-Identifier: Apache-2.0
// Cuts assembler text into statements of tokens. Internal to the assembler.
//
// A statement ends at a newline or a semicolon. Comments run from `#` or `//`
// to the end of the line; the one `#` that is no comment stands in
// `call name#id`, as bpftool prints it.
//
// Threads: a Lexer belongs to one thread. Tokens point into the text.

#ifndef SKEP_ISA_ASM_LEXER_H_
#define SKEP_ISA_ASM_LEXER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace skep {

struct AsmToken {
  enum class Kind : uint8_t {
    kEnd,       // of the statement
    kWord,      // name, mnemonic, register
    kNumber,    // without sign
    kOperator,  // one or more punctuation characters
    kField,     // in patterns only: a directive of opcodes.def, its letter in text
    kInvalid,   // a character or number that no token begins with
  };
  Kind kind = Kind::kEnd;
  bool percent = false;  // a register written %r1
  std::string_view text;
  uint64_t number = 0;
  uint32_t line = 0;
  uint32_t column = 0;  // from 1, in bytes

  bool Is(std::string_view word) const {
    return (kind == Kind::kWord || kind == Kind::kOperator) && text == word;
  }
};

class AsmLexer {
 public:
  // `text` must outlive the lexer and its tokens. In a pattern kFieldMark and a
  // letter are a field.
  static constexpr char kFieldMark = '\x01';
  explicit AsmLexer(std::string_view text, bool is_pattern = false)
      : text_(text), is_pattern_(is_pattern) {}

  // Replaces `tokens` by those of the next statement that is not empty, with
  // kEnd at its end. Returns false if there is none.
  bool NextStatement(std::vector<AsmToken>& tokens);

 private:
  AsmToken Next();
  AsmToken LexWord(AsmToken token);
  AsmToken LexNumber(AsmToken token);
  AsmToken LexOperator(AsmToken token);
  void SkipSpaceAndComments();
  char At(size_t ahead = 0) const {
    return pos_ + ahead < text_.size() ? text_[pos_ + ahead] : '\0';
  }

  std::string_view text_;
  bool is_pattern_;
  bool after_call_ = false;  // the previous token was the word call
  size_t pos_ = 0;
  size_t line_begin_ = 0;
  uint32_t line_ = 1;
};

}  // namespace skep

#endif  // SKEP_ISA_ASM_LEXER_H_
