// SPDX-License-Identifier: Apache-2.0
#include "jit/opt/form.h"

#include <algorithm>

#include "model/may_goto.h"

namespace skep::jit::opt {
namespace {

bool EndsBlock(const ExecInsn& insn) {
  const OpShape& op = jit::ShapeOf(insn.op);
  if (op.op_class == OpClass::kMayGoto) return insn.imm != model::kMayGotoStarts;
  return op.branches || op.op_class == OpClass::kExit;
}

RegSet BitOf(Reg reg) { return reg == kFramePointer ? RegSet{0} : Bit(reg); }

}  // namespace

Function Build(const model::ExecProgram& exec, const ProgramShape& shape, size_t f) {
  const FunctionShape& bounds = shape.functions[f];
  Function function;
  function.start = bounds.start;
  // Which block starts at each instruction.
  std::vector<uint32_t> block_at(bounds.end - bounds.start, kNoBlock);
  bool starts = true;
  for (uint32_t i = bounds.start; i < bounds.end; ++i) {
    if (starts || shape.insns[i].Has(kIsTarget)) {
      block_at[i - bounds.start] = static_cast<uint32_t>(function.blocks.size());
      Block block;
      block.at = i;
      block.is_aligned = shape.insns[i].Has(kIsAligned);
      function.blocks.push_back(std::move(block));
    }
    starts = EndsBlock(exec.insns[i]);
  }
  const auto number = [&](uint32_t insn) {
    return insn < bounds.end ? block_at[insn - bounds.start] : kNoBlock;
  };
  for (size_t b = 0; b < function.blocks.size(); ++b) {
    Block& block = function.blocks[b];
    const uint32_t end = b + 1 < function.blocks.size() ? function.blocks[b + 1].at : bounds.end;
    function.order.push_back(static_cast<uint32_t>(b));
    block.end.at = end - 1;
    block.end.next = number(end);
    const ExecInsn& last = exec.insns[end - 1];
    const OpShape& op = jit::ShapeOf(last.op);
    uint32_t steps = end - block.at;
    if (EndsBlock(last)) {
      --steps;
      block.end.insn = last;
      if (op.op_class == OpClass::kExit) {
        block.end.kind = EndKind::kExit;
      } else if (op.op_class == OpClass::kJump) {
        block.end.next = number(last.target);
      } else {
        block.end.kind = op.op_class == OpClass::kMayGoto ? EndKind::kMayGoto : EndKind::kBranch;
        block.end.taken = number(last.target);
      }
    }
    block.steps.reserve(steps);
    for (uint32_t i = block.at; i < block.at + steps; ++i) {
      Step step;
      step.insn = exec.insns[i];
      step.at = i;
      block.steps.push_back(step);
    }
  }
  return function;
}

Effect EffectOf(const model::ExecProgram& exec, const Step& step) {
  if (step.is_select) {
    const OpShape& op = ShapeOf(step);
    RegSet reads = BitOf(step.insn.dst) | Bit(step.to) | BitOf(step.from);
    if (op.second_is_reg) reads |= BitOf(step.insn.src);
    return {reads, Bit(step.to)};
  }
  Effect effect = jit::EffectOf(exec, step.insn, step.at);
  effect.reads &= static_cast<RegSet>(~Bit(kFramePointer));
  if (!IsPlain(step)) effect.writes |= kTemporaries;
  return effect;
}

RegSet ReadsOf(const End& end) {
  switch (end.kind) {
    case EndKind::kBranch: {
      RegSet reads = BitOf(end.insn.dst);
      if (jit::ShapeOf(end.insn.op).second_is_reg) reads |= BitOf(end.insn.src);
      return reads;
    }
    case EndKind::kSwitch:
      return Bit(end.insn.dst);
    case EndKind::kExit:
      return Bit(0);
    default:
      return 0;
  }
}

void FindLiveness(const model::ExecProgram& exec, Function& function) {
  struct Sets {
    RegSet use = 0;   // read before written
    RegSet kill = 0;  // written
  };
  std::vector<Sets> sets(function.blocks.size());
  for (const uint32_t b : function.order) {
    Block& block = function.blocks[b];
    Sets& set = sets[b];
    for (const Step& step : block.steps) {
      const Effect effect = EffectOf(exec, step);
      set.use |= static_cast<RegSet>(effect.reads & ~set.kill);
      set.kill |= effect.writes;
    }
    set.use |= static_cast<RegSet>(ReadsOf(block.end) & ~set.kill);
    block.live_in = set.use;
    block.live_out = 0;
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = function.order.size(); i-- > 0;) {
      Block& block = function.blocks[function.order[i]];
      RegSet out = 0;
      ForSuccessors(function, block.end,
                    [&](uint32_t next) { out |= function.blocks[next].live_in; });
      const Sets& set = sets[function.order[i]];
      const auto in = static_cast<RegSet>(set.use | (out & ~set.kill));
      block.live_out = out;
      if (in == block.live_in) continue;
      block.live_in = in;
      changed = true;
    }
  }
}

