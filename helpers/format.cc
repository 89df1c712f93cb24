// SPDX-License-Identifier: Apache-2.0
#include "helpers/format.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/safe_read.h"

namespace skep::helpers {
namespace {

// Linux first copies all arguments to a buffer of this size.
constexpr size_t kArgumentBytes = 512;
constexpr uint64_t kMaxWidth = (1u << 23) - 1;
constexpr size_t kPointerDigits = 2 * sizeof(uint64_t);

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }
bool IsPrint(char c) { return c >= 0x20 && c < 0x7f; }
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsPunct(char c) {
  return IsPrint(c) && c != ' ' && !IsDigit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}
bool EndsWord(char c) { return c == '\0' || IsSpace(c) || IsPunct(c); }
bool IsOneOf(char c, std::string_view set) { return c != '\0' && set.find(c) != set.npos; }

// Flags and width as C has them.
struct Padding {
  std::array<char, 5> flags{};  // a subset of "0+- ", then NUL
  uint64_t width = 0;
  bool left() const { return std::strchr(flags.data(), '-') != nullptr; }
};

enum class Kind : uint8_t {
  kNumber,     // d i u x X
  kCharacter,  // c
  kText,       // s: the text at an address
  kPointer,    // p and px pK ps pS: an address
  kMade,       // pks pus pB pi4 pI4 pi6 pI6: text that is made before the printing
};

// A conversion, and where it stands in the format.
struct Conversion {
  size_t begin = 0, end = 0;
  Kind kind = Kind::kNumber;
  char letter = 0;  // kNumber: d u x X; kPointer: what follows the p
  bool wide = false;
  Padding padding;
};

// What Linux copies before it prints: numbers at multiples of 4 bytes, texts with
// their NUL. The cursor of the reads is another than that of the writes.
class ArgumentBuffer {
 public:
  int AddNumber(uint64_t value, size_t bytes) {
    used_ = Aligned(used_);
    if (used_ > kArgumentBytes || kArgumentBytes - used_ < bytes) return -ENOSPC;
    std::memcpy(&bytes_[used_], &value, bytes);
    used_ += bytes;
    return 0;
  }
  int AddCharacter(char c) {
    if (used_ == kArgumentBytes) return -ENOSPC;
    bytes_[used_++] = c;
    return 0;
  }
  int AddTextAt(uint64_t address) {
    if (used_ == kArgumentBytes) return -ENOSPC;
    const SafeText found = SafeReadText(address, &bytes_[used_], kArgumentBytes - used_ - 1);
    const size_t length = found.bad ? 0 : found.length;
    bytes_[used_ + length] = '\0';
    used_ += length + 1;
    return 0;
  }
  int AddNetworkAddress(bool separators, bool six, uint64_t value);
  void AddSymbol(uint64_t value) {
    char text[2 * kPointerDigits];
    AddText({text, SymbolText(value, text)});
  }

  // There is no symbol table here: symbols print as Linux prints unknown ones.
  static size_t SymbolText(uint64_t value, char (&text)[2 * kPointerDigits]) {
    return static_cast<size_t>(
        std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value)));
  }

  uint64_t TakeNumber(size_t bytes) {
    read_ = std::min(Aligned(read_), kArgumentBytes);
    uint64_t value = 0;
    std::memcpy(&value, &bytes_[read_], bytes);
    read_ += bytes;
    return value;
  }
  char TakeCharacter() { return bytes_[std::min(read_++, kArgumentBytes)]; }
  std::string_view TakeText() {
    read_ = std::min(read_, kArgumentBytes);
    const std::string_view text(&bytes_[read_]);
    read_ += text.size() + 1;
    return text;
  }

 private:
  static size_t Aligned(size_t at) { return (at + 3) / 4 * 4; }
  void AddText(std::string_view text) {
    text = text.substr(0, kArgumentBytes - std::min(used_ + 1, kArgumentBytes));
    std::memcpy(&bytes_[used_], text.data(), text.size());
    bytes_[used_ + text.size()] = '\0';
    used_ = std::min(used_ + text.size() + 1, kArgumentBytes);
  }

  std::array<char, kArgumentBytes + sizeof(uint64_t)> bytes_{};  // ends with NULs
  size_t used_ = 0, read_ = 0;
};

int ArgumentBuffer::AddNetworkAddress(bool separators, bool six, uint64_t value) {
  const size_t bytes = six ? 16 : 4;
  if (kArgumentBytes - used_ < bytes) return -ENOSPC;
  std::array<uint8_t, 16> address{};
  if (SafeRead(value, address.data(), bytes) != bytes) address = {};
  char text[64];
  size_t length = 0;
  for (size_t i = 0; i < bytes; ++i) {
    const char* spec = six ? (separators && i % 2 == 0 && i != 0 ? ":%02x" : "%02x")
                           : (separators ? (i != 0 ? ".%u" : "%u") : (i != 0 ? ".%03u" : "%03u"));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    length += static_cast<size_t>(
        std::snprintf(text + length, sizeof text - length, spec, unsigned{address[i]}));
#pragma GCC diagnostic pop
  }
  AddText({text, length});
  return 0;
}

