// SPDX-License-Identifier: Apache-2.0
// Compile: ExecProgram to machine code of this host.

#ifndef SKEP_JIT_COMPILE_H_
#define SKEP_JIT_COMPILE_H_

#include <cstdint>
#include <vector>

#include "skep/execution_context.h"
#include "skep/result.h"

#include "base/code_memory.h"
#include "model/exec_program.h"

namespace skep::jit {

// Which instructions the code may use.
enum class Cpu : uint8_t {
  kHost,      // what this CPU has
  kPortable,  // what every CPU of the architecture has
  kModern,    // all extensions that the compiler knows
};

struct CompileOptions {
  // Code that runs faster and takes longer to make.
  bool optimized = false;
  // Count fuel at backward jumps and calls and stop when it is used up or the
  // run is interrupted.
  bool metered = false;
  Cpu cpu = Cpu::kHost;
};

// r1, r2 and the run's context; the result is r0. If the run was stopped the
// context says so and the result is 0.
using EntryFunction = uint64_t (*)(uint64_t r1, uint64_t r2, ExecutionContext* context);

// Machine code of one program. Immutable; frees its pages when destroyed. The
// code refers to the maps and helpers of the ExecProgram, which must outlive it.
struct CompiledCode {
  CodeMemory memory;
  EntryFunction entry = nullptr;
  const void* tail_entry = nullptr;  // where tail calls jump to
  // Byte offset of the code of each ExecInsn, and of the end. Instructions that
  // were compiled together share the code of the first.
  std::vector<uint32_t> offsets;
};

// Whether this build and host can compile.
bool Available();

// REQUIRES: exec.verified. Fails with kUnsupported if the program has an
// operation that this compiler does not know, with kSystem or kResourceLimit if
// there is no memory for code.
Result<CompiledCode> Compile(const model::ExecProgram& exec, const CompileOptions& options);

// Calls a subprogram whose address the program passed to a helper; what
// ExecutionContext::Call uses while machine code runs.
uint64_t CallFunction(ExecutionContext& context, uint64_t function, uint64_t r1, uint64_t r2,
                      uint64_t r3, uint64_t r4, uint64_t r5) noexcept;

}  // namespace skep::jit

#endif  // SKEP_JIT_COMPILE_H_
