// SPDX-License-Identifier: Apache-2.0
// WithInitialValues: an object whose data sections start with what the host says,
// as bpf_map__set_initial_value does before an object is loaded. Skeletons that
// `skep gen skeleton` writes call it.
//
// Threads: a pure function.

#ifndef SKEP_INITIAL_VALUE_H_
#define SKEP_INITIAL_VALUE_H_

#include <cstddef>
#include <span>
#include <string>

#include "skep/export.h"
#include "skep/program.h"
#include "skep/result.h"

namespace skep {

struct InitialValue {
  std::string map;  // of a data section: ".rodata" of the object "filter" is "filter.rodata"
  std::span<const std::byte> bytes;
};

// Returns a copy of `object`, and of its programs, in which each of these maps
// starts with these bytes; the verifier takes those of constant sections (.rodata)
// for granted. Fails with kUnresolved if there is no such map, and with
// kInvalidArgument if the map is no array of one element or the bytes are not
// value_size.
SKEP_EXPORT Result<Object> WithInitialValues(const Object& object,
                                             std::span<const InitialValue> values);

}  // namespace skep

#endif  // SKEP_INITIAL_VALUE_H_
