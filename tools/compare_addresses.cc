// SPDX-License-Identifier: Apache-2.0
#include "tools/compare_addresses.h"

#include <algorithm>
#include <cstddef>

namespace skep::tools {
namespace {

constexpr size_t kDigits = 16;  // of 8 bytes in hex

uint64_t Digit(char c) { return static_cast<uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); }

// The first byte in memory is the lowest.
uint64_t Word(std::string_view hex) {
  uint64_t word = 0;
  for (size_t i = 0; i < kDigits; i += 2) {
    word |= (Digit(hex[i]) << 4 | Digit(hex[i + 1])) << (4 * i);
  }
  return word;
}

}  // namespace

bool AreUpperHalves(uint32_t kernel, uint32_t here) {
  // From there on they may as well be errnos, or the upper half of one.
  constexpr uint32_t kKernelStart = 0xffff8000, kErrnos = 0xfffff000, kProcessEnd = 0x8000;
  return kernel >= kKernelStart && kernel < kErrnos && here < kProcessEnd;
}

bool DifferInAddresses(std::string_view kernel, std::string_view here) {
  if (kernel.size() != here.size()) return false;
  for (size_t at = 0; at < kernel.size(); at += kDigits) {
    const size_t size = std::min(kDigits, kernel.size() - at);
    const std::string_view a = kernel.substr(at, size), b = here.substr(at, size);
    if (a == b) continue;
    constexpr uint64_t kFirstPage = 4096;
    if (size < kDigits || Word(b) < kFirstPage) return false;
    if (!AreUpperHalves(static_cast<uint32_t>(Word(a) >> 32),
                        static_cast<uint32_t>(Word(b) >> 32))) {
      return false;
    }
  }
  return true;
}

}  // namespace skep::tools
