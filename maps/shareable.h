// SPDX-License-Identifier: Apache-2.0
// Which maps processes can share, and how much memory those take.

#ifndef SKEP_MAPS_SHAREABLE_H_
#define SKEP_MAPS_SHAREABLE_H_

#include <cstdint>

#include "skep/map_spec.h"
#include "skep/result.h"

#include "model/value_type.h"

namespace skep {

// Whether a map of this specification and these special fields (null: none) can
// be shared. Fails as CheckMapSpec, or with kUnsupported.
Result<void> CheckShareable(const MapSpec& spec, const model::ValueType* fields = nullptr);

// Bytes of the body. REQUIRES: CheckShareable(spec).
uint64_t SharedBodyBytes(const MapSpec& spec, uint32_t cpu_slots);

}  // namespace skep

#endif  // SKEP_MAPS_SHAREABLE_H_
