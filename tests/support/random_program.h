// SPDX-License-Identifier: Apache-2.0
// Random programs that the verifier must accept, drawn from isa/opcodes.def:
// arithmetic, branches, bounded loops, local calls, accesses of every size to
// stack, packets, plain memory and map values by constant and by bounded
// variable offsets, atomics, packet loads, map helpers. What a program computes
// depends on its input alone, and r0 depends on all it computed.
//
// Threads: pure functions.

#ifndef SKEP_TESTS_SUPPORT_RANDOM_PROGRAM_H_
#define SKEP_TESTS_SUPPORT_RANDOM_PROGRAM_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "skep/map_spec.h"
#include "skep/program.h"

#include "isa/op.h"

namespace skep::test {

// Bytes that plain memory programs may access: VerifyOptions::memory_size.
inline constexpr uint32_t kRandomMemory = 64;
// The keys that programs use in the hash map are the u64 0 .. kRandomKeys - 1.
inline constexpr uint32_t kRandomKeys = 8;
inline constexpr uint32_t kRandomValue = 32;  // bytes of each map's values

// The maps that programs use: an array of four elements, an array of one whose
// value programs address directly, and a hash of six.
std::vector<MapSpec> RandomProgramMaps();

// The same seed gives the same program. `type` is kMemory, kXdp, kSchedCls or
// kSocketFilter; Program::maps() are RandomProgramMaps().
Program RandomProgram(uint64_t seed, ProgramTypeId type);

// Mixes the types by seed: half of them plain memory.
ProgramTypeId RandomProgramType(uint64_t seed);

// Why no random program has this operation; empty if some do.
std::string_view WhyNotGenerated(Op op);

}  // namespace skep::test

#endif  // SKEP_TESTS_SUPPORT_RANDOM_PROGRAM_H_
