// SPDX-License-Identifier: Apache-2.0
// QueueMap: BPF_MAP_TYPE_QUEUE (first in, first out) and BPF_MAP_TYPE_STACK
// (last in, first out). No keys; values are copied in and out.
//
// Threads: any; one lock for the whole map, as in the kernel. A process that dies
// in a push leaves the queue without that value: a value comes first, then the word
// that makes it one of the queue. One that dies in a push over a full queue
// (BPF_EXIST) may leave it without the oldest value too.

#ifndef SKEP_MAPS_QUEUE_MAP_H_
#define SKEP_MAPS_QUEUE_MAP_H_

#include <atomic>
#include <cerrno>

#include "maps/create.h"
#include "maps/map_memory.h"

namespace skep {

class QueueMap final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  static uint64_t BytesFor(const MapSpec& spec);
  QueueMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory memory);

  // -E2BIG if full, unless BPF_EXIST asks for the oldest value's place; -EINVAL
  // for other flags.
  int Push(const std::byte* value, uint64_t flags) noexcept override;
  // -ENOENT if empty, and zeroes the buffer.
  int Pop(std::byte* value) noexcept override;
  int Peek(std::byte* value) noexcept override;

 protected:
  // As bpf(2): lookup peeks, update pushes, lookup-and-delete pops; -EINVAL if
  // a key is given. An empty map leaves the buffer alone.
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;
  int DoHostDelete(const std::byte*) noexcept override { return -EINVAL; }
  int DoHostLookupAndDelete(const std::byte* key, std::byte* value) noexcept override;
  int DoNextKey(const std::byte*, std::byte*) noexcept override { return -EINVAL; }

 private:
  // Values lie in a ring of max_entries + 1 places, of which one is free.
  struct Control {
    std::atomic<uint32_t> lock;
    std::atomic<uint32_t> head;  // the next place to write
    std::atomic<uint32_t> tail;  // the oldest value
  };
  Control& control() const { return *reinterpret_cast<Control*>(memory_.base()); }
  std::byte* At(uint32_t place) const;
  // A place that others may have written; none is trusted.
  uint32_t Load(const std::atomic<uint32_t>& place) const {
    const uint32_t value = place.load(std::memory_order_relaxed);
    return value <= spec_.max_entries ? value : 0;
  }
  uint32_t Next(uint32_t place) const { return place == spec_.max_entries ? 0 : place + 1; }
  // Copies the value whose turn it is. Returns 0, or -ENOENT if empty.
  int Take(std::byte* value, bool remove) noexcept;

  const MapMemory memory_;
  const LockHolder holder_;
  const uint64_t stride_;
};

}  // namespace skep

#endif  // SKEP_MAPS_QUEUE_MAP_H_
