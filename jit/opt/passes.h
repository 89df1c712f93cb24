// SPDX-License-Identifier: Apache-2.0
// Passes over the control-flow graph of one function. Each keeps what the function
// computes, in registers that are live and in memory, and the order of its loads,
// stores and calls; each knows when it pays and leaves alone what it does not know.
// Each says in its file why it is correct.
//
// REQUIRES, for all: liveness is known. Afterwards it is not, where they return true.

#ifndef SKEP_JIT_OPT_PASSES_H_
#define SKEP_JIT_OPT_PASSES_H_

#include "jit/opt/form.h"

namespace skep::jit::opt {

// Jumps to jumps go where those go; blocks with one way in and one way out to each
// other become one. (jit/opt/straighten.cc)
bool Straighten(Function& function);

// Behind a branch, the same question again is not asked again.
// (jit/opt/repeated_tests.cc)
bool DropRepeatedTests(const model::ExecProgram& exec, Function& function);

// In loops of one block, sums beside the chain from round to round.
// (jit/opt/reassociate.cc)
bool Reassociate(const model::ExecProgram& exec, Function& function);

// Short branches around arithmetic become selects. (jit/opt/if_conversion.cc)
bool ConvertBranches(const model::ExecProgram& exec, Function& function);

// Trees of comparisons of one register with constants become jumps through a
// table. (jit/opt/jump_table.cc)
bool MakeJumpTables(const model::ExecProgram& exec, Function& function);

// Copies what leads to such a jump into the blocks that go there.
// (jit/opt/dispatch.cc)
bool CopyDispatch(Function& function);

// Loops of one block that go round a known number of times are unrolled, with
// sums in several registers. `usable`: registers beyond r0 .. r5 and the temporaries
// that the function may change. (jit/opt/unroll.cc)
bool UnrollLoops(const model::ExecProgram& exec, Function& function, RegSet usable);

// Calls of small functions become their steps. Needs no liveness.
// (jit/opt/inline.cc)
void InlineFunctions(const model::ExecProgram& exec, std::vector<Function>& functions);

}  // namespace skep::jit::opt

#endif  // SKEP_JIT_OPT_PASSES_H_
