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

// One conversion: flags and width as C has them, and what to convert.
struct Conversion {
  std::array<char, 5> flags{};  // a subset of "0+- ", then NUL
  uint64_t width = 0;
  bool left() const { return std::strchr(flags.data(), '-') != nullptr; }
};

class Formatter {
 public:
  Formatter(std::span<char> out, std::string_view format, std::span<const uint64_t> arguments)
      : out_(out), format_(format), arguments_(arguments) {}

  int Run() {
    for (at_ = 0; at_ < format_.size(); ++at_) {
      const char c = format_[at_];
      if (IsAscii(c) && !IsPrint(c) && !IsSpace(c)) return -EINVAL;
      if (c != '%') {
        Put(c);
      } else if (Peek(1) == '%') {
        Put('%');
        ++at_;
      } else if (const int error = Convert(); error != 0) {
        return error;
      }
    }
    if (!out_.empty()) out_[std::min(length_, out_.size() - 1)] = '\0';
    return static_cast<int>(length_);
  }

 private:
  char Peek(size_t ahead) const {
    return at_ + ahead < format_.size() ? format_[at_ + ahead] : '\0';
  }
  void Put(char c) {
    if (length_ < out_.size()) out_[length_] = c;
    ++length_;
  }
  void PutPadded(std::string_view text, const Conversion& c) {
    const size_t padding = c.width > text.size() ? c.width - text.size() : 0;
    if (!c.left()) PutSpaces(padding);
    for (const char ch : text) Put(ch);
    if (c.left()) PutSpaces(padding);
  }
  void PutSpaces(size_t count) {
    for (size_t i = 0; i < count; ++i) Put(' ');
  }

  // Accounts for an argument in Linux's buffer; -ENOSPC if it is full.
  int Account(size_t bytes, size_t align) {
    used_ = (used_ + align - 1) / align * align;
    if (used_ > kArgumentBytes || kArgumentBytes - used_ < bytes) return -ENOSPC;
    used_ += bytes;
    return 0;
  }

  // at_ is at a '%'; leaves it at the last character of the conversion.
  int Convert() {
    if (next_ >= arguments_.size()) return -EINVAL;
    const uint64_t value = arguments_[next_++];
    Conversion c;
    ++at_;
    for (; IsOneOf(Peek(0), "0+- "); ++at_) {
      if (std::strchr(c.flags.data(), Peek(0)) == nullptr) {
        c.flags[std::strlen(c.flags.data())] = Peek(0);
      }
    }
    if (Peek(0) >= '1' && Peek(0) <= '9') {
      for (; IsDigit(Peek(0)); ++at_) {
        c.width = std::min(c.width * 10 + static_cast<uint64_t>(Peek(0) - '0'), kMaxWidth);
      }
    }
    if (Peek(0) == 'p') return ConvertPointer(c, value);
    if (Peek(0) == 's') return ConvertString(c, value);
    if (Peek(0) == 'c') {
      if (const int error = Account(1, 1); error != 0) return error;
      const char character = static_cast<char>(value);
      PutPadded({&character, 1}, c);
      return 0;
    }
    return ConvertInteger(c, value);
  }

  int ConvertInteger(const Conversion& c, uint64_t value) {
    bool wide = false;
    for (int i = 0; i < 2 && Peek(0) == 'l'; ++i, ++at_) wide = true;
    const char kind = Peek(0);
    if (!IsOneOf(kind, "diuxX")) return -EINVAL;
    if (const int error = Account(wide ? 8 : 4, 4); error != 0) return error;
    const bool is_signed = kind == 'd' || kind == 'i';
    if (!wide) {
      const auto low = static_cast<uint32_t>(value);
      value = is_signed ? static_cast<uint64_t>(int64_t{static_cast<int32_t>(low)}) : low;
    }
    // Digits and sign by C's printf, whose rules Linux follows.
    char spec[16];
    std::snprintf(spec, sizeof spec, "%%%s*ll%c", c.flags.data(), kind == 'i' ? 'd' : kind);
    PrintNumber(spec, static_cast<int>(c.width), value);
    return 0;
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

  int ConvertString(const Conversion& c, uint64_t address) {
    if (!EndsWord(Peek(1))) return -EINVAL;
    if (const int error = Account(1, 1); error != 0) return error;
    // Cut to what is left of the buffer, with the NUL.
    char text[kArgumentBytes];
    const size_t room = kArgumentBytes - used_ + 1;
    const SafeText found = SafeReadText(address, text, room - 1);
    const size_t read = found.bad ? 0 : found.length;
    used_ += read;
    PutPadded({text, read}, c);
    return 0;
  }

  int ConvertPointer(const Conversion& c, uint64_t value) {
    const char kind = Peek(1);
    if ((kind == 'k' || kind == 'u') && Peek(2) == 's') {
      at_ += 2;
      return ConvertString({}, value);  // Linux ignores the width here
    }
    if (EndsWord(kind) || IsOneOf(kind, "KxsSB")) {
      if (const int error = Account(8, 4); error != 0) return error;
      if (IsOneOf(kind, "KxsSB")) ++at_;
      PutPointer(c, kind, value);
      return 0;
    }
    if ((kind == 'i' || kind == 'I') && (Peek(2) == '4' || Peek(2) == '6')) {
      const bool six = Peek(2) == '6';
      at_ += 2;
      return PutAddress(kind == 'I', six, value);
    }
    return -EINVAL;
  }

  // There is no symbol table here: symbols print as Linux prints unknown ones.
  // %p and %pK print the address itself, not a hash: it is the host's own.
  void PutPointer(const Conversion& c, char kind, uint64_t value) {
    char text[2 * kPointerDigits];
    if (IsOneOf(kind, "sSB")) {
      std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
      PutPadded(text, kind == 'B' ? Conversion{} : c);
    } else if (c.width == 0) {
      PrintNumber(c.left() ? "%-*llx" : "%0*llx", kPointerDigits, value);
    } else {
      // A width takes the place of the leading zeros.
      std::snprintf(text, sizeof text, "%%%s*llx", c.flags.data());
      PrintNumber(text, static_cast<int>(c.width), value);
    }
  }

  int PutAddress(bool separators, bool six, uint64_t value) {
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
    // The text is what Linux puts into its buffer, with a NUL.
    length = std::min(length, kArgumentBytes - used_ - 1);
    used_ += length + 1;
    PutPadded({text, length}, {});  // Linux ignores the width here
    return 0;
  }

  const std::span<char> out_;
  const std::string_view format_;
  const std::span<const uint64_t> arguments_;
  size_t at_ = 0;
  size_t next_ = 0;    // argument
  size_t length_ = 0;  // of the text so far
  size_t used_ = 0;    // of Linux's argument buffer
};

}  // namespace

bool FormatOf(const char* bytes, size_t size, std::string_view* format) {
  const size_t length = strnlen(bytes, size);
  *format = {bytes, length};
  return length < size;
}

int FormatText(std::span<char> out, std::string_view format, std::span<const uint64_t> arguments) {
  return Formatter(out, format, arguments).Run();
}

}  // namespace skep::helpers
