// SPDX-License-Identifier: Apache-2.0
#include "base/shared_region.h"

#include <cerrno>
#include <cstring>
#include <ctime>

#include <sched.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/check.h"

namespace skep {
namespace {

constexpr uint32_t kGenerations = 1u << 24;

// Random, so that no contents of a file can name a process that opens it later.
uint32_t OtherGeneration(uint32_t than) {
  uint32_t generation = 0;
  do {
    SKEP_CHECK(getrandom(&generation, sizeof generation, 0) == sizeof generation);
    generation %= kGenerations;
  } while (generation == 0 || generation == than);
  return generation;
}

uint64_t NowMs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

}  // namespace

bool Patience::Wait() noexcept {
  constexpr uint32_t kSpins = 200;
  constexpr uint32_t kAskEvery = 32;
  if (++waits_ < kSpins) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    asm volatile("yield");
#endif
    return false;
  }
  sched_yield();
  return waits_ % kAskEvery == 0;
}

bool RobustAcquireSlow(std::atomic<uint32_t>& lock, const LockHolder& holder) noexcept {
  Patience patience;
  for (;;) {
    uint32_t seen = lock.load(std::memory_order_relaxed);
    if (seen == 0) {
      if (TryAcquire(lock, holder)) return false;
      continue;
    }
    const bool ask = patience.Wait();
    if (holder.region == nullptr || !ask || !holder.region->IsDead(seen)) continue;
    if (lock.compare_exchange_strong(seen, holder.word, std::memory_order_seq_cst)) return true;
  }
}

Result<std::unique_ptr<SharedRegion>> SharedRegion::Attach(SharedFile file, bool created) {
  SKEP_TRY(Region page, Region::OfFile(file.fd(), 0, PageBytes()));
  std::unique_ptr<SharedRegion> region(new SharedRegion(std::move(file), std::move(page)));
  int code = -EAGAIN;
  uint32_t slot = 0;
  for (; slot < kMaxAttached; ++slot) {
    code = region->file_.TryLock(slot);
    if (code != -EAGAIN) break;
  }
  if (code == -EAGAIN) {
    return Error{ErrorCode::kResourceLimit,
                 region->file_.name() + ": " + std::to_string(kMaxAttached) +
                     " processes are attached, which is all there can be",
                 EBUSY};
  }
  if (code != 0) {
    return Error{ErrorCode::kSystem,
                 region->file_.name() + ": F_OFD_SETLK: " + std::strerror(-code), -code};
  }
  std::atomic<uint32_t>& state = region->control_->slots[slot];
  const uint32_t before = state.load(std::memory_order_relaxed);
  const uint32_t generation = OtherGeneration(before >> kSlotBits);
  region->slot_ = slot;
  region->process_ = getpid();
  region->holder_ = {generation << kSlotBits | (slot + 1), region.get()};

  bool alone = true;
  bool dead = (before & kInUse) != 0;
  for (uint32_t other = 0; other < kMaxAttached; ++other) {
    if (other == slot) continue;
    const bool used = (region->control_->slots[other].load() & kInUse) != 0;
    const bool lives = used && !region->file_.IsFree(other);
    alone &= !lives;
    dead |= used && !lives;
  }
  region->needs_repair_ = !created && (dead || alone);
  state.store(generation << kSlotBits | kInUse, std::memory_order_seq_cst);
  return region;
}

SharedRegion::~SharedRegion() {
  if (holder_.region == nullptr || process_ != getpid()) return;
  uint32_t ours = holder_.word - (slot_ + 1) + kInUse;
  // The lock ends with the descriptor, after this.
  control_->slots[slot_].compare_exchange_strong(ours, ours - kInUse);
}

bool SharedRegion::IsDead(uint32_t word) const noexcept {
  if (word == holder_.word) return false;
  const uint32_t slot = (word & ((1u << kSlotBits) - 1)) - 1;
  // Nobody has such a slot, or its process came after the one that took the lock.
  if (slot >= kMaxAttached || slot == slot_) return true;
  if (control_->slots[slot].load(std::memory_order_seq_cst) >> kSlotBits != word >> kSlotBits) {
    return true;
  }
  return file_.IsFree(slot);
}

bool SharedRegion::SlotIsDead(uint32_t slot) const noexcept {
  return slot != slot_ && (control_->slots[slot].load(std::memory_order_seq_cst) & kInUse) != 0 &&
         file_.IsFree(slot);
}

bool SharedRegion::SomebodyDied() const noexcept {
  constexpr uint64_t kEveryMs = 10;
  const uint64_t now = NowMs();
  uint64_t before = asked_at_.load(std::memory_order_relaxed);
  if (now - before < kEveryMs) return false;
  if (!asked_at_.compare_exchange_strong(before, now)) return false;
  for (uint32_t slot = 0; slot < kMaxAttached; ++slot) {
    if (SlotIsDead(slot)) return true;
  }
  return false;
}

bool SharedRegion::WaitForRepair() const noexcept {
  Patience patience;
  while (repairing()) {
    if (!patience.Wait()) continue;
    const uint32_t word = control_->repair_lock.load(std::memory_order_seq_cst);
    if (word == 0 ? repairing() : IsDead(word)) return true;
  }
  return false;
}

SharedRegion::Repair::Repair(SharedRegion& region) noexcept : region_(region) {
  Control& control = *region.control_;
  const uint32_t repairs = control.repairs.load(std::memory_order_seq_cst);
  // One who died while it repaired has left `repairing` set.
  RobustAcquire(control.repair_lock, region.holder_);
  if (control.repairs.load(std::memory_order_seq_cst) != repairs && !region.repairing()) {
    needed_ = false;
    return;
  }
  for (uint32_t slot = 0; slot < kMaxAttached; ++slot) {
    const uint32_t state = control.slots[slot].load(std::memory_order_seq_cst);
    if (region.SlotIsDead(slot)) dead_[slot] = state;
  }
  control.repairing.store(1, std::memory_order_seq_cst);
}

SharedRegion::Repair::~Repair() {
  Control& control = *region_.control_;
  if (needed_) {
    for (uint32_t slot = 0; slot < kMaxAttached; ++slot) {
      uint32_t state = dead_[slot];
      // Another process may have come to the slot meanwhile.
      if (state != 0) control.slots[slot].compare_exchange_strong(state, state & ~kInUse);
    }
    control.repairs.fetch_add(1, std::memory_order_seq_cst);
    control.repairing.store(0, std::memory_order_seq_cst);
  }
  RobustRelease(control.repair_lock);
}

}  // namespace skep
