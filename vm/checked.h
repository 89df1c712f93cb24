// SPDX-License-Identifier: Apache-2.0
// The checked interpreter: runs any decodable program, verified or not, and
// checks every access against the memory that the program may touch. Ends with
// a value or a trap that says where, which address, and what was allowed;
// never with a signal.
//
// It shares no code with the fast interpreter beyond isa/semantics.h, so that
// each is a test of the other. Threads: as Executable::Run.

#ifndef SKEP_VM_CHECKED_H_
#define SKEP_VM_CHECKED_H_

#include <cstdint>

#include "skep/execution_context.h"

#include "model/exec_program.h"

namespace skep {

// The context's per-run state must have been reset. `r1` and `r2` as in
// Executable::Run; for kMemory programs r2 bytes at r1 may be accessed.
uint64_t RunChecked(const model::ExecProgram& program, ExecutionContext& context, void* r1,
                    uint64_t r2) noexcept;

// Runs the function that `function` names (ExecProgram::FunctionValue) with r1,
// r2 and r3, as a run of its own without a context of the program's type.
void RunCheckedFunction(const model::ExecProgram& program, ExecutionContext& context,
                        uint64_t function, const uint64_t* arguments) noexcept;

}  // namespace skep

#endif  // SKEP_VM_CHECKED_H_
