// SPDX-License-Identifier: Apache-2.0
// RingbufMap: BPF_MAP_TYPE_RINGBUF and BPF_MAP_TYPE_USER_RINGBUF, maps around a
// model::Ringbuf, which says what the pages hold and who may do what at once. bpf(2) has no element
// operations for it: all are ENOTSUPP.

#ifndef SKEP_MAPS_RINGBUF_MAP_H_
#define SKEP_MAPS_RINGBUF_MAP_H_

#include "maps/create.h"
#include "maps/map_memory.h"
#include "model/ringbuf.h"
#include "model/shared_rings.h"

namespace skep {

class RingbufMap final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  // Of the memory that processes share.
  static uint64_t SharedBytesFor(const MapSpec& spec);
  RingbufMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory memory);
  ~RingbufMap() override;

  model::Ringbuf& ring() { return ring_; }
  // A descriptor that becomes readable when a wake-up is due; made at the first
  // call. Returns -errno if there is none to be had.
  int EventFd() noexcept;
  void ClearEvent() noexcept;

  // Only `base`: page 0 of the ring.
  DirectView direct_view() const noexcept override;
  // A record that is still busy; of a ring that the host fills all the data.
  std::optional<Extent> ElementAt(const std::byte* address) const noexcept override;

 protected:
  int DoHostLookup(const std::byte*, std::byte*) noexcept override { return -kEnotsupp; }
  int DoHostUpdate(const std::byte*, const std::byte*, uint64_t) noexcept override {
    return -kEnotsupp;
  }
  int DoHostDelete(const std::byte*) noexcept override { return -kEnotsupp; }
  int DoNextKey(const std::byte*, std::byte*) noexcept override { return -kEnotsupp; }

 private:
  const MapMemory memory_;
  model::Ringbuf& ring_;                    // in the memory
  model::SharedRings* const shared_rings_;  // that know this one; null: none
};

}  // namespace skep

#endif  // SKEP_MAPS_RINGBUF_MAP_H_
