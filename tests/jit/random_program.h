// SPDX-License-Identifier: Apache-2.0
// Random programs for comparing engines: they read nothing that is not
// initialised, stay inside their memory and stack, and end. r1 is
// kRandomMemory bytes of memory, aligned to 8.
//
// Threads: a pure function of the seed.

#ifndef SKEP_TESTS_JIT_RANDOM_PROGRAM_H_
#define SKEP_TESTS_JIT_RANDOM_PROGRAM_H_

#include <cstdint>

#include "model/exec_program.h"

namespace skep::jit {

inline constexpr int kRandomMemory = 512;

// About `length` instructions, with loops, functions, idioms that compilers
// make, and a result that depends on every register.
model::ExecProgram RandomProgram(uint64_t seed, int length);

}  // namespace skep::jit

#endif  // SKEP_TESTS_JIT_RANDOM_PROGRAM_H_
