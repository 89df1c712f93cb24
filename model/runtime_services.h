// SPDX-License-Identifier: Apache-2.0
// RuntimeServices: what helpers find behind an ExecutionContext besides the run
// itself: the runtime's objects, timers and locks.
//
// And what a run holds: locks and objects that a run which is stopped in its
// middle must give back.
//
// Threads: services any; HeldResources the run's own.

#ifndef SKEP_MODEL_RUNTIME_SERVICES_H_
#define SKEP_MODEL_RUNTIME_SERVICES_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "skep/execution_context.h"

#include "model/shared_rings.h"

namespace skep::model {

class AsyncService;
class ObjectHeap;

struct RuntimeServices {
  ObjectHeap* heap = nullptr;
  AsyncService* async = nullptr;
  uint32_t cpu_slots = 0;
  // Ring buffers that other processes write to as well.
  SharedRings* shared_rings = nullptr;
  // The resilient lock that each CPU slot waits for; null: none.
  std::vector<std::atomic<const void*>> waiting;
};

// What the calling run may use.
RuntimeServices& ServicesOf(ExecutionContext& context);

class HeldResources {
 public:
  using Lock = std::atomic<uint32_t>;

  void AddLock(Lock* lock) { locks_.push_back(lock); }
  void RemoveLock(Lock* lock) { Remove(locks_, lock); }
  bool HasLock(const void* lock) const {
    return std::find(locks_.begin(), locks_.end(), lock) != locks_.end();
  }
  size_t lock_count() const { return locks_.size(); }

  void AddObject(void* object) { objects_.push_back(object); }
  void RemoveObject(void* object) { Remove(objects_, object); }

  // Of a run that was stopped: unlocks and drops everything.
  void Release() noexcept;

 private:
  // What was taken last goes first, as a rule.
  template <class T>
  static void Remove(std::vector<T>& all, T one) {
    const auto at = std::find(all.rbegin(), all.rend(), one);
    if (at != all.rend()) all.erase(std::next(at).base());
  }

  std::vector<Lock*> locks_;
  std::vector<void*> objects_;
};

HeldResources& HeldBy(ExecutionContext& context);

}  // namespace skep::model

#endif  // SKEP_MODEL_RUNTIME_SERVICES_H_
