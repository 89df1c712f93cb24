// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071) in Linux's representations: sums are 32 bits
// with an end-around carry (__wsum) and only meant modulo 65535; checksums in
// packets are 16 bits and complemented (__sum16). All are of bytes as they lie
// in memory.
//
// Threads: pure functions.

#ifndef SKEP_MODEL_INTERNET_CHECKSUM_H_
#define SKEP_MODEL_INTERNET_CHECKSUM_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace skep::model {

inline uint32_t AddSums(uint32_t a, uint32_t b) {
  const uint64_t sum = uint64_t{a} + b;
  return static_cast<uint32_t>(sum) + static_cast<uint32_t>(sum >> 32);
}
inline uint32_t SubtractSums(uint32_t a, uint32_t b) { return AddSums(a, ~b); }

inline uint32_t InternetSum(std::span<const std::byte> bytes, uint32_t seed) {
  uint64_t sum = seed;
  size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    sum += word;
  }
  if (i < bytes.size()) {
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + i, bytes.size() - i);
    sum += word;
  }
  sum = (sum & 0xffffffff) + (sum >> 32);
  return static_cast<uint32_t>((sum & 0xffffffff) + (sum >> 32));
}

// Not complemented.
inline uint16_t FoldSum(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

// What `block`, which starts `offset` bytes into the data, adds to its sum.
inline uint32_t SumOfBlock(std::span<const std::byte> block, size_t offset) {
  const uint32_t sum = InternetSum(block, 0);
  return offset % 2 == 0 ? sum : sum >> 8 | sum << 24;
}

}  // namespace skep::model

#endif  // SKEP_MODEL_INTERNET_CHECKSUM_H_