// Reads a format and copies its arguments.
class Reader {
 public:
  Reader(std::string_view format, std::span<const uint64_t> arguments, ArgumentBuffer& buffer)
      : format_(format), arguments_(arguments), buffer_(buffer) {}

  int Run() {
    for (at_ = 0; at_ < format_.size(); ++at_) {
      const char c = format_[at_];
      if (IsAscii(c) && !IsPrint(c) && !IsSpace(c)) return -EINVAL;
      if (c != '%') continue;
      if (Peek(1) == '%') {
        ++at_;
      } else if (const int error = Convert(); error != 0) {
        return error;
      }
    }
    return 0;
  }
  std::span<const Conversion> conversions() const { return std::span(found_).first(count_); }

 private:
  char Peek(size_t ahead) const {
    return at_ + ahead < format_.size() ? format_[at_ + ahead] : '\0';
  }

  // at_ is at a '%'; leaves it at the last character of the conversion.
  int Convert() {
    if (count_ >= std::min(arguments_.size(), found_.size())) return -EINVAL;
    const uint64_t value = arguments_[count_];
    Conversion& c = found_[count_++];
    c.begin = at_++;
    ReadPadding(c.padding);
    const int error = Peek(0) == 'p'   ? ReadPointer(c, value)
                      : Peek(0) == 's' ? ReadText(c, Kind::kText, value)
                      : Peek(0) == 'c' ? ReadCharacter(c, value)
                                       : ReadNumber(c, value);
    c.end = at_ + 1;
    return error;
  }

  void ReadPadding(Padding& padding) {
    for (; IsOneOf(Peek(0), "0+- "); ++at_) {
      if (std::strchr(padding.flags.data(), Peek(0)) == nullptr) {
        padding.flags[std::strlen(padding.flags.data())] = Peek(0);
      }
    }
    if (Peek(0) < '1' || Peek(0) > '9') return;
    for (; IsDigit(Peek(0)); ++at_) {
      const auto digit = static_cast<uint64_t>(Peek(0) - '0');
      padding.width = std::min(padding.width * 10 + digit, kMaxWidth);
    }
  }

  int ReadCharacter(Conversion& c, uint64_t value) {
    c.kind = Kind::kCharacter;
    return buffer_.AddCharacter(static_cast<char>(value));
  }

  int ReadNumber(Conversion& c, uint64_t value) {
    for (int i = 0; i < 2 && Peek(0) == 'l'; ++i, ++at_) c.wide = true;
    if (!IsOneOf(Peek(0), "diuxX")) return -EINVAL;
    c.letter = Peek(0) == 'i' ? 'd' : Peek(0);
    return buffer_.AddNumber(value, c.wide ? 8 : 4);
  }

  int ReadText(Conversion& c, Kind kind, uint64_t address) {
    if (!EndsWord(Peek(1))) return -EINVAL;
    c.kind = kind;
    return buffer_.AddTextAt(address);
  }

  int ReadPointer(Conversion& c, uint64_t value) {
    const char letter = Peek(1);
    if ((letter == 'k' || letter == 'u') && Peek(2) == 's') {
      at_ += 2;
      return ReadText(c, Kind::kMade, value);
    }
    if (letter == 'B') {
      c.kind = Kind::kMade;
      ++at_;
      buffer_.AddSymbol(value);
      return 0;
    }
    if (EndsWord(letter) || IsOneOf(letter, "KxsS")) {
      c.kind = Kind::kPointer;
      c.letter = letter;
      if (IsOneOf(letter, "KxsS")) ++at_;
      return buffer_.AddNumber(value, 8);
    }
    if ((letter != 'i' && letter != 'I') || (Peek(2) != '4' && Peek(2) != '6')) return -EINVAL;
    const bool six = Peek(2) == '6';
    c.kind = Kind::kMade;
    at_ += 2;
    return buffer_.AddNetworkAddress(letter == 'I', six, value);
  }

  const std::string_view format_;
  const std::span<const uint64_t> arguments_;
  ArgumentBuffer& buffer_;
  std::array<Conversion, kMaxFormatArguments> found_;
  size_t at_ = 0, count_ = 0;
};

class Printer {
 public:
  Printer(std::span<char> out, std::string_view format, ArgumentBuffer& buffer)
      : out_(out), format_(format), buffer_(buffer) {}

