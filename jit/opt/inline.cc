// SPDX-License-Identifier: Apache-2.0
// Calls of small functions of the program become their steps.
//
// Correct because such a function is one block of plain steps, calls nothing, names
// no stack and throws nothing, so that a call is nothing but its steps: r0 .. r5 are
// the caller's to lose, and what it writes of r6 .. r9, which the caller keeps, are
// given other registers that the caller does not use.
#include <algorithm>
#include <array>
#include <optional>

#include "jit/opt/passes.h"

namespace skep::jit::opt {
namespace {

constexpr size_t kMostSteps = 24;   // of what is inlined
constexpr size_t kMostAdded = 256;  // to one function
constexpr int kDeepest = 3;
constexpr Reg kFirstKept = 6;
constexpr Reg kLastKept = 9;

class Inliner {
 public:
  Inliner(const model::ExecProgram& exec, std::vector<Function>& functions)
      : exec_(exec), functions_(functions) {}

  void Run() {
    // Each time, what became small can go into its callers.
    for (int depth = 0; depth < kDeepest; ++depth) {
      bool changed = false;
      for (Function& function : functions_) changed |= InlineInto(function);
      if (!changed) return;
    }
  }

 private:
  static bool IsCall(const Step& step) {
    return !step.is_select && ShapeOf(step).kind == OpKind::kCallLocal;
  }

  const Function* FunctionAt(uint32_t start) const {
    const auto at = std::lower_bound(
        functions_.begin(), functions_.end(), start,
        [](const Function& function, uint32_t insn) { return function.start < insn; });
    return at != functions_.end() && at->start == start ? &*at : nullptr;
  }

  static bool Names(const Step& step, Reg reg) {
    const OpShape& op = ShapeOf(step);
    return step.insn.dst == reg ||
           ((op.reads_src != 0 || op.second_is_reg != 0) && step.insn.src == reg);
  }

  // The steps of a function that can stand for a call of it.
  const std::vector<Step>* Small(const Function& function) const {
    if (function.order.size() != 1) return nullptr;
    const Block& block = function.blocks[function.order.front()];
    if (block.end.kind != EndKind::kExit || block.steps.size() > kMostSteps) return nullptr;
    for (const Step& step : block.steps) {
      if (!IsPlain(step) || step.is_select || Names(step, kFramePointer)) return nullptr;
      if (step.insn.dst >= kFirstTemporary) return nullptr;
    }
    return &block.steps;
  }

  RegSet UsedBy(const Function& function) const {
    RegSet used = 0;
    for (const uint32_t b : function.order) {
      for (const Step& step : function.blocks[b].steps) {
        const Effect effect = EffectOf(exec_, step);
        used |= effect.reads;
        if (IsPlain(step)) used |= effect.writes;
      }
    }
    return used;
  }

  // Other registers for what the function writes of r6 .. r9.
  std::optional<std::array<Reg, kLastKept + 1>> Rename(const std::vector<Step>& steps,
                                                       RegSet used) const {
    std::array<Reg, kLastKept + 1> names;
    for (Reg reg = 0; reg <= kLastKept; ++reg) names[reg] = reg;
    std::vector<Reg> free;
    for (Reg reg = kFirstTemporary; reg < kFirstTemporary + kTemporaryCount; ++reg) {
      if ((used & Bit(reg)) == 0) free.push_back(reg);
    }
    RegSet kept = 0;
    for (const Step& step : steps) {
      kept |= static_cast<RegSet>(EffectOf(exec_, step).writes & 0x3c0);
    }
    for (Reg reg = kFirstKept; reg <= kLastKept; ++reg) {
      if ((kept & Bit(reg)) == 0) continue;
      if (free.empty()) return std::nullopt;
      names[reg] = free.front();
      free.erase(free.begin());
    }
    return names;
  }

  bool InlineInto(Function& function) {
    const RegSet used = UsedBy(function);
    bool changed = false;
    size_t added = 0;
    for (const uint32_t b : function.order) {
      Block& block = function.blocks[b];
      if (std::none_of(block.steps.begin(), block.steps.end(), IsCall)) continue;
      std::vector<Step> steps;
      for (const Step& step : block.steps) {
        const Function* callee = IsCall(step) ? FunctionAt(step.insn.target) : nullptr;
        const std::vector<Step>* inner =
            callee == nullptr || callee == &function ? nullptr : Small(*callee);
        const auto names = inner == nullptr ? std::nullopt : Rename(*inner, used);
        if (!names || added + inner->size() > kMostAdded) {
          steps.push_back(step);
          continue;
        }
        for (Step copy : *inner) {
          if (copy.insn.dst <= kLastKept) copy.insn.dst = (*names)[copy.insn.dst];
          if (copy.insn.src <= kLastKept) copy.insn.src = (*names)[copy.insn.src];
          steps.push_back(copy);
        }
        added += inner->size();
        changed = true;
      }
      block.steps = std::move(steps);
    }
    return changed;
  }

  const model::ExecProgram& exec_;
  std::vector<Function>& functions_;
};

}  // namespace

void InlineFunctions(const model::ExecProgram& exec, std::vector<Function>& functions) {
  if (functions.size() > 1) Inliner(exec, functions).Run();
}

}  // namespace skep::jit::opt
