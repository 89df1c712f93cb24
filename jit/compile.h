// SPDX-License-Identifier: Apache-2.0
// Compile: ExecProgram to machine code of this host.

#ifndef SKEP_JIT_COMPILE_H_
#define SKEP_JIT_COMPILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/code_memory.h"
#include "model/exec_program.h"
#include "skep/execution_context.h"
#include "skep/result.h"

namespace skep::jit {

struct CompileOptions {
  // Count fuel at backward jumps and calls and stop when it is used up or the
  // run is interrupted.
  bool metered = false;
};

// r1, r2 and the run's context; the result is r0.
using EntryFunction = uint64_t (*)(uint64_t r1, uint64_t r2, ExecutionContext* context);

// Machine code of one program. Immutable; frees its pages when destroyed.
struct CompiledCode {
  CodeMemory memory;
  EntryFunction entry = nullptr;
  const void* tail_entry = nullptr;  // where tail calls jump to
  // Byte offset of the code of each ExecInsn, and of the end; for listings.
  std::vector<uint32_t> offsets;
};

// Whether this build and host can compile.
bool Available();

// REQUIRES: exec.verified. Fails with kUnsupported if the program has an
// operation that this compiler does not know, with kSystem if there is no
// memory for code.
Result<CompiledCode> Compile(const model::ExecProgram& exec, const CompileOptions& options);

}  // namespace skep::jit

#endif  // SKEP_JIT_COMPILE_H_
