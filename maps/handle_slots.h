// SPDX-License-Identifier: Apache-2.0
// HandleSlots: an array whose slots hold objects of the host (programs, inner
// maps, perf rings) for running programs to find.
//
// Threads: Load from any thread inside the epoch domain; the pointer is good
// until that thread leaves. Owner, Put and Clear from any thread.

#ifndef SKEP_MAPS_HANDLE_SLOTS_H_
#define SKEP_MAPS_HANDLE_SLOTS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/epoch.h"
#include "base/region.h"

namespace skep {

template <class T>
class HandleSlots {
 public:
  HandleSlots(Region region, std::shared_ptr<EpochDomain> epochs)
      : region_(std::move(region)), epochs_(std::move(epochs)) {}

  static Result<Region> Reserve(uint32_t slots) {
    return Region::Anonymous(uint64_t{slots} * sizeof(Slot));
  }

  std::byte* base() const { return region_.base(); }
  static constexpr uint64_t stride() { return sizeof(Slot); }

  // REQUIRES: index is below the number of slots.
  T* Load(uint32_t index) const noexcept { return At(index).load(std::memory_order_acquire); }

  // For the host, outside the epoch domain. Null if the slot is empty.
  std::shared_ptr<T> Owner(uint32_t index) const {
    const std::lock_guard lock(mutex_);
    const auto it = owners_.find(index);
    return it == owners_.end() ? nullptr : it->second;
  }

  // Puts `object`, which may be null, into a slot. Returns whether the slot was
  // in use; what it held lives on until no run can hold it.
  bool Put(uint32_t index, std::shared_ptr<T> object) {
    std::shared_ptr<T> old;
    {
      const std::lock_guard lock(mutex_);
      At(index).store(object.get(), std::memory_order_release);
      if (const auto it = owners_.find(index); it != owners_.end()) {
        old = std::move(it->second);
        owners_.erase(it);
      }
      if (object != nullptr) owners_.emplace(index, std::move(object));
    }
    const bool used = old != nullptr;
    if (used) Retire(std::move(old));
    return used;
  }

  void Clear() {
    std::unordered_map<uint32_t, std::shared_ptr<T>> old;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [index, object] : owners_) At(index).store(nullptr);
      old.swap(owners_);
    }
    for (auto& [index, object] : old) Retire(std::move(object));
  }

 private:
  using Slot = std::atomic<T*>;
  static_assert(sizeof(Slot) == 8);

  Slot& At(uint32_t index) const noexcept {
    return reinterpret_cast<Slot*>(region_.base())[index];  // zeroed memory: null slots
  }
  void Retire(std::shared_ptr<T> object) {
    epochs_->Retire(new std::shared_ptr<T>(std::move(object)),
                    [](void* p) noexcept { delete static_cast<std::shared_ptr<T>*>(p); });
  }

  const Region region_;
  const std::shared_ptr<EpochDomain> epochs_;
  mutable std::mutex mutex_;
  std::unordered_map<uint32_t, std::shared_ptr<T>> owners_;  // guarded by mutex_
};

}  // namespace skep

#endif  // SKEP_MAPS_HANDLE_SLOTS_H_
