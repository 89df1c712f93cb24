// SPDX-License-Identifier: Apache-2.0
// WithInnerMap: an object whose map of maps the host gives an inner map, as
// bpf_map__set_inner_map_fd does before an object is loaded.
//
// Threads: a pure function.

#ifndef SKEP_INNER_MAP_H_
#define SKEP_INNER_MAP_H_

#include <string>

#include "skep/export.h"
#include "skep/map_spec.h"
#include "skep/program.h"
#include "skep/result.h"

namespace skep {

// Returns a copy of `object`, and of its programs, in which inner maps of `map`
// must equal `inner`: where the object itself does not say what they are, its
// programs are not judged. Fails with kUnresolved if there is no such map, and
// with kInvalidArgument if it is no map of maps, if the object says what its
// inner maps are, or if `inner` is a map of maps itself.
SKEP_EXPORT Result<Object> WithInnerMap(const Object& object, const std::string& map,
                                        const MapSpec& inner);

}  // namespace skep

#endif  // SKEP_INNER_MAP_H_
