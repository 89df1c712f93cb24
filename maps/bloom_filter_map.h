// SPDX-License-Identifier: Apache-2.0
// BloomFilterMap: BPF_MAP_TYPE_BLOOM_FILTER. A set that may take a value for a
// member that is none; members are never forgotten. With BPF_F_ZERO_SEED
// the bits are Linux's, so that the two take the same values for members.
//
// Threads: any; bits are set one by one, without a lock. A process that dies in a
// push leaves a value that is not a member yet.

#ifndef SKEP_MAPS_BLOOM_FILTER_MAP_H_
#define SKEP_MAPS_BLOOM_FILTER_MAP_H_

#include "maps/create.h"
#include "maps/map_memory.h"

namespace skep {

class BloomFilterMap final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  static uint64_t BytesFor(const MapSpec& spec);
  BloomFilterMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory bits);

  // -EINVAL for flags other than BPF_ANY.
  int Push(const std::byte* value, uint64_t flags) noexcept override;
  // 0 if the value may be a member, else -ENOENT; leaves it alone.
  int Peek(std::byte* value) noexcept override;

 protected:
  // As bpf(2): lookup asks for the value given, update adds it; no keys.
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;

 private:
  // Calls visit(bit) for each bit of the value until it returns false; then returns
  // false too.
  template <class Each>
  bool ForBits(const std::byte* value, Each visit) const noexcept;

  const MapMemory bits_;
  const uint32_t mask_;
  const uint32_t functions_;
  const uint32_t seed_;
};

}  // namespace skep

#endif  // SKEP_MAPS_BLOOM_FILTER_MAP_H_
