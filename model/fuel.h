// SPDX-License-Identifier: Apache-2.0
// Fuel: how metered engines count instructions and notice an interrupt.
//
// A run counts down a chunk of at most kFuelChunk instructions, at taken
// backward jumps and at calls. When a chunk is used up it asks RefillFuel for
// the next one, which is where the budget and Interrupt() are looked at. So the
// fast path is one subtraction and one branch, and an interrupt is seen within
// a chunk (about a millisecond of interpreted code).

#ifndef SKEP_MODEL_FUEL_H_
#define SKEP_MODEL_FUEL_H_

#include <cstdint>

#include "skep/execution_context.h"

namespace skep::model {

inline constexpr int64_t kFuelChunk = 1 << 20;

// Sets the first chunk of a run.
void StartFuel(ExecutionContext& context) noexcept;

// To be called when fuel is below zero. Returns true and adds a chunk, or marks
// the run as stopped (kBudget or kInterrupted) and returns false.
bool RefillFuel(ExecutionContext& context) noexcept;

}  // namespace skep::model

#endif  // SKEP_MODEL_FUEL_H_
