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
  again(MakeJumpTables(exec, function));
  again(CopyDispatch(function));
  again(ConvertBranches(exec, function));
  again(Reassociate(exec, function));
  again(UnrollLoops(exec, function, saved));
}

// Whether something in the function is done by calls.
bool Calls(const Function& function) {
  for (const uint32_t b : function.order) {
    const Block& block = function.blocks[b];
    if (block.end.kind == EndKind::kMayGoto) return true;
    for (const Step& step : block.steps) {
      const OpClass op_class = ShapeOf(step).op_class;
      if (op_class == OpClass::kCall || op_class == OpClass::kPacketLoad) return true;
    }
  }
  return false;
}

OptimizedFunction OptimizeFunction(const model::ExecProgram& exec, ProgramShape& shape, size_t f,
                                   Function function) {
  OptimizedFunction result;
  result.function = std::move(function);
  Frame& frame = shape.functions[f].frame;
  // Metered code calls where it counts, and what is thrown is caught by a call.
  if (!result.function.metered && !frame.catches) frame.calls = Calls(result.function);
  RunPasses(exec, result.function, frame.saved);
  RegSet written = 0;
  result.selected.resize(result.function.blocks.size());
  for (const uint32_t b : result.function.order) {
    const Block& block = result.function.blocks[b];
    result.selected[b] = Select(exec, block);
    for (const Operation& operation : result.selected[b].operations) {
      written |= EffectOf(exec, block, operation).writes;
    }
  }
  frame.saved = written & kCalleeSaved;
  return result;
}

}  // namespace

std::vector<OptimizedFunction> Optimize(const model::ExecProgram& exec, ProgramShape& shape,
                                        bool metered) {
  std::vector<Function> built;
  for (size_t f = 0; f < shape.functions.size(); ++f) {
    built.push_back(Build(exec, shape, f));
    built.back().metered = metered;
    DropUnreachable(built.back());
  }
  InlineFunctions(exec, built);
  std::vector<OptimizedFunction> functions;
  functions.reserve(built.size());
  for (size_t f = 0; f < built.size(); ++f) {
    functions.push_back(OptimizeFunction(exec, shape, f, std::move(built[f])));
  }
  return functions;
}

}  // namespace skep::jit::opt
