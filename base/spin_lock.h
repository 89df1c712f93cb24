// SPDX-License-Identifier: Apache-2.0
// SpinGuard: holds a lock word for a few instructions. 0 is free; the word may
// lie in a map's region. A waiter gives its CPU away if the holder lost its own.

#ifndef SKEP_BASE_SPIN_LOCK_H_
#define SKEP_BASE_SPIN_LOCK_H_

#include <atomic>
#include <cstdint>

#include <sched.h>

namespace skep {

inline void SpinAcquire(std::atomic<uint32_t>& lock) noexcept {
  for (int spins = 0; lock.exchange(1, std::memory_order_acquire) != 0;) {
    while (lock.load(std::memory_order_relaxed) != 0) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#else
      asm volatile("yield");
#endif
      if (++spins > 200) sched_yield();
    }
  }
}
inline void SpinRelease(std::atomic<uint32_t>& lock) noexcept {
  lock.store(0, std::memory_order_release);
}

class SpinGuard {
 public:
  explicit SpinGuard(std::atomic<uint32_t>& lock) : lock_(lock) { SpinAcquire(lock_); }
  ~SpinGuard() { SpinRelease(lock_); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  std::atomic<uint32_t>& lock_;
};

}  // namespace skep

#endif  // SKEP_BASE_SPIN_LOCK_H_
