// SPDX-License-Identifier: Apache-2.0
// Lock words that name their holder, so that the others of a SharedRegion can
// tell when it has died and go on. For memory of one process the holder is 1, and
// this is a spin lock like base/spin_lock.h.
//
// A lock word is 0 when free; else it holds the LockHolder::word of the process,
// whatever its thread. No lock is waited for while another one is held.

#ifndef SKEP_BASE_ROBUST_LOCK_H_
#define SKEP_BASE_ROBUST_LOCK_H_

#include <atomic>
#include <cstdint>

namespace skep {

class SharedRegion;

struct LockHolder {
  uint32_t word = 1;
  const SharedRegion* region = nullptr;  // null: nobody dies but all of us
};

// Takes a lock that was not free at once. Returns true if its holder has died
// while it held the lock, which is ours now: what it guards may be half changed.
bool RobustAcquireSlow(std::atomic<uint32_t>& lock, const LockHolder& holder) noexcept;

inline bool TryAcquire(std::atomic<uint32_t>& lock, const LockHolder& holder) noexcept {
  uint32_t expected = 0;
  return lock.compare_exchange_strong(expected, holder.word, std::memory_order_seq_cst,
                                      std::memory_order_relaxed);
}

inline bool RobustAcquire(std::atomic<uint32_t>& lock, const LockHolder& holder) noexcept {
  return !TryAcquire(lock, holder) && RobustAcquireSlow(lock, holder);
}

inline void RobustRelease(std::atomic<uint32_t>& lock) noexcept {
  lock.store(0, std::memory_order_release);
}

// Holds a lock; repair() first mends what a dead holder has left behind.
class RobustGuard {
 public:
  template <class Repair>
  RobustGuard(std::atomic<uint32_t>& lock, const LockHolder& holder, Repair repair) : lock_(lock) {
    if (RobustAcquire(lock_, holder)) repair();
  }
  ~RobustGuard() { RobustRelease(lock_); }
  RobustGuard(const RobustGuard&) = delete;
  RobustGuard& operator=(const RobustGuard&) = delete;

 private:
  std::atomic<uint32_t>& lock_;
};

// What a waiter does between looks at a lock: first little, then it gives its CPU
// away.
class Patience {
 public:
  // True now and then: when it is time to ask whether the holder lives.
  bool Wait() noexcept;

 private:
  uint32_t waits_ = 0;
};

}  // namespace skep

#endif  // SKEP_BASE_ROBUST_LOCK_H_
