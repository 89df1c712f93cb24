// SPDX-License-Identifier: Apache-2.0
// Liveness runs backwards once, with every register live at a jump back, and a
// second time with what the first run found at the loop heads. Each run starts
// from a set that holds all live registers and can only drop dead ones, so the
// result is never too small, and it is exact for loops that are not nested.
#include "jit/program_shape.h"

#include <algorithm>
#include <string>

#include "skep/helper_control.h"

#include "base/check.h"
#include "jit/op_shape.h"
#include "model/helper_entry.h"

namespace skep::jit {
namespace {

using model::ExecInsn;
using model::ExecProgram;
using model::Kfunc;

constexpr RegSet kArgs = 0x3e;  // r1 .. r5
// Padding is for programs that people write: nothing but loops would otherwise
// become mostly padding.
constexpr uint32_t kMostAligned = 256;
constexpr RegSet kCalleeSaved = 0x3c0;
constexpr RegSet kClobbered = kArgs | 1;

Effect EffectOfCall(const ExecProgram& exec, uint32_t index) {
  switch (ClassifyCall(exec, index)) {
    case CallKind::kFunction:
      return {kArgs, kClobbered};
    case CallKind::kTail:
      return {static_cast<RegSet>(Bit(1) | Bit(2) | Bit(3)), kClobbered};
    case CallKind::kLookup:
      return {Bit(2), kClobbered};
    case CallKind::kCpu:
    case CallKind::kNothing:
      return {0, kClobbered};
    case CallKind::kLoop:
      return {static_cast<RegSet>(Bit(1) | Bit(3)), kClobbered};
    case CallKind::kIterNext:
    case CallKind::kIterDestroy:
      return {Bit(1), kClobbered};
    case CallKind::kHelper: {
      // A host's helper may look at more than its prototype says.
      const HelperSpec* spec = exec.HelperAt(exec.insns[index]).spec;
      if (spec == nullptr || IsHostFunction(*spec) || (spec->flags & kHelperVariadic) != 0) {
        return {kArgs, kClobbered};
      }
      RegSet reads = 0;
      for (size_t i = 0; i < spec->args.size(); ++i) {
        if (spec->args[i].kind != ArgKind::kNone) reads |= Bit(static_cast<Reg>(i + 1));
      }
      return {reads, kClobbered};
    }
  }
  SKEP_UNREACHABLE();
}

// Without branches for all but calls. The sets may hold r10.
Effect EffectOf(const ExecProgram& exec, const ExecInsn& insn, uint32_t index, const OpShape& op) {
  if (op.op_class == OpClass::kCall) return EffectOfCall(exec, index);
  if (op.op_class == OpClass::kPacketLoad) {
    return {static_cast<RegSet>((op.reads_src << insn.src) | Bit(6)), kClobbered};
  }
  return {
      static_cast<RegSet>((op.reads_dst << insn.dst) | (op.reads_src << insn.src) | op.reads_r0),
      static_cast<RegSet>((op.writes_dst << insn.dst) | (op.writes_src << insn.src) |
                          op.writes_r0)};
}

class Analysis {
 public:
  Analysis(const ExecProgram& exec, bool metered) : exec_(exec), metered_(metered) {
    shape_.insns.resize(exec.insns.size() + 1);
  }

  ProgramShape Run() {
    bool needs_context = false;
    for (const model::ExecSubprogram& sub : exec_.subprograms) {
      FunctionShape function;
      function.start = sub.start;
      function.end = sub.end;
      loops_.clear();
      needs_context |= Survey(sub, function);
      ChooseAlignment(function);
      SweepLiveness(function, true);
      if (!loops_.empty()) SweepLiveness(function, false);
      shape_.functions.push_back(function);
    }
    Frame& main = shape_.functions.front().frame;
    main.is_main = true;
    main.catches = shape_.throws;
    main.calls |= shape_.throws;
    main.keeps_context = needs_context;
    for (FunctionShape& function : shape_.functions) {
      function.frame.counts_fuel = counts_fuel_;
      function.frame.shares_fuel = counts_fuel_ && tail_calls_;
    }
    return std::move(shape_);
  }