  int Run(std::span<const Conversion> conversions) {
    size_t at = 0;
    for (const Conversion& c : conversions) {
      PutLiteral(at, c.begin);
      Put(c);
      at = c.end;
      // Linux takes the word behind a pointer for a part of it.
      const bool pointer = c.kind == Kind::kPointer || c.kind == Kind::kMade;
      while (pointer && at < format_.size() && !EndsWord(format_[at])) ++at;
    }
    PutLiteral(at, format_.size());
    if (!out_.empty()) out_[std::min(length_, out_.size() - 1)] = '\0';
    return static_cast<int>(length_);
  }

 private:
  void PutLiteral(size_t begin, size_t end) {
    for (size_t at = begin; at < end; ++at) {
      Put(format_[at]);
      if (format_[at] == '%') ++at;
    }
  }

  void Put(const Conversion& c) {
    switch (c.kind) {
      case Kind::kNumber:
        return PutInteger(c);
      case Kind::kCharacter: {
        const char character = buffer_.TakeCharacter();
        return PutPadded({&character, 1}, c.padding);
      }
      case Kind::kText:
        return PutPadded(buffer_.TakeText(), c.padding);
      case Kind::kPointer:
        return PutPointer(c.padding, c.letter, buffer_.TakeNumber(8));
      case Kind::kMade:
        // Linux ignores the width here; where there is no room left, it does not
        // even go on to the next argument.
        if (length_ < out_.size()) PutPadded(buffer_.TakeText(), {});
        return;
    }
  }

  void Put(char c) {
    if (length_ < out_.size()) out_[length_] = c;
    ++length_;
  }
  void PutPadded(std::string_view text, const Padding& padding) {
    const size_t spaces = padding.width > text.size() ? padding.width - text.size() : 0;
    if (!padding.left()) PutSpaces(spaces);
    for (const char ch : text) Put(ch);
    if (padding.left()) PutSpaces(spaces);
  }
  void PutSpaces(size_t count) {
    for (size_t i = 0; i < count; ++i) Put(' ');
  }

  void PutInteger(const Conversion& c) {
    uint64_t value = buffer_.TakeNumber(c.wide ? 8 : 4);
    if (!c.wide && c.letter == 'd') {
      value = static_cast<uint64_t>(int64_t{static_cast<int32_t>(value)});
    }
    // Digits and sign by C's printf, whose rules Linux follows.
    char spec[16];
    std::snprintf(spec, sizeof spec, "%%%s*ll%c", c.padding.flags.data(), c.letter);
    PrintNumber(spec, static_cast<int>(c.padding.width), value);
  }

  void PrintNumber(const char* spec, int width, uint64_t value) {
    char text[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const int needed = std::snprintf(text, sizeof text, spec, std::min(width, 40),
                                     static_cast<unsigned long long>(value));
#pragma GCC diagnostic pop
    const std::string_view printed(text, static_cast<size_t>(needed));
    if (width <= 40) {
      for (const char ch : printed) Put(ch);
      return;
    }
    // Widths that no number needs: what stands at the padded end, repeated.
    const auto more = static_cast<size_t>(width) - printed.size();
    const bool left = std::strchr(spec, '-') != nullptr;
    const std::string_view flags(spec, std::strcspn(spec, "*"));
    const bool zeros = !left && flags.find('0') != flags.npos;
    const size_t sign = IsOneOf(printed[0], "+- ") ? 1 : 0;
    const size_t split = left ? printed.size() : zeros ? sign : 0;
    for (const char ch : printed.substr(0, split)) Put(ch);
    for (size_t i = 0; i < more; ++i) Put(zeros ? '0' : ' ');
    for (const char ch : printed.substr(split)) Put(ch);
  }

  // %p and %pK print the address itself, not a hash: it is the host's own.
  void PutPointer(const Padding& padding, char letter, uint64_t value) {
    if (IsOneOf(letter, "sS")) {
      char text[2 * kPointerDigits];
      PutPadded({text, ArgumentBuffer::SymbolText(value, text)}, padding);
    } else if (padding.width == 0) {
      PrintNumber(padding.left() ? "%-*llx" : "%0*llx", kPointerDigits, value);
    } else {
      // A width takes the place of the leading zeros.
      char spec[16];
      std::snprintf(spec, sizeof spec, "%%%s*llx", padding.flags.data());
      PrintNumber(spec, static_cast<int>(padding.width), value);
    }
  }

  const std::span<char> out_;
  const std::string_view format_;
  ArgumentBuffer& buffer_;
  size_t length_ = 0;  // of the text so far
};

}  // namespace

bool FormatOf(const char* bytes, size_t size, std::string_view* format) {
  const size_t length = strnlen(bytes, size);
  *format = {bytes, length};
  return length < size;
}

int FormatText(std::span<char> out, std::string_view format, std::span<const uint64_t> arguments) {
  ArgumentBuffer buffer;
  Reader reader(format, arguments, buffer);
  if (const int error = reader.Run(); error != 0) return error;
  return Printer(out, format, buffer).Run(reader.conversions());
}

}  // namespace skep::helpers
