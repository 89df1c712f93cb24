// SPDX-License-Identifier: Apache-2.0
// Lower: from a verified Program and map instances to what engines run. Does
// what Linux's fixup passes do: helper ids become offsets from the call base,
// map references become addresses, context accesses become accesses of the
// host's structure, code that no path reaches goes.
//
// Part of the trusted core: it relies on the verifier's facts and nothing else.
//
// Threads: pure functions.

#ifndef SKEP_VM_LOWER_H_
#define SKEP_VM_LOWER_H_

#include <memory>
#include <span>

#include "skep/map.h"
#include "skep/program.h"
#include "skep/result.h"
#include "skep/verify.h"

#include "model/exec_program.h"

namespace skep {

// What a program is bound to.
struct LowerInput {
  const Environment* environment = nullptr;
  // The runtime's helper table: one entry for each spec of environment->helpers,
  // in the same order, then those of PacketLoadHelpers(), InlinedLoop() and
  // those of RunningKfuncs().
  std::span<const model::HelperEntry> helpers;
  // One for each of Program::maps(), created from that spec.
  std::span<const std::shared_ptr<Map>> maps;
};

using ExecPtr = std::shared_ptr<const model::ExecProgram>;

// Fails with kUnsupported if the program calls a helper that this build cannot
// run, by name.
Result<ExecPtr> Lower(const VerifiedProgram& program, const LowerInput& input);

// For code that was not verified. Uses no facts; the result runs on checked
// engines only. Fails with kInvalidArgument if the code cannot be decoded, a
// jump leaves the program, or control can fall off its end.
Result<ExecPtr> LowerUnverified(const Program& program, const LowerInput& input);

// As LowerUnverified, but for trusting engines: the caller vouches that each
// run is safe, because the same run was made on the checked engine before, or
// because the code is the caller's own. kMemory programs only.
Result<ExecPtr> LowerVouched(const Program& program, const LowerInput& input);

}  // namespace skep

#endif  // SKEP_VM_LOWER_H_
