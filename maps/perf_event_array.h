// SPDX-License-Identifier: Apache-2.0
// PerfEventArray: BPF_MAP_TYPE_PERF_EVENT_ARRAY, the output side. Slot i holds
// the ring of CPU slot i while a PerfBufferReader reads it.
//
// Threads: any.

#ifndef SKEP_MAPS_PERF_EVENT_ARRAY_H_
#define SKEP_MAPS_PERF_EVENT_ARRAY_H_

#include "maps/create.h"
#include "maps/handle_slots.h"
#include "model/perf_ring.h"

namespace skep {

class PerfEventArray final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  PerfEventArray(const MapSpec& spec, const MapEnvironment& environment, Region region);

  // CPU slots that can have a ring: those of the runtime that are below
  // max_entries.
  uint32_t rings() const { return rings_; }
  // Null empties the slot. REQUIRES: index < rings().
  void SetRing(uint32_t index, std::shared_ptr<model::PerfRing> ring) {
    slots_.Put(index, std::move(ring));
  }

  // The slots: a model::PerfRing* each.
  DirectView direct_view() const noexcept override;

 protected:
  // Events are file descriptors for bpf(2): they cannot be read back.
  int DoHostLookup(const std::byte*, std::byte*) noexcept override { return -kEnotsupp; }
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;
  int DoHostDelete(const std::byte* key) noexcept override;
  int DoNextKey(const std::byte* key, std::byte* next) noexcept override;

 private:
  HandleSlots<model::PerfRing> slots_;
  const uint32_t rings_;
};

}  // namespace skep

#endif  // SKEP_MAPS_PERF_EVENT_ARRAY_H_
