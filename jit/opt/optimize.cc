// SPDX-License-Identifier: Apache-2.0
#include "jit/opt/optimize.h"

#include <utility>

namespace skep::jit::opt {
namespace {

constexpr RegSet kCalleeSaved = 0x3c0;

OptimizedFunction OptimizeFunction(const model::ExecProgram& exec, ProgramShape& shape, size_t f,
                                   bool metered) {
  (void)metered;
  OptimizedFunction result;
  result.function = Build(exec, shape, f);
  DropUnreachable(result.function);
  FindLiveness(exec, result.function);
  RegSet written = 0;
  result.selected.resize(result.function.blocks.size());
  for (const uint32_t b : result.function.order) {
    const Block& block = result.function.blocks[b];
    result.selected[b] = Select(exec, block);
    for (const Operation& operation : result.selected[b].operations) {
      written |= EffectOf(exec, block, operation).writes;
    }
  }
  shape.functions[f].frame.saved = written & kCalleeSaved;
  return result;
}

}  // namespace

std::vector<OptimizedFunction> Optimize(const model::ExecProgram& exec, ProgramShape& shape,
                                        bool metered) {
  std::vector<OptimizedFunction> functions;
  functions.reserve(shape.functions.size());
  for (size_t f = 0; f < shape.functions.size(); ++f) {
    functions.push_back(OptimizeFunction(exec, shape, f, metered));
  }
  return functions;
}

}  // namespace skep::jit::opt
