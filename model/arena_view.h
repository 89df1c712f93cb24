// SPDX-License-Identifier: Apache-2.0
// ArenaView: how engines reach an arena. Pointers of programs count by their low 32
// bits: an access goes to base + low half + offset of the instruction, which always
// lies in memory that belongs to the arena. A page that is not allocated reads as
// zeros, and stores to it do nothing.
//
// Threads: constant; the memory behind it is anyone's.

#ifndef SKEP_MODEL_ARENA_VIEW_H_
#define SKEP_MODEL_ARENA_VIEW_H_

#include <cstddef>
#include <cstdint>

namespace skep::model {

inline constexpr uint64_t kArenaSpace = uint64_t{1} << 32;
// On both sides of it: no instruction's offset and width reach further.
inline constexpr uint64_t kArenaGuard = 65536;
inline constexpr uint32_t kArenaPageShift = 12;

struct ArenaView {
  std::byte* base = nullptr;  // of the 4 GiB
  // pages[n] says whether page n of the 4 GiB is allocated; valid for the guards, too.
  const uint8_t* pages = nullptr;
  uint64_t upper = 0;               // of pointers as user space sees them: the upper half
  uint64_t start = 0;               // as user space sees it: where the arena starts
  bool keeps_low_pointers = false;  // BPF_F_NO_USER_CONV

  bool Allocated(uint64_t address) const {
    const auto at = static_cast<int64_t>(address - reinterpret_cast<uint64_t>(base));
    return pages[at >> kArenaPageShift] != 0;
  }
  // Where an access through `pointer` with an instruction's offset goes.
  uint64_t AddressOf(uint64_t pointer, int16_t off) const {
    return reinterpret_cast<uint64_t>(base) + static_cast<uint32_t>(pointer) +
           static_cast<uint64_t>(int64_t{off});
  }
  static uint64_t ToUser(uint64_t pointer, uint64_t upper) {
    const auto low = static_cast<uint32_t>(pointer);
    return low == 0 ? 0 : upper | low;
  }
};

}  // namespace skep::model

#endif  // SKEP_MODEL_ARENA_VIEW_H_
