// SPDX-License-Identifier: Apache-2.0
// Optimize: everything that the optimising compiler does before it emits code.

#ifndef SKEP_JIT_OPT_OPTIMIZE_H_
#define SKEP_JIT_OPT_OPTIMIZE_H_

#include <vector>

#include "jit/opt/form.h"
#include "jit/opt/select.h"

namespace skep::jit::opt {

struct OptimizedFunction {
  Function function;
  std::vector<Selected> selected;  // by block
};

// As shape.functions, whose frames it adjusts to what is left.
std::vector<OptimizedFunction> Optimize(const model::ExecProgram& exec, ProgramShape& shape,
                                        bool metered);

}  // namespace skep::jit::opt

#endif  // SKEP_JIT_OPT_OPTIMIZE_H_
