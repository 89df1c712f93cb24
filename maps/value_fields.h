// SPDX-License-Identifier: Apache-2.0
// ValueFields: the special fields in the values of a map (model/value_type.h):
// what copying, locking and ending a value means for them. For a map without
// such fields everything is a plain copy.
//
// Threads: as the values: copies race as the map's own do, a locked copy
// excludes programs that hold the value's bpf_spin_lock.

#ifndef SKEP_MAPS_VALUE_FIELDS_H_
#define SKEP_MAPS_VALUE_FIELDS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/spin_lock.h"
#include "base/word_copy.h"
#include "maps/create.h"
#include "model/value_type.h"

namespace skep {

class ValueFields {
 public:
  ValueFields(const MapSpec& spec, const MapEnvironment& environment);

  const model::ValueType* type() const { return type_.get(); }
  bool any() const { return type_ != nullptr; }
  bool has_lock() const { return lock_ != nullptr; }

  // 0, or -EINVAL: unknown flags, or BPF_F_LOCK without a lock.
  int CheckFlags(uint64_t flags) const {
    if ((flags & ~uint64_t{kUpdateLock}) > kUpdateExist) return -EINVAL;
    return (flags & kUpdateLock) != 0 && !has_lock() ? -EINVAL : 0;
  }

  // Into an element: the fields stay as they are there.
  void Copy(std::byte* to, const std::byte* from) const {
    if (!any()) return CopyWords(to, from, size_);
    model::CopyValue(type_.get(), to, from, size_);
  }
  void CopyLocked(std::byte* to, const std::byte* from) const;
  // Out of an element: the fields are zeros.
  void CopyOut(std::byte* to, const std::byte* from) const {
    if (!any()) return CopyWords(to, from, size_);
    model::CopyValueOut(type_.get(), to, from, size_);
  }
  void CopyOutLocked(std::byte* to, std::byte* from) const;

  // The value's life ends, or that of its old contents: what its fields own is
  // let go, and they are as in a new value.
  void End(std::byte* value) const {
    if (any()) EndFields(value);
  }
  // Only timers and work queues.
  void EndCallbacks(std::byte* value) const;
  // To be called by a map that goes, after its values have ended.
  void WaitForCallbacks(const Map& map) const;

 private:
  void EndFields(std::byte* value) const;
  std::atomic<uint32_t>& LockOf(std::byte* value) const {
    return *reinterpret_cast<std::atomic<uint32_t>*>(value + lock_->offset);
  }

  const std::shared_ptr<const model::ValueType> type_;
  const model::ValueField* const lock_;  // bpf_spin_lock
  model::AsyncService* const async_;
  const uint32_t size_;
};

}  // namespace skep

#endif  // SKEP_MAPS_VALUE_FIELDS_H_
