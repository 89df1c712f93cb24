// SPDX-License-Identifier: Apache-2.0
// The Executables of this build: one class an engine. Made by Prepare.
//
// Threads: immutable; Run on many threads at once.

#ifndef SKEP_VM_EXECUTABLE_H_
#define SKEP_VM_EXECUTABLE_H_

#include <memory>

#include "skep/engine.h"
#include "skep/result.h"

#include "model/exec_program.h"
#include "model/tail_target.h"

namespace skep {

struct PrepareOptions {
  Engine engine = Engine::kJit;
  bool metered = false;
  uint32_t program_id = 0;
};

// Fails with kUnsupported if the engine cannot run the program, with
// kInvalidArgument if a trusting engine is asked to run unverified code.
Result<std::shared_ptr<Executable>> PrepareExecutable(
    Program program, std::shared_ptr<const model::ExecProgram> exec, const PrepareOptions& options);

}  // namespace skep

#endif  // SKEP_VM_EXECUTABLE_H_
