// SPDX-License-Identifier: Apache-2.0
#include "base/epoch.h"

#include <algorithm>
#include <limits>

#include <sched.h>
#include <time.h>

#include "base/check.h"
#include "base/process_fence.h"

namespace skep {
EpochDomain::EpochDomain() : has_membarrier_(CanFenceProcess()) {}

EpochDomain::~EpochDomain() {
  SKEP_CHECK(slots_.empty());
  for (const Retired& r : retired_) r.deleter(r.object);
}

uint64_t EpochDomain::Advance() {
  const uint64_t next = epoch_.fetch_add(1, std::memory_order_seq_cst) + 1;
  if (has_membarrier_) FenceProcess();  // without it nothing may be freed
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return next;
}

uint64_t EpochDomain::OldestReader() const {
  uint64_t oldest = std::numeric_limits<uint64_t>::max();
  for (const EpochSlot* slot : slots_) {
    // Acquire: what a reader did before it left happens before we free.
    const uint64_t shown = slot->shown_.load(std::memory_order_acquire);
    if (shown != 0) oldest = std::min(oldest, shown);
  }
  return oldest;
}

void EpochDomain::Retire(void* object, Deleter deleter) {
  {
    const std::lock_guard lock(mutex_);
    // The epoch that Collect is about to start: the object was unpublished
    // before it, so its readers do not know the object.
    retired_.push_back({object, deleter, epoch_.load(std::memory_order_relaxed) + 1});
    any_pending_.store(true, std::memory_order_relaxed);
  }
  Collect();
}

void EpochDomain::Collect() {
  std::vector<Retired> free;
  {
    const std::lock_guard lock(mutex_);
    if (retired_.empty()) return;
    Advance();
    const uint64_t oldest = OldestReader();
    const auto kept = std::partition(retired_.begin(), retired_.end(),
                                     [&](const Retired& r) { return r.epoch > oldest; });
    free.assign(kept, retired_.end());
    retired_.erase(kept, retired_.end());
    any_pending_.store(!retired_.empty(), std::memory_order_relaxed);
  }
  for (const Retired& r : free) r.deleter(r.object);
}

void EpochDomain::WaitForReaders() {
  uint64_t epoch = 0;
  for (int attempt = 0;; ++attempt) {
    {
      const std::lock_guard lock(mutex_);
      if (attempt == 0) epoch = Advance();
      if (OldestReader() >= epoch) return;
    }
    if (attempt < 16) {
      sched_yield();
    } else {
      const timespec pause{0, 50'000};
      nanosleep(&pause, nullptr);
    }
  }
}

size_t EpochDomain::pending() const {
  const std::lock_guard lock(mutex_);
  return retired_.size();
}

EpochSlot::~EpochSlot() {
  if (domain_ == nullptr) return;
  SKEP_CHECK(!entered());
  const std::lock_guard lock(domain_->mutex_);
  std::erase(domain_->slots_, this);
}

void EpochSlot::Join(EpochDomain& domain) {
  SKEP_CHECK(domain_ == nullptr);
  const std::lock_guard lock(domain.mutex_);
  domain_ = &domain;
  domain.slots_.push_back(this);
}

}  // namespace skep