 private:
  // Marks targets and finds what the frame needs. Returns true if the function
  // uses the execution context.
  bool Survey(const model::ExecSubprogram& sub, FunctionShape& function) {
    Frame& frame = function.frame;
    bool needs_context = false;
    RegSet reads = 0;
    RegSet writes = 0;
    for (uint32_t i = sub.start; i < sub.end; ++i) {
      const ExecInsn& insn = exec_.insns[i];
      const OpShape& op = ShapeOf(insn.op);
      reads |= static_cast<RegSet>((op.reads_dst << insn.dst) | (op.reads_src << insn.src));
      writes |= static_cast<RegSet>((op.writes_dst << insn.dst) | (op.writes_src << insn.src));
      if (op.op_class == OpClass::kMayGoto) {
        // Its count lies in the frame; looking at the clock is a call.
        frame.calls = true;
        reads |= Bit(kFramePointer);
      }
      if (op.branches) {
        SKEP_CHECK(insn.target >= sub.start && insn.target < sub.end);
        if (MarkJump(i, insn.target) && metered_) {
          needs_context = frame.calls = counts_fuel_ = true;
        }
      } else if (op.special) {
        if (op.kind == OpKind::kLoadFunc) {
          SKEP_CHECK(insn.target < exec_.insns.size());
          shape_.insns[insn.target].marks |= kIsCallback;
        } else if (op.op_class == OpClass::kPacketLoad) {
          frame.calls = true;
        } else {
          needs_context |= SurveyCall(i, frame);
        }
      }
    }
    SKEP_CHECK((writes & Bit(kFramePointer)) == 0);
    frame.saved = writes & kCalleeSaved;
    if ((reads & Bit(kFramePointer)) != 0) frame.stack_bytes = std::max(sub.stack_depth, 8u);
    return needs_context;
  }

  // Returns true if the jump goes back.
  bool MarkJump(uint32_t from, uint32_t to) {
    shape_.insns[to].marks |= kIsTarget;
    if (to > from) return false;
    shape_.insns[to].marks |= kIsLoopHead;
    // `if c goto head`, or `if c goto over; goto head; over:`.
    const bool conditional = ShapeOf(exec_.insns[from].op).op_class == OpClass::kBranch ||
                             (from > to && exec_.insns[from - 1].target == from + 1 &&
                              ShapeOf(exec_.insns[from - 1].op).op_class == OpClass::kBranch);
    loops_.push_back({to, from, conditional ? 1u : 2u});
    return true;
  }

  bool SurveyCall(uint32_t index, Frame& frame) {
    switch (ClassifyCall(exec_, index)) {
      case CallKind::kFunction:
        frame.calls = true;
        counts_fuel_ |= metered_;
        return metered_;
      case CallKind::kHelper: {
        const HelperSpec* spec = exec_.HelperAt(exec_.insns[index]).spec;
        shape_.may_stop |= MayStop(spec);
        shape_.throws |= spec != nullptr && spec->id == model::KfuncHelperId(Kfunc::bpf_throw);
        frame.calls = true;
        return true;
      }
      case CallKind::kTail:
        shape_.may_stop = tail_calls_ = true;
        frame.calls = true;  // the map may be known at run time only
        return true;
      case CallKind::kLookup: {
        const uint32_t map = exec_.facts[index].map;
        return exec_.maps[map]->direct_view().cpu_stride != 0;
      }
      case CallKind::kCpu:
        return true;
      case CallKind::kLoop:
        frame.calls = true;
        counts_fuel_ |= metered_;
        return true;
      case CallKind::kIterNext:
      case CallKind::kIterDestroy:
      case CallKind::kNothing:
        return false;
    }
    SKEP_UNREACHABLE();
  }

  // One entry for each head, in order.
  void MergeLoops() {
    std::sort(loops_.begin(), loops_.end(),
              [](const Loop& a, const Loop& b) { return a.head < b.head; });
    size_t kept = 0;
    for (const Loop& loop : loops_) {
      if (kept > 0 && loops_[kept - 1].head == loop.head) {
        loops_[kept - 1].last = std::max(loops_[kept - 1].last, loop.last);
        loops_[kept - 1].latches += loop.latches;
      } else {
        loops_[kept++] = loop;
      }
    }
    loops_.resize(kept);
  }

  // Padding in front of a loop head is worth it unless control runs through it
  // time and again: when the loop lies in another one and is entered from
  // above. A tight inner loop is worth it even then.
  void ChooseAlignment(const FunctionShape& function) {
    MergeLoops();
    uint32_t enclosing_end = 0;
    for (size_t i = 0; i < loops_.size(); ++i) {
      const Loop& loop = loops_[i];
      const bool from_above =
          loop.head > function.start && !Info(exec_.insns[loop.head - 1].op).Has(kEndsPath);
      const bool enclosed = enclosing_end > loop.head;
      const bool innermost = i + 1 == loops_.size() || loops_[i + 1].head > loop.last;
      if (aligned_ < kMostAligned &&
          (!enclosed || !from_above || (innermost && loop.latches == 1))) {
        shape_.insns[loop.head].marks |= kIsAligned;
        ++aligned_;
      }
      enclosing_end = std::max(enclosing_end, loop.last);
    }
  }

