// SPDX-License-Identifier: Apache-2.0
// LpmIndex: a table by the first bits of a key that leads a look-up into the middle
// of a trie (maps/lpm_trie_map.h), past the nodes that most keys share.
//
// With k = bits(), a slot for each value of the first k bits holds
//   start   the node nearest to the root, on the way of these bits, whose prefix has
//           k bits or more: it stands for all keys of the slot and no others
//   best    the longest element with fewer than k bits that all keys of the slot
//           have, among those of the last level
// Elements of fewer bits are kept by level, eight lengths each, in tables by as many
// bits: 1 to 8, 9 to 16, and so on; the last level is in the slots. So an element is
// written to at most 256 places, and what is longest is the first that is there, from
// the last level up.
//
// Threads: one writer; readers at any time see for each place what was stored there
// last. Everything in it can be made anew from the trie; what is read from memory that
// processes share is not trusted by the reader.

#ifndef SKEP_MAPS_LPM_INDEX_H_
#define SKEP_MAPS_LPM_INDEX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace skep {

class LpmIndex {
 public:
  using Place = std::atomic<uint32_t>;

  // Bits that a trie of so many elements is worth; 0, no index, for keys of fewer
  // than four bytes.
  static uint32_t BitsFor(uint32_t data_bytes, uint32_t max_entries);
  static uint64_t BytesFor(uint32_t bits);
  // REQUIRES: BytesFor(bits) zeroed bytes, aligned to 8.
  LpmIndex(std::byte* memory, uint32_t bits);

  uint32_t bits() const { return bits_; }

  struct Entry {
    uint32_t start, best;
  };
  // `top`: the first 32 bits of the key, the first one highest.
  Entry Look(uint32_t top) const noexcept {
    const Slot& slot = slots_[top >> (32 - bits_)];
    Entry entry{slot.start.load(std::memory_order_acquire),
                slot.best.load(std::memory_order_acquire)};
    for (uint32_t level = last_level_; entry.best == 0 && level-- > 0;) {
      entry.best = levels_[level][top >> (24 - 8 * level)].load(std::memory_order_acquire);
    }
    if (entry.best == 0) entry.best = whole_.load(std::memory_order_acquire);
    return entry;
  }

  Place& StartOf(uint32_t top) noexcept { return slots_[top >> (32 - bits_)].start; }
  // Calls visit(place) for each place of an element of that many bits. REQUIRES:
  // length < bits().
  template <class Visit>
  void ForPlaces(uint32_t top, uint32_t length, Visit visit) noexcept {
    if (length == 0) return visit(whole_);
    const uint32_t level = LevelOf(length);
    const uint32_t width = level == last_level_ ? bits_ : 8 * (level + 1);
    const uint64_t first = uint64_t{top} >> (32 - length) << (width - length);
    for (uint64_t i = first; i < first + (uint64_t{1} << (width - length)); ++i) {
      visit(level == last_level_ ? slots_[i].best : levels_[level][i]);
    }
  }
  // Whether elements of these lengths, not 0, have places in the same level.
  static bool AreOfOneLevel(uint32_t a, uint32_t b) { return LevelOf(a) == LevelOf(b); }

  void Clear() noexcept;

 private:
  struct Slot {
    Place start, best;
  };
  static constexpr uint32_t kMaxLevels = 3;

  static uint32_t LevelOf(uint32_t length) { return (length - 1) / 8; }

  const uint32_t bits_;
  const uint32_t last_level_;
  Place& whole_;  // the element of no bits
  Place* levels_[kMaxLevels] = {};
  Slot* slots_ = nullptr;
};

}  // namespace skep

#endif  // SKEP_MAPS_LPM_INDEX_H_
