// SPDX-License-Identifier: Apache-2.0
// bpf_csum_diff: the Internet checksum (RFC 1071) of what is added less what is
// taken away.
#include <bit>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

// Sums are only meant modulo 65535; 32 bits with an end-around carry, as
// Linux's __wsum.
uint32_t AddCarry(uint32_t a, uint32_t b) {
  const uint64_t sum = uint64_t{a} + b;
  return static_cast<uint32_t>(sum) + static_cast<uint32_t>(sum >> 32);
}

uint32_t Sum(const std::byte* bytes, uint32_t size, uint32_t seed) {
  uint64_t sum = seed;
  uint32_t i = 0;
  for (; i + 4 <= size; i += 4) {
    uint32_t word = 0;
    std::memcpy(&word, bytes + i, sizeof word);
    sum += word;
  }
  if (i < size) {
    uint32_t word = 0;
    std::memcpy(&word, bytes + i, size - i);
    sum += word;
  }
  sum = (sum & 0xffffffff) + (sum >> 32);
  return static_cast<uint32_t>((sum & 0xffffffff) + (sum >> 32));
}

uint32_t Fold16(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

}  // namespace

uint64_t CsumDiff(uint64_t from, uint64_t from_size, uint64_t to, uint64_t to_size, uint64_t seed,
                  ExecutionContext&) noexcept {
  const auto minus = static_cast<uint32_t>(from_size);
  const auto plus = static_cast<uint32_t>(to_size);
  auto sum = static_cast<uint32_t>(seed);
  if (minus != 0 && plus != 0) {
    sum = AddCarry(Sum(AsBytes(to), plus, sum), ~Sum(AsBytes(from), minus, 0));
  } else if (plus != 0) {
    sum = Sum(AsBytes(to), plus, sum);
  } else if (minus != 0) {
    sum = ~Sum(AsBytes(from), minus, ~sum);
  }
  return Fold16(sum);
}

}  // namespace skep::helpers
