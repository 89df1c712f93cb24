// SPDX-License-Identifier: Apache-2.0
// The interpreter for verified programs: threaded code over 16-byte cells that
// are made once, by Prepare. docs/interpreter.md tells why it is built this way.
//
// Threads: ThreadedProgram is immutable; Interpret may run on many threads,
// each with its own context.

#ifndef SKEP_VM_INTERPRETER_H_
#define SKEP_VM_INTERPRETER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "skep/execution_context.h"
#include "skep/result.h"

#include "model/exec_program.h"

namespace skep {

struct Cell;
struct Machine;  // the state of one run, vm/interpreter_handlers.h

// Executes the instruction of its cell, or that one and some that follow, and
// goes on with the next. Returns where the driver is to go on; null at the end.
using CellHandler = const Cell* (*)(const Cell*, Machine&) noexcept;

// One instruction: the code that executes it, and its operands. A two-slot load
// takes a second cell that holds the value. Branches hold the distance to their
// target, in cells, in `off`, jumps and local calls in `imm`; a local call holds
// the bytes of its caller's stack frame in `off`, and so does a call of a helper
// that calls back. The value of a function is the address of its first cell.
struct Cell {
  CellHandler handler = nullptr;
  uint8_t dst = 0;
  uint8_t src = 0;
  int16_t off = 0;
  int32_t imm = 0;
};
static_assert(sizeof(Cell) == 16);

struct ThreadedProgram {
  std::shared_ptr<const model::ExecProgram> exec;
  std::vector<Cell> cells;
  std::vector<uint32_t> origin;  // for each cell: slot in Program::insns()
  const Cell* exception_callback = nullptr;
  uint32_t fused = 0;  // cells whose handler executes more than one
};

struct ThreadOptions {
  bool fuse = true;  // use the handlers of vm/fusions.def
};

// Fails with kUnsupported if a branch is too far for a cell.
// REQUIRES: exec->verified.
Result<std::unique_ptr<ThreadedProgram>> Thread(std::shared_ptr<const model::ExecProgram> exec,
                                                ThreadOptions options = {});

// Runs from the first instruction. The context's per-run state (tail calls,
// fuel, trap) must have been reset. A stopped run returns 0 and leaves the trap
// in the context.
uint64_t Interpret(const ThreadedProgram& program, ExecutionContext& context, uint64_t r1,
                   uint64_t r2) noexcept;

// Runs the function of this value with r1, r2 and r3, as a run of its own.
void InterpretFunction(const ThreadedProgram& program, ExecutionContext& context, uint64_t function,
                       const uint64_t* arguments) noexcept;

}  // namespace skep

#endif  // SKEP_VM_INTERPRETER_H_
