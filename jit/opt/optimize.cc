// SPDX-License-Identifier: Apache-2.0
#include "jit/opt/optimize.h"

#include <utility>

#include "jit/opt/passes.h"

namespace skep::jit::opt {
namespace {

constexpr RegSet kCalleeSaved = 0x3c0;

// From what simplifies to what makes code longer.
void RunPasses(const model::ExecProgram& exec, Function& function, RegSet saved) {
  const auto again = [&](bool changed) {
    if (!changed) return;
    Straighten(function);
    FindLiveness(exec, function);
  };
  again(true);
  again(DropRepeatedTests(exec, function));
  again(ConvertBranches(exec, function));
  again(MakeJumpTables(exec, function));
  again(CopyDispatch(function));
  again(UnrollLoops(exec, function, saved));
}

OptimizedFunction OptimizeFunction(const model::ExecProgram& exec, ProgramShape& shape, size_t f) {
  OptimizedFunction result;
  result.function = Build(exec, shape, f);
  DropUnreachable(result.function);
  RunPasses(exec, result.function, shape.functions[f].frame.saved);
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

std::vector<OptimizedFunction> Optimize(const model::ExecProgram& exec, ProgramShape& shape) {
  std::vector<OptimizedFunction> functions;
  functions.reserve(shape.functions.size());
  for (size_t f = 0; f < shape.functions.size(); ++f) {
    functions.push_back(OptimizeFunction(exec, shape, f));
  }
  return functions;
}

}  // namespace skep::jit::opt
