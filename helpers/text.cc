// SPDX-License-Identifier: Apache-2.0
// bpf_strtol, bpf_strtoul and bpf_strncmp.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/memory_access.h"
#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

constexpr uint64_t kBaseMask = 0x1f;
constexpr size_t kMaxDigits = 63;  // further characters are not looked at

// Linux's ctype is Latin-1: a no-break space is a space.
bool IsSpace(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == static_cast<char>(0xa0);
}
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The value of a digit; 99 if it is none.
uint32_t DigitOf(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint32_t>(c - '0');
  const char lower = Lower(c);
  return lower >= 'a' && lower <= 'f' ? static_cast<uint32_t>(lower - 'a' + 10) : 99;
}

struct Number {
  int64_t consumed = 0;  // characters, or -errno
  bool negative = false;
  uint64_t magnitude = 0;
};

// "  -0x1f rest": spaces, a minus sign, a prefix that the base allows, digits.
Number ParseNumber(const char* text, uint64_t size, uint64_t flags) {
  uint64_t base = flags & kBaseMask;
  if ((base != 0 && base != 8 && base != 10 && base != 16) || (flags & ~kBaseMask) != 0 ||
      size == 0) {
    return {-EINVAL};
  }
  size_t at = 0;
  while (at < size && IsSpace(text[at])) ++at;
  Number number;
  number.negative = at < size && text[at] == '-';
  if (number.negative) ++at;
  if (at == size) return {-EINVAL};

  char digits[kMaxDigits + 3] = {};  // zeros behind the last character
  std::memcpy(digits, text + at, std::min<size_t>(size - at, kMaxDigits));
  const char* cursor = digits;
  const bool prefix = digits[0] == '0' && Lower(digits[1]) == 'x';
  if (base == 0) base = digits[0] != '0' ? 10 : prefix && DigitOf(digits[2]) < 16 ? 16 : 8;
  if (base == 16 && prefix) cursor += 2;

  const char* first = cursor;
  bool overflow = false;
  for (; DigitOf(*cursor) < base; ++cursor) {
    const uint64_t digit = DigitOf(*cursor);
    overflow |= number.magnitude > (std::numeric_limits<uint64_t>::max() - digit) / base;
    number.magnitude = number.magnitude * base + digit;
  }
  if (overflow) return {-ERANGE};
  if (cursor == first) return {-EINVAL};
  number.consumed = static_cast<int64_t>(at) + (cursor - digits);
  return number;
}

const char* AsText(uint64_t r) { return reinterpret_cast<const char*>(r); }

}  // namespace

uint64_t Strtol(uint64_t text, uint64_t size, uint64_t flags, uint64_t result, uint64_t,
                ExecutionContext&) noexcept {
  const Number number = ParseNumber(AsText(text), size, flags);
  StoreRelaxed<uint64_t>(result, 0);
  if (number.consumed < 0) return FromResult(number.consumed);
  // The smallest value has no positive twin.
  const uint64_t value = number.negative ? 0 - number.magnitude : number.magnitude;
  const bool negative = static_cast<int64_t>(value) < 0;
  if (value != 0 && negative != number.negative) return FromResult(-ERANGE);
  StoreRelaxed(result, value);
  return FromResult(number.consumed);
}

uint64_t Strtoul(uint64_t text, uint64_t size, uint64_t flags, uint64_t result, uint64_t,
                 ExecutionContext&) noexcept {
  const Number number = ParseNumber(AsText(text), size, flags);
  StoreRelaxed<uint64_t>(result, 0);
  if (number.consumed < 0) return FromResult(number.consumed);
  if (number.negative) return FromResult(-EINVAL);
  StoreRelaxed(result, number.magnitude);
  return FromResult(number.consumed);
}

uint64_t Strncmp(uint64_t text, uint64_t size, uint64_t other, uint64_t, uint64_t,
                 ExecutionContext&) noexcept {
  const auto* a = reinterpret_cast<const uint8_t*>(text);
  const auto* b = reinterpret_cast<const uint8_t*>(other);
  for (uint64_t i = 0; i < static_cast<uint32_t>(size); ++i) {
    if (a[i] != b[i]) return FromResult(a[i] < b[i] ? -1 : 1);
    if (a[i] == 0) break;
  }
  return 0;
}

}  // namespace skep::helpers
