// SPDX-License-Identifier: Apache-2.0
// Copies of memory that programs on other threads may touch meanwhile: word by
// word, each word a relaxed atomic, as the memory model says of helpers. An
// aligned word is never torn; the whole copy may mix old and new words.

#ifndef SKEP_BASE_WORD_COPY_H_
#define SKEP_BASE_WORD_COPY_H_

#include <cstddef>
#include <cstdint>

#include "base/memory_access.h"

namespace skep {

inline void CopyWords(void* to, const void* from, size_t bytes) noexcept {
  auto d = reinterpret_cast<uint64_t>(to);
  auto s = reinterpret_cast<uint64_t>(from);
  for (; bytes >= 8; bytes -= 8, d += 8, s += 8) StoreRelaxed(d, LoadRelaxed<uint64_t>(s));
  if ((bytes & 4) != 0) {
    StoreRelaxed(d, LoadRelaxed<uint32_t>(s));
    d += 4;
    s += 4;
  }
  if ((bytes & 2) != 0) {
    StoreRelaxed(d, LoadRelaxed<uint16_t>(s));
    d += 2;
    s += 2;
  }
  if ((bytes & 1) != 0) StoreRelaxed(d, LoadRelaxed<uint8_t>(s));
}

// As CopyWords, where the two may overlap: from the end if `to` lies behind.
inline void MoveWords(void* to, const void* from, size_t bytes) noexcept {
  auto d = reinterpret_cast<uint64_t>(to);
  auto s = reinterpret_cast<uint64_t>(from);
  if (d <= s || d >= s + bytes) return CopyWords(to, from, bytes);
  for (; bytes >= 8; bytes -= 8) {
    StoreRelaxed(d + bytes - 8, LoadRelaxed<uint64_t>(s + bytes - 8));
  }
  for (; bytes > 0; --bytes) StoreRelaxed(d + bytes - 1, LoadRelaxed<uint8_t>(s + bytes - 1));
}

inline void ZeroWords(void* to, size_t bytes) noexcept {
  auto d = reinterpret_cast<uint64_t>(to);
  for (; bytes >= 8; bytes -= 8, d += 8) StoreRelaxed<uint64_t>(d, 0);
  for (; bytes > 0; --bytes, ++d) StoreRelaxed<uint8_t>(d, 0);
}

// The `bytes` < 8 bytes at `from` as a number, the others zero.
inline uint64_t LoadTail(const void* from, size_t bytes) noexcept {
  auto s = reinterpret_cast<uint64_t>(from);
  uint64_t value = 0;
  unsigned shift = 0;
  if ((bytes & 4) != 0) {
    value = LoadRelaxed<uint32_t>(s);
    s += 4;
    shift = 32;
  }
  if ((bytes & 2) != 0) {
    value |= uint64_t{LoadRelaxed<uint16_t>(s)} << shift;
    s += 2;
    shift += 16;
  }
  if ((bytes & 1) != 0) value |= uint64_t{LoadRelaxed<uint8_t>(s)} << shift;
  return value;
}

}  // namespace skep

#endif  // SKEP_BASE_WORD_COPY_H_
