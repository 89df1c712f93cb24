// SPDX-License-Identifier: Apache-2.0
// From BTF to what run-time code must know of values: the same fields that the
// verifier finds.
//
// Threads: pure functions.

#ifndef SKEP_VM_VALUE_TYPES_H_
#define SKEP_VM_VALUE_TYPES_H_

#include <cstdint>
#include <memory>

#include "skep/map_spec.h"

#include "model/value_type.h"

namespace skep::btf {
class Btf;
}

namespace skep {

// Of the values of a map; null if they have no special fields. `btf` may be null.
std::shared_ptr<const model::ValueType> ReadValueType(const btf::Btf* btf, const MapSpec& map);
// Of struct `type` of `btf`; null if it is none that a program can make.
std::shared_ptr<const model::ValueType> ReadObjectType(const btf::Btf& btf, uint32_t type);

}  // namespace skep

#endif  // SKEP_VM_VALUE_TYPES_H_
