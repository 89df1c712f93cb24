// SPDX-License-Identifier: Apache-2.0
// Loads from objects that the verifier knows by their types alone (fields of what
// a traced function got, and what these point to). Linux lets the access fault
// and gives zero; here a function reads the host's memory so that a bad address
// gives zero, too.
//
// Threads: constants and pure functions.

#ifndef SKEP_VM_GUARDED_LOAD_H_
#define SKEP_VM_GUARDED_LOAD_H_

#include <array>
#include <cstdint>
#include <span>

#include "skep/helper.h"

#include "isa/decode.h"
#include "model/exec_program.h"

namespace skep {

// What the loads call, for 8, 16, 32 and 64 bits, in this order. r1 is the address.
std::span<const HelperSpec> GuardedLoadHelpers();
// Which of them.
constexpr size_t GuardedLoadIndex(int width) {
  return static_cast<size_t>(__builtin_ctz(static_cast<unsigned>(width) / 8u));
}

// Bytes of stack that a function with such loads keeps for them.
inline constexpr uint32_t kGuardedLoadBytes = 7 * sizeof(uint64_t);
inline constexpr uint32_t kGuardedLoadSize = 18;  // instructions
using GuardedLoadCode = std::array<model::ExecInsn, kGuardedLoadSize>;

// What stands for `load`, which changes its dst alone: r0 .. r5 are kept at
// [r10 + stack, r10 + stack + kGuardedLoadBytes) over the call, whose imm is
// `helper`.
GuardedLoadCode GuardedLoad(const DecodedInsn& load, int16_t stack, int32_t helper);

}  // namespace skep

#endif  // SKEP_VM_GUARDED_LOAD_H_
