// SPDX-License-Identifier: Apache-2.0
// Sections in which a program sleeps or is interrupted no more. In a process
// nothing is to be done: what a run refers to is kept by its epoch until the run
// ends, a run never changes its CPU slot, and no interrupt handler runs programs.
// The verifier holds programs to the kernel's rules all the same.

#include <cstdint>

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {

uint64_t EnterSection(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  return 0;
}
uint64_t LeaveSection(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  return 0;
}

// The state is eight bytes of the program's stack, which it may not look at.
uint64_t LocalIrqSave(uint64_t state, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  *reinterpret_cast<uint64_t*>(state) = 0;
  return 0;
}

}  // namespace skep::helpers
