// SPDX-License-Identifier: Apache-2.0
// ProgramShape: what one look at a whole ExecProgram finds out for the walk
// that emits code: jump targets, loop heads, which registers are live, and what
// frame each function needs.
//
// Threads: a value. Lifetime: refers to nothing.

#ifndef SKEP_JIT_PROGRAM_SHAPE_H_
#define SKEP_JIT_PROGRAM_SHAPE_H_

#include <cstdint>
#include <vector>

#include "jit/masm.h"
#include "model/exec_program.h"

namespace skep::jit {

// Fails with kUnsupported if the program has an operation that compilers do not
// know.
Result<void> CheckOperations(const model::ExecProgram& exec);

// How a call instruction is compiled.
enum class CallKind : uint8_t {
  kFunction,  // a subprogram of the program
  kHelper,
  kTail,
  kLookup,       // of an array that is known: inlined
  kCpu,          // get_smp_processor_id: inlined
  kLoop,         // bpf_loop with a known callback: inlined
  kIterNext,     // bpf_iter_num_next: inlined
  kIterDestroy,  // bpf_iter_num_destroy: inlined
  kNothing,      // kernel functions that do nothing in a process
};

// REQUIRES: insns[index] calls a helper or a function of the program.
CallKind ClassifyCall(const model::ExecProgram& exec, uint32_t index);

// Whether the helper may stop the run or call functions of the program: those
// that call back, and all that the host brought along.
bool MayStop(const HelperSpec* spec);

// What an instruction reads and writes; the sets may hold r10.
struct Effect {
  RegSet reads = 0;
  RegSet writes = 0;
};

// REQUIRES: insn, if it is a call, equals exec.insns[index].
Effect EffectOf(const model::ExecProgram& exec, const model::ExecInsn& insn, uint32_t index);

// Bits of InsnShape::marks.
inline constexpr uint8_t kIsTarget = 1;     // some jump goes here
inline constexpr uint8_t kIsAligned = 2;    // a loop head that is worth padding in front
inline constexpr uint8_t kIsDead = 4;       // computes only what nothing reads
inline constexpr uint8_t kIsLoopHead = 8;   // some jump from here or below goes here
inline constexpr uint8_t kIsCallback = 16;  // start of a function whose address is taken

struct InsnShape {
  RegSet live_before = 0;
  RegSet live_after = 0;
  uint8_t marks = 0;

  bool Has(uint8_t mark) const { return (marks & mark) != 0; }
};

struct FunctionShape {
  uint32_t start = 0;
  uint32_t end = 0;
  Frame frame;
};

struct ProgramShape {
  std::vector<InsnShape> insns;          // one more than the program has
  std::vector<FunctionShape> functions;  // as ExecProgram::subprograms; main is the first
  // A helper or a program that is called may end the run: calls of functions
  // are followed by a check.
  bool may_stop = false;
  bool throws = false;  // some function calls bpf_throw

  static ProgramShape Of(const model::ExecProgram& exec, bool metered);
};

}  // namespace skep::jit

#endif  // SKEP_JIT_PROGRAM_SHAPE_H_
