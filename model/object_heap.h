// SPDX-License-Identifier: Apache-2.0
// ObjectHeap: the objects that programs make for themselves (bpf_obj_new), and
// what ends when an object or a map's value ends.
//
// An object is owned: by the run that holds it, by a kernel pointer field, by a
// list or a tree. One with a bpf_refcount has several owners. When the last one
// drops it, what it owns is dropped too; its memory goes when no run can read
// it any more (EpochDomain), since a run may still hold a pointer that owns
// nothing.
//
// Threads: any. Lifetime: the runtime's; all objects must be gone before it.

#ifndef SKEP_MODEL_OBJECT_HEAP_H_
#define SKEP_MODEL_OBJECT_HEAP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "skep/map.h"

#include "base/epoch.h"
#include "model/value_type.h"

namespace skep::model {

class ObjectHeap {
 public:
  explicit ObjectHeap(std::shared_ptr<EpochDomain> epochs) : epochs_(std::move(epochs)) {}
  // All objects have been dropped.
  ~ObjectHeap();
  ObjectHeap(const ObjectHeap&) = delete;
  ObjectHeap& operator=(const ObjectHeap&) = delete;

  // A zeroed object with its fields in their first state and one owner; null if
  // there is no memory or the type is larger than what Linux allocates.
  void* Make(std::shared_ptr<const ValueType> type);
  // One copy for each of `cpus` CPU slots. The address is the first one's.
  void* MakePerCpu(std::shared_ptr<const ValueType> type, uint32_t cpus);

  // ---- for an object, at its address --------------------------------------
  static const ValueType& TypeOf(const void* object);
  // Another owner; false if the object is about to go. REQUIRES: the type has a
  // reference count.
  static bool Share(void* object);
  // One owner less.
  static void Drop(void* object);
  // Of an object from MakePerCpu: the copy of a CPU slot; null if there is none.
  static std::byte* CopyOf(void* object, uint32_t cpu);

  // The object that holds `address`, if there is one whose memory is not yet
  // freed. For the checked engine.
  std::optional<Extent> ObjectAt(const std::byte* address) const;
  // Objects that are owned.
  uint64_t live() const { return live_.load(std::memory_order_relaxed); }

 private:
  struct Header;
  static Header& HeaderOf(const void* object);
  static void Free(void* header) noexcept;
  void* Allocate(std::shared_ptr<const ValueType> type, uint32_t copies);

  const std::shared_ptr<EpochDomain> epochs_;
  std::atomic<uint64_t> live_{0};
  mutable std::mutex mutex_;
  std::map<uintptr_t, uint64_t> extents_;  // address and bytes; guarded by mutex_
};

// Drops what the kernel pointers, lists and trees of a value own, and leaves
// the fields as those of a new value. Timers and work queues are not touched.
void DropOwned(const ValueType& type, std::byte* value) noexcept;

}  // namespace skep::model

#endif  // SKEP_MODEL_OBJECT_HEAP_H_
