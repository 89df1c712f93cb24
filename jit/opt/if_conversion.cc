// SPDX-License-Identifier: Apache-2.0
// `if c goto over; x = ...; over:` and `if c ... else ...`: both sides are computed
// and a select keeps the right one. A branch that is guessed wrongly costs some
// twenty cycles, a select one, so this is done for what takes few instructions.
//
// Correct because both sides are pure: what the side that is not taken computes
// goes to registers that nothing else has, or that are dead. The side of the branch
// that is taken writes temporaries, the other side its registers in place; then, for
// each register that one of them wrote and that is live, the temporary is chosen if
// c holds. c's operands are not written before that.
#include <algorithm>
#include <array>
#include <bit>

#include "jit/opt/passes.h"

namespace skep::jit::opt {
namespace {

constexpr size_t kMostSteps = 4;  // of a side
constexpr int kMostSelects = 2;

class IfConversion {
 public:
  IfConversion(const model::ExecProgram& exec, Function& function)
      : exec_(exec), function_(function), entries_(CountEntries(function)) {}

  bool Run() {
    bool changed = false;
    for (const uint32_t b : function_.order) changed |= Convert(b);
    if (changed) DropUnreachable(function_);
    return changed;
  }

 private:
  // The steps of a side that are not dead; false if it is not fit.
  bool Side(uint32_t b, std::vector<Step>& steps, RegSet& written) {
    const Block& block = function_.blocks[b];
    if (entries_[b] != 1 || block.end.kind != EndKind::kGoto || block.end.next == kNoBlock) {
      return false;
    }
    if (block.steps.size() > 2 * kMostSteps) return false;
    LiveAfter(exec_, block, live_);
    for (size_t i = 0; i < block.steps.size(); ++i) {
      const Step& step = block.steps[i];
      if (!IsPure(step) || step.is_select) return false;
      const RegSet writes = EffectOf(exec_, step).writes;
      if ((writes & live_[i]) == 0) continue;
      steps.push_back(step);
      written |= writes;
    }
    return steps.size() <= kMostSteps;
  }

  // Gives the registers that `taken` writes, and those in `also`, temporaries.
  bool Rename(std::vector<Step>& taken, RegSet also, uint32_t at) {
    temporaries_.fill(kNoReg);
    int used = 0;
    std::vector<Step> renamed;
    const auto give = [&](Reg reg) {
      if (used == kTemporaryCount) return false;
      temporaries_[reg] = static_cast<Reg>(kFirstTemporary + used++);
      return true;
    };
    const auto name = [&](Reg reg) {
      return reg < temporaries_.size() && temporaries_[reg] != kNoReg ? temporaries_[reg] : reg;
    };
    for (Step step : taken) {
      const OpShape& op = ShapeOf(step);
      if (op.second_is_reg) step.insn.src = name(step.insn.src);
      const Reg dst = step.insn.dst;
      if (temporaries_[dst] == kNoReg) {
        if (!give(dst)) return false;
        if (op.reads_dst) renamed.push_back(MakeMove(temporaries_[dst], dst, step.at));
      }
      step.insn.dst = temporaries_[dst];
      renamed.push_back(step);
    }
    for (Reg reg = 0; reg < kFramePointer; ++reg) {
      if ((also & Bit(reg)) == 0 || temporaries_[reg] != kNoReg) continue;
      if (!give(reg)) return false;
      renamed.push_back(MakeMove(temporaries_[reg], reg, at));
    }
    taken = std::move(renamed);
    return true;
  }

  Step MakeSelect(const End& end, Reg reg) const {
    Step select;
    select.insn = end.insn;
    select.at = end.at;
    select.is_select = true;
    select.to = reg;
    select.from = temporaries_[reg];
    return select;
  }

  bool Convert(uint32_t b) {
    Block& block = function_.blocks[b];
    const End end = block.end;
    if (end.kind != EndKind::kBranch || end.taken == end.next || end.next == kNoBlock) {
      return false;
    }
    // r10 is an expression, which ports compute into temporaries.
    const bool names_r10 =
        end.insn.dst == kFramePointer ||
        (jit::ShapeOf(end.insn.op).second_is_reg != 0 && end.insn.src == kFramePointer);
    if (names_r10) return false;
    std::vector<Step> taken;
    std::vector<Step> other;
    RegSet taken_writes = 0;
    RegSet other_writes = 0;
    uint32_t join = kNoBlock;
    if (Side(end.next, other, other_writes) && function_.blocks[end.next].end.next == end.taken) {
      join = end.taken;
    } else {
      other.clear();
      other_writes = 0;
      if (!Side(end.taken, taken, taken_writes)) return false;
      join = function_.blocks[end.taken].end.next;
      if (join != end.next &&
          !(Side(end.next, other, other_writes) && function_.blocks[end.next].end.next == join)) {
        return false;
      }
    }
    if (join == b || join == kNoBlock) return false;
    const RegSet live = function_.blocks[join].live_in;
    const auto chosen = static_cast<RegSet>((taken_writes | other_writes) & live);
    if (chosen == 0 || std::popcount(unsigned{chosen}) > kMostSelects) return false;
    const RegSet asked = ReadsOf(end);
    if ((other_writes & asked) != 0 || std::popcount<unsigned>(chosen & asked) > 1) return false;
    for (const Step& step : block.steps) {
      if (step.is_select) return false;  // holds temporaries no longer than one conversion
    }
    if (!Rename(taken, static_cast<RegSet>(other_writes & live), end.at)) return false;
    block.steps.insert(block.steps.end(), taken.begin(), taken.end());
    block.steps.insert(block.steps.end(), other.begin(), other.end());
    // Each select asks again: what c compares is chosen last.
    for (const RegSet set :
         {static_cast<RegSet>(chosen & ~asked), static_cast<RegSet>(chosen & asked)}) {
      for (Reg reg = 0; reg < kFramePointer; ++reg) {
        if ((set & Bit(reg)) != 0) block.steps.push_back(MakeSelect(end, reg));
      }
    }
    block.end = End{};
    block.end.at = end.at;
    block.end.next = join;
    return true;
  }

  const model::ExecProgram& exec_;
  Function& function_;
  const std::vector<uint32_t> entries_;
  std::vector<RegSet> live_;
  std::array<Reg, kFramePointer> temporaries_{};
};

}  // namespace

bool ConvertBranches(const model::ExecProgram& exec, Function& function) {
  return IfConversion(exec, function).Run();
}

}  // namespace skep::jit::opt
