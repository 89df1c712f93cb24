// SPDX-License-Identifier: Apache-2.0
// bpf_res_spin_lock: a lock that says no instead of waiting for ever. The word
// holds the owner's CPU slot + 1, so that a waiter can see what its owner waits
// for.
#include <atomic>
#include <cerrno>
#include <chrono>

#include <sched.h>

#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/runtime_services.h"

namespace skep::helpers {
namespace {

using model::HeldBy;
using model::HeldResources;
using model::ServicesOf;
using Clock = std::chrono::steady_clock;

constexpr auto kTimeout = std::chrono::milliseconds(250);
constexpr size_t kMaxHeld = 31;

// Whether the owner of `lock` waits for a lock that this run holds.
bool OwnerWaitsForUs(uint32_t owner, ExecutionContext& context) {
  if (owner == 0) return false;
  const auto& waiting = ServicesOf(context).waiting;
  const void* wanted = waiting[owner - 1].load(std::memory_order_acquire);
  return wanted != nullptr && HeldBy(context).HasLock(wanted);
}

int Acquire(HeldResources::Lock& lock, ExecutionContext& context) {
  HeldResources& held = HeldBy(context);
  const uint32_t self = context.cpu() + 1;
  uint32_t owner = 0;
  if (lock.compare_exchange_strong(owner, self, std::memory_order_acquire)) {
    held.AddLock(&lock);
    return 0;
  }
  if (held.HasLock(&lock)) return -EDEADLK;
  auto& waiting = ServicesOf(context).waiting[context.cpu()];
  waiting.store(&lock, std::memory_order_release);
  const auto until = Clock::now() + kTimeout;
  int result = -ETIMEDOUT;
  do {
    owner = 0;
    if (lock.compare_exchange_weak(owner, self, std::memory_order_acquire)) {
      held.AddLock(&lock);
      result = 0;
      break;
    }
    if (OwnerWaitsForUs(owner, context)) {
      result = -EDEADLK;
      break;
    }
    sched_yield();
  } while (Clock::now() < until);
  waiting.store(nullptr, std::memory_order_release);
  return result;
}

// Programs compare the result of these with 0; an int in r0, sign-extended.
uint64_t Lock(uint64_t lock, ExecutionContext& context) {
  if (HeldBy(context).lock_count() >= kMaxHeld) return FromResult(-EDEADLK);
  return FromResult(Acquire(*reinterpret_cast<HeldResources::Lock*>(lock), context));
}

void Unlock(uint64_t lock, ExecutionContext& context) {
  auto& word = *reinterpret_cast<HeldResources::Lock*>(lock);
  HeldBy(context).RemoveLock(&word);
  word.store(0, std::memory_order_release);
}

}  // namespace

uint64_t ResSpinLock(uint64_t lock, uint64_t, uint64_t, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  return Lock(lock, context);
}

uint64_t ResSpinUnlock(uint64_t lock, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  Unlock(lock, context);
  return 0;
}

// There are no interrupts to keep away: the word for their state is left zero.
uint64_t ResSpinLockIrqsave(uint64_t lock, uint64_t state, uint64_t, uint64_t, uint64_t,
                            ExecutionContext& context) noexcept {
  *reinterpret_cast<uint64_t*>(state) = 0;
  return Lock(lock, context);
}

uint64_t ResSpinUnlockIrqrestore(uint64_t lock, uint64_t, uint64_t, uint64_t, uint64_t,
                                 ExecutionContext& context) noexcept {
  Unlock(lock, context);
  return 0;
}

}  // namespace skep::helpers
