// SPDX-License-Identifier: Apache-2.0
#include "maps/lpm_index.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace skep {
namespace {

constexpr uint32_t kLeastBits = 9;
constexpr uint32_t kMostBits = 22;  // slots of 32 MiB
constexpr uint64_t kWholeBytes = 64;

uint64_t LevelBytes(uint32_t level) { return (uint64_t{4} << (8 * (level + 1))); }
uint32_t LastLevel(uint32_t bits) { return bits == 0 ? 0 : (bits - 2) / 8; }

}  // namespace

uint32_t LpmIndex::BitsFor(uint32_t data_bytes, uint32_t max_entries) {
  if (data_bytes < 4) return 0;
  return std::clamp(static_cast<uint32_t>(std::bit_width(max_entries)) + 1, kLeastBits, kMostBits);
}

uint64_t LpmIndex::BytesFor(uint32_t bits) {
  if (bits == 0) return kWholeBytes;
  uint64_t bytes = kWholeBytes + (sizeof(Slot) << bits);
  for (uint32_t level = 0; level < LastLevel(bits); ++level) bytes += LevelBytes(level);
  return bytes;
}

LpmIndex::LpmIndex(std::byte* memory, uint32_t bits)
    : bits_(bits), last_level_(LastLevel(bits)), whole_(*reinterpret_cast<Place*>(memory)) {
  std::byte* at = memory + kWholeBytes;
  for (uint32_t level = 0; level < last_level_; ++level) {
    levels_[level] = reinterpret_cast<Place*>(at);
    at += LevelBytes(level);
  }
  slots_ = reinterpret_cast<Slot*>(at);
}

void LpmIndex::Clear() noexcept { std::memset(static_cast<void*>(&whole_), 0, BytesFor(bits_)); }

}  // namespace skep
