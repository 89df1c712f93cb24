// SPDX-License-Identifier: Apache-2.0
#include "verifier/format_string.h"

namespace skep::verifier {
namespace {

bool IsPunctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool Run(uint64_t arguments) {
    uint64_t used = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      const auto byte = static_cast<unsigned char>(c);
      if (c != '%') {
        // Control characters are refused, white space and UTF-8 are not.
        if (byte < 0x80 && !IsSpace(c) && (byte < 0x20 || byte == 0x7f)) return false;
        continue;
      }
      if (Accept('%')) continue;
      if (++used > arguments) return false;
      if (!Conversion()) return false;
    }
    return true;
  }

 private:
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Accept(char c) {
    if (Peek() != c || c == '\0') return false;
    ++at_;
    return true;
  }
  bool Boundary() const {
    const char c = Peek();
    return c == '\0' || IsSpace(c) || IsPunctuation(c);
  }

  bool Pointer() {
    if (Accept('x') || Accept('K') || Accept('s') || Accept('S') || Accept('B')) return true;
    if (Accept('k') || Accept('u')) return Accept('s') && Boundary();
    if (Accept('i') || Accept('I')) return Accept('4') || Accept('6');
    return Boundary();
  }

  bool Conversion() {
    while (Peek() == '0' || Peek() == '+' || Peek() == '-' || Peek() == ' ') ++at_;
    while (IsDigit(Peek())) ++at_;
    if (Accept('p')) return Pointer();
    if (Accept('s')) return Boundary();
    if (Accept('c')) return true;
    if (Accept('l')) Accept('l');
    return Accept('d') || Accept('i') || Accept('u') || Accept('x') || Accept('X');
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

bool IsValidFormat(std::string_view text, uint64_t arguments) {
  return Parser(text).Run(arguments);
}

}  // namespace skep::verifier
