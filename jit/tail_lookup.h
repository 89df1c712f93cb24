// SPDX-License-Identifier: Apache-2.0
// What tail calls of machine code need when the map is known at run time only.
//
// Threads: any. Lifetime: the target lives as long as the run that found it.

#ifndef SKEP_JIT_TAIL_LOOKUP_H_
#define SKEP_JIT_TAIL_LOOKUP_H_

#include <cstdint>

#include "skep/map.h"

#include "model/tail_target.h"

namespace skep::jit {

// Returns what slot `index` of a prog array holds; null if it is empty or there
// is no such slot.
const model::TailTarget* FindTailTarget(const Map* map, uint32_t index) noexcept;

}  // namespace skep::jit

#endif  // SKEP_JIT_TAIL_LOOKUP_H_
