// SPDX-License-Identifier: Apache-2.0
// ArrayOfMaps: BPF_MAP_TYPE_ARRAY_OF_MAPS. A program's lookup gives the inner
// Map itself, usable with map helpers until the run ends; only the host puts
// maps in (SetMap).
//
// Threads: any. A map that was replaced lives until no run can hold it.

#ifndef SKEP_MAPS_MAP_IN_MAP_H_
#define SKEP_MAPS_MAP_IN_MAP_H_

#include "maps/batch.h"
#include "maps/create.h"
#include "maps/handle_slots.h"

namespace skep {

// Whether a map may stand where a program was verified with `like`: same type,
// key, value and flags; for arrays the same max_entries too, unless made with
// BPF_F_INNER_MAP, because lookups in them may be checked against it at load.
bool InnerMapFits(const MapSpec& like, const MapSpec& map);

class ArrayOfMaps final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  ArrayOfMaps(const MapSpec& spec, const MapEnvironment& environment, Region region);

  std::byte* Lookup(const std::byte* key, uint32_t cpu) noexcept override;
  HelperFunction helper_function(uint32_t helper_id) const noexcept override;

 protected:
  // Values are map ids for the host to read.
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;
  int DoHostDelete(const std::byte* key) noexcept override;
  int DoNextKey(const std::byte* key, std::byte* next) noexcept override;
  uint32_t batch_commands() const noexcept override { return kBatchesOfArrays; }
  // -EINVAL for flags other than BPF_ANY, -E2BIG if the index is out of range.
  int DoSetMap(const std::byte* key, std::shared_ptr<Map> inner, uint64_t flags) noexcept override;

 private:
  HandleSlots<Map> slots_;
};

}  // namespace skep

#endif  // SKEP_MAPS_MAP_IN_MAP_H_
