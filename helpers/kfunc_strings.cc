// SPDX-License-Identifier: Apache-2.0
// bpf_strcmp and its family. Strings may be anywhere, so that each byte is read
// with care: -ERANGE or -EFAULT if it cannot be, -E2BIG beyond 64 KiB, -ENOENT if
// what is looked for is not there.
#include <cerrno>
#include <cstdint>

#include "helpers/functions.h"
#include "helpers/registers.h"
#include "helpers/safe_read.h"

namespace skep::helpers {
namespace {

constexpr uint64_t kLongest = 65536;  // XATTR_SIZE_MAX

int Lower(int c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }

int64_t Compare(uint64_t a, uint64_t b, bool fold) {
  SafeReader left(a);
  SafeReader right(b);
  for (uint64_t i = 0; i < kLongest; ++i) {
    int x = left.At(i);
    if (x < 0) return x;
    int y = right.At(i);
    if (y < 0) return y;
    if (fold) {
      x = Lower(x);
      y = Lower(y);
    }
    if (x != y) return x < y ? -1 : 1;
    if (x == 0) return 0;
  }
  return -E2BIG;
}

// Bytes before the terminator, at most `most`.
int64_t Length(uint64_t string, uint64_t most) {
  SafeReader reader(string);
  uint64_t i = 0;
  for (; i < most && i < kLongest; ++i) {
    const int c = reader.At(i);
    if (c < 0) return c;
    if (c == 0) return static_cast<int64_t>(i);
  }
  return i == kLongest ? -E2BIG : static_cast<int64_t>(i);
}

int64_t FindFirst(uint64_t string, uint64_t most, int wanted) {
  SafeReader reader(string);
  uint64_t i = 0;
  for (; i < most && i < kLongest; ++i) {
    const int c = reader.At(i);
    if (c < 0) return c;
    if (c == wanted) return static_cast<int64_t>(i);
    if (c == 0) return -ENOENT;
  }
  return i == kLongest ? -E2BIG : -ENOENT;
}

// Bytes at the start that are in `set` (or, with `in` false, that are not).
int64_t Span(uint64_t string, uint64_t set, bool in) {
  SafeReader reader(string);
  SafeReader members(set);
  for (uint64_t i = 0; i < kLongest; ++i) {
    const int c = reader.At(i);
    if (c < 0) return c;
    if (c == 0) return static_cast<int64_t>(i);
    uint64_t k = 0;
    int member = 0;
    for (; k < kLongest; ++k) {
      member = members.At(k);
      if (member < 0) return member;
      if (member == c || member == 0) break;
    }
    if (k == kLongest) return -E2BIG;
    if ((member != 0) != in) return static_cast<int64_t>(i);
  }
  return -E2BIG;
}

// Where `part` is in the first `most` bytes of `string`.
int64_t FindPart(uint64_t string, uint64_t part, uint64_t most) {
  SafeReader text(string);
  SafeReader wanted(part);
  for (uint64_t i = 0; i < kLongest; ++i) {
    uint64_t k = 0;
    for (; i + k <= most && k < kLongest; ++k) {
      const int w = wanted.At(k);
      if (w < 0) return w;
      if (w == 0) return static_cast<int64_t>(i);
      if (i + k == most) break;
      const int c = text.At(i + k);
      if (c < 0) return c;
      if (c == 0) return -ENOENT;
      if (c != w) break;
    }
    if (k == kLongest) return -E2BIG;
    if (i + k == most) return -ENOENT;
  }
  return -E2BIG;
}

int Char(uint64_t r) { return static_cast<uint8_t>(r); }
// The kernel's functions return int.
uint64_t FromInt(int64_t value) { return static_cast<uint32_t>(value); }

}  // namespace

uint64_t Strcmp(uint64_t a, uint64_t b, uint64_t, uint64_t, uint64_t, ExecutionContext&) noexcept {
  return FromInt(Compare(a, b, false));
}
uint64_t Strcasecmp(uint64_t a, uint64_t b, uint64_t, uint64_t, uint64_t,
                    ExecutionContext&) noexcept {
  return FromInt(Compare(a, b, true));
}
uint64_t Strlen(uint64_t string, uint64_t, uint64_t, uint64_t, uint64_t,
                ExecutionContext&) noexcept {
  return FromInt(Length(string, kLongest));
}
uint64_t Strnlen(uint64_t string, uint64_t most, uint64_t, uint64_t, uint64_t,
                 ExecutionContext&) noexcept {
  return FromInt(Length(string, most));
}
uint64_t Strchr(uint64_t string, uint64_t c, uint64_t, uint64_t, uint64_t,
                ExecutionContext&) noexcept {
  return FromInt(FindFirst(string, kLongest, Char(c)));
}
uint64_t Strnchr(uint64_t string, uint64_t most, uint64_t c, uint64_t, uint64_t,
                 ExecutionContext&) noexcept {
  return FromInt(FindFirst(string, most, Char(c)));
}

// The character's place or the terminator's.
uint64_t Strchrnul(uint64_t string, uint64_t wanted, uint64_t, uint64_t, uint64_t,
                   ExecutionContext&) noexcept {
  SafeReader reader(string);
  for (uint64_t i = 0; i < kLongest; ++i) {
    const int c = reader.At(i);
    if (c < 0) return FromInt(c);
    if (c == 0 || c == Char(wanted)) return i;
  }
  return FromInt(-E2BIG);
}

uint64_t Strrchr(uint64_t string, uint64_t wanted, uint64_t, uint64_t, uint64_t,
                 ExecutionContext&) noexcept {
  SafeReader reader(string);
  const auto searched = static_cast<int32_t>(wanted);  // of all functions, this takes an int
  int64_t last = -ENOENT;
  for (uint64_t i = 0; i < kLongest; ++i) {
    const int c = reader.At(i);
    if (c < 0) return FromInt(c);
    if (c == searched) last = static_cast<int64_t>(i);
    if (c == 0) return FromInt(last);
  }
  return FromInt(-E2BIG);
}

uint64_t Strspn(uint64_t string, uint64_t set, uint64_t, uint64_t, uint64_t,
                ExecutionContext&) noexcept {
  return FromInt(Span(string, set, true));
}
uint64_t Strcspn(uint64_t string, uint64_t set, uint64_t, uint64_t, uint64_t,
                 ExecutionContext&) noexcept {
  return FromInt(Span(string, set, false));
}
uint64_t Strstr(uint64_t string, uint64_t part, uint64_t, uint64_t, uint64_t,
                ExecutionContext&) noexcept {
  return FromInt(FindPart(string, part, kLongest));
}
uint64_t Strnstr(uint64_t string, uint64_t part, uint64_t most, uint64_t, uint64_t,
                 ExecutionContext&) noexcept {
  return FromInt(FindPart(string, part, most));
}

}  // namespace skep::helpers