  void SweepLiveness(const FunctionShape& function, bool first) {
    RegSet next = kAllRegs;
    for (uint32_t i = function.end; i-- > function.start;) {
      InsnShape& shape = shape_.insns[i];
      const OpShape& op = ShapeOf(exec_.insns[i].op);
      RegSet after = op.falls_through ? next : RegSet{0};
      if (op.branches) {
        const uint32_t target = exec_.insns[i].target;
        after |= first && target <= i ? kAllRegs : shape_.insns[target].live_before;
      }
      const Effect effect = EffectOf(exec_, exec_.insns[i], i, op);
      const bool dead = op.pure && (effect.writes & after) == 0;
      const auto before = static_cast<RegSet>(((after & ~effect.writes) | effect.reads) & kAllRegs);
      next = dead ? after : before;
      shape.marks = static_cast<uint8_t>((shape.marks & ~kIsDead) | (dead ? kIsDead : 0));
      shape.live_after = after;
      shape.live_before = next;
    }
  }

  struct Loop {
    uint32_t head;
    uint32_t last;     // highest jump back
    uint32_t latches;  // 1: one jump back, a conditional one
  };

  const ExecProgram& exec_;
  const bool metered_;
  ProgramShape shape_;
  std::vector<Loop> loops_;  // of the function in hand
  uint32_t aligned_ = 0;
  bool counts_fuel_ = false;
  bool tail_calls_ = false;
};

}  // namespace

Effect EffectOf(const ExecProgram& exec, const ExecInsn& insn, uint32_t index) {
  return EffectOf(exec, insn, index, ShapeOf(insn.op));
}

bool MayStop(const HelperSpec* spec) { return spec == nullptr || model::MayCallBack(*spec); }

namespace {

CallKind ClassifyKfunc(model::Kfunc id) {
  using model::Kfunc;
  switch (id) {
    case Kfunc::bpf_iter_num_next:
      return CallKind::kIterNext;
    case Kfunc::bpf_iter_num_destroy:
      return CallKind::kIterDestroy;
    case Kfunc::bpf_rcu_read_lock:
    case Kfunc::bpf_rcu_read_unlock:
    case Kfunc::bpf_preempt_disable:
    case Kfunc::bpf_preempt_enable:
    case Kfunc::bpf_local_irq_restore:
      return CallKind::kNothing;
    default:
      return CallKind::kHelper;
  }
}

}  // namespace

CallKind ClassifyCall(const ExecProgram& exec, uint32_t index) {
  const ExecInsn& insn = exec.insns[index];
  if (Info(insn.op).kind == OpKind::kCallLocal) return CallKind::kFunction;
  const HelperSpec* spec = exec.HelperAt(insn).spec;
  if (spec == nullptr || IsHostFunction(*spec)) return CallKind::kHelper;
  if (spec->id >= model::kFirstKfuncHelperId && spec->id < kFirstHostHelperId) {
    return ClassifyKfunc(static_cast<model::Kfunc>(spec->id - model::kFirstKfuncHelperId));
  }
  switch (spec->id) {
    case model::kHelperLoop:
      return insn.target != 0 ? CallKind::kLoop : CallKind::kHelper;
    case model::kHelperTailCall:
      return CallKind::kTail;
    case model::kHelperGetSmpProcessorId:
      return CallKind::kCpu;
    case model::kHelperMapLookup: {
      if (exec.facts.empty()) return CallKind::kHelper;
      const uint32_t map = exec.facts[index].map;
      if (map == model::kNoMap) return CallKind::kHelper;
      const MapType type = exec.maps[map]->type();
      if (type != MapType::kArray && type != MapType::kPercpuArray) return CallKind::kHelper;
      const DirectView view = exec.maps[map]->direct_view();
      const bool fits = view.stride <= INT32_MAX && view.cpu_stride <= INT32_MAX;
      return view.base != nullptr && fits ? CallKind::kLookup : CallKind::kHelper;
    }
    default:
      return CallKind::kHelper;
  }
}

Result<void> CheckOperations(const ExecProgram& exec) {
  for (size_t i = 0; i < exec.insns.size(); ++i) {
    if (!ShapeOf(exec.insns[i].op).unknown) continue;
    const auto slot = exec.origin.empty() ? static_cast<uint32_t>(i) : exec.origin[i];
    return Error{ErrorCode::kUnsupported, exec.name + ": instruction " + std::to_string(slot) +
                                              ": the compiler does not know " +
                                              std::string(Info(exec.insns[i].op).name)};
  }
  return {};
}

ProgramShape ProgramShape::Of(const ExecProgram& exec, bool metered) {
  return Analysis(exec, metered).Run();
}

}  // namespace skep::jit
