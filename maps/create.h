// SPDX-License-Identifier: Apache-2.0
// CreateMap: a map instance from its specification, with Linux's checks.

#ifndef SKEP_MAPS_CREATE_H_
#define SKEP_MAPS_CREATE_H_

#include <cstdint>
#include <memory>

#include "skep/map.h"
#include "skep/result.h"

#include "base/epoch.h"
#include "model/value_type.h"

namespace skep {

namespace model {
class AsyncService;
class SharedRings;
}  // namespace model
struct SharedMapRegion;

// What a map gets from its runtime.
struct MapEnvironment {
  uint32_t cpu_slots = 1;  // per-CPU strides; programs pass a cpu below it
  uint32_t id = 0;         // of the new map; unique in the runtime, not 0
  // Frees what runs may still hold. Every run of a program must be inside it.
  std::shared_ptr<EpochDomain> epochs = {};
  // The special fields of the values; null if they have none.
  std::shared_ptr<const model::ValueType> value_type = {};
  model::AsyncService* async = nullptr;        // the runtime's; needed with a value type
  model::SharedRings* shared_rings = nullptr;  // the runtime's
  // Where the map lives, if not in memory of its own (maps/shared_map.h).
  std::shared_ptr<SharedMapRegion> shared = {};
};

// Whether Linux takes the specification; touches no memory. Fails with the
// errno of bpf(BPF_MAP_CREATE) in sys_errno: kInvalidArgument for EINVAL,
// kResourceLimit for E2BIG, kUnsupported for types that this build does not
// have and for Linux's ENOTSUPP.
Result<void> CheckMapSpec(const MapSpec& spec);

// Creates the map, empty (arrays: zeroed) but for spec.initial_value. Fails as
// CheckMapSpec, or with kSystem if there is no memory (ENOMEM).
Result<std::shared_ptr<Map>> CreateMap(const MapSpec& spec, const MapEnvironment& environment);

}  // namespace skep

#endif  // SKEP_MAPS_CREATE_H_
