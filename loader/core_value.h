// SPDX-License-Identifier: Apache-2.0
// CoreResolution: what a CO-RE relocation makes of an instruction: the number
// that the compiler wrote there, taken from the object's types, and the number
// of the target's types to replace it by.

#ifndef SKEP_LOADER_CORE_VALUE_H_
#define SKEP_LOADER_CORE_VALUE_H_

#include <cstdint>

#include "loader/core_spec.h"

namespace skep::loader {

struct CoreResolution {
  bool found = true;      // false: the target has no such thing; the instruction is made invalid
  uint64_t compiled = 0;  // what the instruction must hold now, unless !checked
  uint64_t value = 0;     // what it gets
  bool checked = true;    // compilers and this code agree on `compiled`
  bool resizable = true;  // a load or store of compiled_size may become one of size
  uint32_t compiled_size = 0;  // bytes of a field that is loaded or stored; 0 for other questions
  uint32_t size = 0;
};

// Computes both numbers. `target` is null if nothing matched.
CoreProblem ComputeCore(CoreKind kind, const CoreSpec& local, const CoreSpec* target,
                        CoreResolution& out);

}  // namespace skep::loader

#endif  // SKEP_LOADER_CORE_VALUE_H_
