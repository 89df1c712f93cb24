// SPDX-License-Identifier: Apache-2.0
// The functions behind the rows of helpers.def and model/kfuncs.def, declared from
// them. Each is a HelperFunction; the files of this room define them by topic.

#ifndef SKEP_HELPERS_FUNCTIONS_H_
#define SKEP_HELPERS_FUNCTIONS_H_

#include <cstdint>

#include "skep/execution_context.h"

namespace skep::helpers {

#define SKEP_HELPER(id, name, function, ...)                                         \
  uint64_t function(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, \
                    ExecutionContext& context) noexcept;
#define SKEP_PROTOTYPE(...)
#include "helpers/helpers.def"

// Of InlinedLoop.
uint64_t LoopInlined(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
                     ExecutionContext& context) noexcept;

#define SKEP_KFUNC(name, function, ...)                                              \
  uint64_t function(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, \
                    ExecutionContext& context) noexcept;
#define SKEP_KFUNC_PROTOTYPE(...)
#include "model/kfuncs.def"

}  // namespace skep::helpers

#endif  // SKEP_HELPERS_FUNCTIONS_H_