void LiveAfter(const model::ExecProgram& exec, const Block& block, std::vector<RegSet>& live) {
  live.resize(block.steps.size());
  RegSet after = block.live_out | ReadsOf(block.end);
  for (size_t i = block.steps.size(); i-- > 0;) {
    live[i] = after;
    const Effect effect = EffectOf(exec, block.steps[i]);
    if (IsPure(block.steps[i]) && (effect.writes & after) == 0) continue;
    after = static_cast<RegSet>((after & ~effect.writes) | effect.reads);
  }
}

std::vector<uint32_t> CountEntries(const Function& function) {
  std::vector<uint32_t> entries(function.blocks.size());
  entries[function.order.front()] = 1;
  for (const uint32_t b : function.order) {
    ForSuccessors(function, function.blocks[b].end, [&](uint32_t next) { ++entries[next]; });
  }
  return entries;
}

uint32_t AddBlock(Function& function, Block block) {
  function.blocks.push_back(std::move(block));
  return static_cast<uint32_t>(function.blocks.size() - 1);
}

void Place(Function& function, const std::vector<Placement>& placements) {
  if (placements.empty()) return;
  std::vector<std::vector<uint32_t>> behind(function.blocks.size());
  for (const Placement& placement : placements) behind[placement.behind].push_back(placement.block);
  std::vector<uint32_t> order;
  order.reserve(function.order.size() + placements.size());
  // What was put behind a block may have blocks behind it as well.
  std::vector<uint32_t> work(function.order.rbegin(), function.order.rend());
  while (!work.empty()) {
    const uint32_t b = work.back();
    work.pop_back();
    order.push_back(b);
    work.insert(work.end(), behind[b].rbegin(), behind[b].rend());
  }
  function.order = std::move(order);
}

void DropUnreachable(Function& function) {
  std::vector<bool> reached(function.blocks.size());
  std::vector<uint32_t> work{function.order.front()};
  reached[work.front()] = true;
  while (!work.empty()) {
    const uint32_t b = work.back();
    work.pop_back();
    ForSuccessors(function, function.blocks[b].end, [&](uint32_t next) {
      if (!reached[next]) work.push_back(next);
      reached[next] = true;
    });
  }
  std::erase_if(function.order, [&](uint32_t b) { return !reached[b]; });
}

bool IsPlain(const Step& step) {
  if (step.is_select) return true;
  const OpShape& op = ShapeOf(step);
  if (step.insn.in_arena != 0) return false;
  switch (op.op_class) {
    case OpClass::kAlu:
      switch (op.kind) {
        case OpKind::kDiv:
        case OpKind::kMod:
        case OpKind::kSDiv:
        case OpKind::kSMod:
          return false;
        case OpKind::kLsh:
        case OpKind::kRsh:
        case OpKind::kArsh:
          return !op.second_is_reg;
        default:
          return !op.second_is_reg || step.insn.src != kFramePointer || op.kind == OpKind::kMov;
      }
    case OpClass::kLoad:
      return true;
    case OpClass::kStore:
      return !op.second_is_reg || step.insn.src != kFramePointer;
    case OpClass::kWideLoad:
      return op.kind == OpKind::kLoadImm;
    default:
      return false;
  }
}

bool IsPure(const Step& step) {
  if (step.is_select) return true;
  const OpShape& op = ShapeOf(step);
  return op.pure && IsPlain(step);
}

Step MakeMove(Reg dst, Reg src, uint32_t at) {
  Step step;
  step.insn.op = Op::kMov64Reg;
  step.insn.dst = dst;
  step.insn.src = src;
  step.at = at;
  return step;
}

Step MakeConstant(Reg dst, int32_t value, uint32_t at) {
  Step step;
  step.insn.op = Op::kMov64Imm;
  step.insn.dst = dst;
  step.insn.imm = value;
  step.at = at;
  return step;
}

}  // namespace skep::jit::opt
