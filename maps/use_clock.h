// SPDX-License-Identifier: Apache-2.0
// UseClock: which element of a full LRU map goes. As in Linux the order is
// approximate: a look-up by a program sets a mark, and a hand that goes round
// gives marked elements a second chance.
//
// Threads: any. A mark that races with the hand may be lost, which costs an
// element its second chance and nothing else.

#ifndef SKEP_MAPS_USE_CLOCK_H_
#define SKEP_MAPS_USE_CLOCK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace skep {

class UseClock {
 public:
  // Memory for elements 1 .. capacity.
  static uint64_t BytesFor(uint64_t capacity) { return capacity + 1; }
  // REQUIRES: `states` has that many bytes, zeroed at first, and outlives the clock.
  explicit UseClock(std::byte* states) : states_(reinterpret_cast<std::atomic<uint8_t>*>(states)) {}

  void Added(uint32_t element) noexcept { Set(element, kUnused); }
  void Removed(uint32_t element) noexcept { Set(element, kFree); }
  void Used(uint32_t element) noexcept {
    // Mostly marked already; then its cache line stays shared.
    if (StateOf(element).load(std::memory_order_relaxed) != kUsed) Set(element, kUsed);
  }

  // After a repair: the element is in the map, or not.
  void Settle(uint32_t element, bool in_map) noexcept {
    const uint8_t state = StateOf(element).load(std::memory_order_relaxed);
    if (!in_map) {
      Set(element, kFree);
    } else if (state != kUsed && state != kUnused) {
      Set(element, kUnused);
    }
  }

  // An element among 1 .. highest that was not used since the hand passed it; 0
  // if there is none. Two threads may get the same one, or a hand be set back by the
  // other's: the hand needs no locked instruction for that.
  uint32_t Candidate(uint32_t highest) noexcept {
    if (highest == 0) return 0;
    uint32_t at = hand_.load(std::memory_order_relaxed);
    for (uint64_t tries = 0; tries <= uint64_t{highest} * 2; ++tries) {
      const uint32_t element = at < highest ? at + 1 : 1;
      at = element;
      const uint8_t state = StateOf(element).load(std::memory_order_relaxed);
      if (state == kUsed) Set(element, kUnused);
      if (state != kUnused) continue;
      hand_.store(at, std::memory_order_relaxed);
      return element;
    }
    return 0;
  }

 private:
  enum : uint8_t { kFree, kUnused, kUsed };
  std::atomic<uint8_t>& StateOf(uint32_t element) noexcept { return states_[element]; }
  void Set(uint32_t element, uint8_t state) noexcept {
    StateOf(element).store(state, std::memory_order_relaxed);
  }

  std::atomic<uint8_t>* const states_;
  std::atomic<uint32_t> hand_{0};  // the element it passed last; each process has its own
};

}  // namespace skep

#endif  // SKEP_MAPS_USE_CLOCK_H_
