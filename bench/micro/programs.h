// SPDX-License-Identifier: Apache-2.0
// Programs and runtimes that the micro benchmarks share.

#ifndef SKEP_BENCH_MICRO_PROGRAMS_H_
#define SKEP_BENCH_MICRO_PROGRAMS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "skep/program.h"
#include "skep/result.h"
#include "skep/runtime.h"

namespace skep::bench {

// A kMemory program: r0 = 0, exit.
Program EmptyProgram();

// A kMemory program of `size` instructions without a branch: arithmetic of all
// widths on registers with unknown contents, loads and stores of the stack.
// REQUIRES: size >= 16.
Program StraightProgram(uint32_t size);

// Rules of root, as the kernel's figures are taken.
VerifyOptions PrivilegedRules();

// A program verified, or the finding why not.
Result<VerifiedProgram> VerifyOrError(const Program& program, const Environment& environment);

// A runtime; one for the whole process. Aborts if it cannot be made.
Runtime& SharedRuntime();

// <build>/<folder>/<name>.bpf.o
std::string ObjectPath(const std::string& folder, const std::string& name);

}  // namespace skep::bench

#endif  // SKEP_BENCH_MICRO_PROGRAMS_H_
