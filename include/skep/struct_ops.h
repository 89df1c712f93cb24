// SPDX-License-Identifier: Apache-2.0
// StructOpsMaps: the variables of an object's sections .struct_ops and
// .struct_ops.link, which Linux makes maps of type struct_ops.
//
// Threads: a pure function.

#ifndef SKEP_STRUCT_OPS_H_
#define SKEP_STRUCT_OPS_H_

#include <cstdint>
#include <span>

#include "skep/export.h"
#include "skep/map_spec.h"
#include "skep/program.h"

namespace skep {

// BPF_F_LINK: a link attaches the map, not its first element.
inline constexpr uint32_t kMapLink = 1u << 13;

// In file order; as long as the object lives. value_size is that of the object's
// struct. initial_slots name the program of each member that has one, by the
// member's byte offset. They are not among Object::maps(): no program refers to
// them, and no instance creates them.
SKEP_EXPORT std::span<const MapSpec> StructOpsMaps(const Object& object);

}  // namespace skep

#endif  // SKEP_STRUCT_OPS_H_
