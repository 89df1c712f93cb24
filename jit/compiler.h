// SPDX-License-Identifier: Apache-2.0
// Compiler: the machine-independent half of the baseline compiler. One walk
// over the instructions; each becomes one operation of the port `Masm`, after a
// look at what the next few would do with it (jit/fusion.h).
//
// Code is laid out function by function: entry, instructions, then what is
// rarely executed. Callback entries follow the functions.
//
// Stopped runs unwind by returning: whoever stops a run marks the context and
// returns 0, and after each call that may have done so the caller looks at the
// mark and returns 0 as well. Frames are left one by one, so that callbacks
// return through the helper that called them, and a program that replaced a
// subprogram's frame by a tail call returns to that subprogram's caller.

#ifndef SKEP_JIT_COMPILER_H_
#define SKEP_JIT_COMPILER_H_

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "jit/fusion.h"
#include "jit/listing.h"
#include "jit/masm.h"
#include "jit/op_shape.h"
#include "jit/program_shape.h"
#include "model/execution_layout.h"
#include "model/may_goto.h"

namespace skep::jit {

template <MacroAssembler Masm>
class Compiler {
 public:
  // `listing` may be null.
  Compiler(const model::ExecProgram& exec, bool metered, Masm& masm, Listing* listing)
      : exec_(exec), metered_(metered), masm_(masm), listing_(listing) {}

  // Emits the whole program. Fails with kUnsupported if it has an operation
  // that is not known here.
  Result<void> Run() {
    SKEP_TRY_VOID(CheckOperations(exec_));
    shape_ = ProgramShape::Of(exec_, metered_);
    PlaceInsns();
    MakeFunctionLabels();
    masm_.Reserve(bounds_.back());
    for (size_t f = 0; f < shape_.functions.size(); ++f) Function(f);
    Callbacks();
    offsets_[exec_.insns.size()] = masm_.offset();
    return {};
  }

  // By instruction, and the end.
  std::vector<uint32_t> TakeOffsets() { return std::move(offsets_); }

 protected:
  using ExecInsn = model::ExecInsn;

  uint32_t OriginOf(uint32_t i) const { return exec_.origin.empty() ? i : exec_.origin[i]; }

  // bounds_[i]: an upper bound for the offset of instruction i from the start,
  // if all code before it were as long as it can be. Only differences count.
  // Also makes the labels of jump targets.
  void PlaceInsns() {
    const size_t count = exec_.insns.size();
    bounds_.resize(count + 1);
    labels_.resize(count);
    offsets_.resize(count + 1);
    uint32_t at = 0;
    for (size_t i = 0; i < count; ++i) {
      const ExecInsn& insn = exec_.insns[i];
      const InsnShape& shape = shape_.insns[i];
      if (shape.Has(kIsAligned)) at += Masm::kLoopAlignment - 1;
      if (shape.Has(kIsTarget)) labels_[i] = masm_.NewLabel();
      bounds_[i] = at;
      at += BoundOf(insn);
    }
    bounds_[count] = at;
  }

  static constexpr auto kBounds = [] {
    std::array<std::array<uint8_t, kOpCount>, 4> bounds{};
    for (size_t i = 0; i < bounds.size(); ++i) {
      for (size_t op = 0; op < kOpCount; ++op) {
        const uint32_t bytes = Masm::MaxBytes(static_cast<Op>(op), (i & 1) != 0, (i & 2) != 0);
        SKEP_CHECK(bytes <= 0xff);  // at compile time
        bounds[i][op] = static_cast<uint8_t>(bytes);
      }
    }
    return bounds;
  }();

  uint32_t BoundOf(const ExecInsn& insn) const {
    if (insn.in_arena != 0) return Masm::kMaxArenaBytes;
    const bool names_r10 = (insn.src == kFramePointer) | (insn.dst == kFramePointer);
    return kBounds[(metered_ ? 2u : 0u) + (names_r10 ? 1u : 0u)][static_cast<size_t>(insn.op)];
  }

  void MakeFunctionLabels() {
    for (size_t f = 0; f < shape_.functions.size(); ++f) {
      function_labels_.push_back(masm_.NewLabel());
      callback_labels_.push_back(
          shape_.insns[shape_.functions[f].start].Has(kIsCallback) ? masm_.NewLabel() : Label{});
    }
  }

  // The function that starts at this instruction.
  size_t FunctionAt(uint32_t start) const {
    const auto& functions = shape_.functions;
    const auto at = std::lower_bound(
        functions.begin(), functions.end(), start,
        [](const FunctionShape& function, uint32_t insn) { return function.start < insn; });
    SKEP_CHECK(at != functions.end() && at->start == start);
    return static_cast<size_t>(at - functions.begin());
  }

  void Function(size_t f) {
    const FunctionShape& function = shape_.functions[f];
    uint32_t begin = masm_.offset();
    masm_.Bind(function_labels_[f]);
    masm_.Enter(FrameOf(function));
    Note(ListingPiece::Kind::kEntry, function.start, 0, begin);

    window_ = {exec_.insns.data(), shape_.insns.data(), function.start, function.end};
    while (window_.at < function.end) {
      const uint32_t i = window_.at;
      begin = masm_.offset();
      if (shape_.insns[i].Has(kIsAligned)) masm_.AlignLoop();
      if (shape_.insns[i].Has(kIsTarget)) masm_.Bind(labels_[i]);
      const uint32_t code = masm_.offset();
      const uint32_t count = Group(i);
      const uint32_t last = i + count - 1;
      SKEP_CHECK(masm_.offset() - code <= bounds_[last] + BoundOf(exec_.insns[last]) - bounds_[i]);
      offsets_[i] = code;
      for (uint32_t k = 1; k < count; ++k) offsets_[i + k] = masm_.offset();
      Note(ListingPiece::Kind::kInsns, i, count, begin);
      window_.at += count;
    }

    begin = masm_.offset();
    masm_.EmitCold();
    if (masm_.offset() != begin) Note(ListingPiece::Kind::kCold, function.start, 0, begin);
  }

  Frame FrameOf(const FunctionShape& function) const {
    Frame frame = function.frame;
    if (frame.catches && exec_.exception_callback != 0) {
      frame.exception_callback = function_labels_[FunctionAt(exec_.exception_callback)];
    }
    return frame;
  }

  void Callbacks() {
    for (size_t f = 0; f < shape_.functions.size(); ++f) {
      const uint32_t start = shape_.functions[f].start;
      if (!shape_.insns[start].Has(kIsCallback)) continue;
      const uint32_t begin = masm_.offset();
      masm_.Bind(callback_labels_[f]);
      masm_.EnterCallback(function_labels_[f], shape_.functions[f].frame.counts_fuel);
      Note(ListingPiece::Kind::kCallback, start, 0, begin);
    }
  }

  void Note(ListingPiece::Kind kind, uint32_t insn, uint32_t count, uint32_t begin) {
    if (listing_ == nullptr) return;
    listing_->pieces.push_back(
        {kind, insn, count, begin, masm_.offset() - begin, masm_.TakeText()});
  }

  // Emits the instruction at i and those behind it that go together with it;
  // returns how many.
  uint32_t Group(uint32_t i) {
    if (shape_.insns[i].Has(kIsDead)) return 1;
    const ExecInsn& insn = exec_.insns[i];
    const OpShape& op = ShapeOf(insn.op);
    switch (op.op_class) {
      case OpClass::kAlu:
        return Arithmetic(i, insn, op);
      case OpClass::kJump:
        JumpFrom(i, insn.target);
        return 1;
      case OpClass::kBranch:
        return Branch(i, insn, op);
      case OpClass::kExit:
        masm_.Exit();
        return 1;
      case OpClass::kMayGoto:
        if (insn.imm != model::kMayGotoStarts) {
          MeterJump(i, insn.target);
          masm_.MayGoto(insn.off, labels_[insn.target]);
          return 1;
        }
        break;
      default:
        break;
    }
    Single(i, insn, op, shape_.insns[i].live_after);
    return 1;
  }

  // One instruction that is neither arithmetic nor a jump.
  void Single(uint32_t i, const ExecInsn& insn, const OpShape& op, RegSet live) {
    switch (op.op_class) {
      case OpClass::kWideLoad:
        if (op.kind == OpKind::kLoadFunc) {
          masm_.LoadFunction(insn.dst, callback_labels_[FunctionAt(insn.target)]);
        } else {
          masm_.LoadConstant(insn.dst, insn.wide());
        }
        return;
      case OpClass::kLoad:
        if (insn.in_arena != 0) {
          masm_.LoadFromArena(*exec_.arena, op.width, op.kind == OpKind::kLoadSx, insn.dst,
                              {insn.src, kNoReg, 0, insn.off});
          return;
        }
        Access(insn, op, {insn.src, kNoReg, 0, insn.off});
        return;
      case OpClass::kStore:
        if (insn.in_arena != 0) {
          masm_.StoreToArena(*exec_.arena, op.width, {insn.dst, kNoReg, 0, insn.off},
                             SecondOperand(insn, op));
          return;
        }
        Access(insn, op, {insn.dst, kNoReg, 0, insn.off});
        return;
      case OpClass::kAtomic:
        if (insn.in_arena != 0) {
          masm_.AtomicInArena(*exec_.arena, op.kind, op.width, {insn.dst, kNoReg, 0, insn.off},
                              insn.src);
          return;
        }
        masm_.Atomic(op.kind, op.width, {insn.dst, kNoReg, 0, insn.off}, insn.src, live);
        return;
      case OpClass::kCall:
        Call(i, insn);
        return;
      case OpClass::kPacketLoad:
        masm_.LoadPacket(op.width, op.reads_src ? insn.src : kNoReg, insn.imm);
        return;
      case OpClass::kMayGoto:
        masm_.StartMayGoto(insn.off);
        return;
      case OpClass::kCast:
        masm_.CastToUser(insn.dst, insn.src, insn.wide());
        return;
      default:
        SKEP_UNREACHABLE();
    }
  }

  static Operand SecondOperand(const ExecInsn& insn, const OpShape& op) {
    return op.second_is_reg ? Operand::Of(insn.src) : Operand::Imm(insn.imm);
  }

  uint32_t Arithmetic(uint32_t i, const ExecInsn& insn, const OpShape& op) {
    switch (op.kind) {
      case OpKind::kMov:
        if (op.second_is_reg && insn.dst != insn.src) {
          if (const uint32_t count = AfterMove(insn.dst)) return count;
        }
        break;
      case OpKind::kAdd:
      case OpKind::kSub:
        if (const ExecInsn* next = window_.Next(1);
            next != nullptr && (next->dst == insn.dst || next->src == insn.dst)) {
          if (const uint32_t count = AddressFrom()) return count;
        }
        break;
      case OpKind::kMul:
        if (!op.second_is_reg) {
          if (const auto run = MatchScaledAdd(window_)) {
            masm_.AddressOf(run->width, run->dst, run->address);
            return run->count;
          }
        }
        break;
      case OpKind::kDiv:
      case OpKind::kSDiv:
      case OpKind::kMod:
      case OpKind::kSMod:
        masm_.Divide({op.kind, op.width, insn.dst, SecondOperand(insn, op),
                      !exec_.facts.empty() && exec_.facts[i].nonzero_divisor,
                      shape_.insns[i].live_after});
        return 1;
      default:
        break;
    }
    masm_.Alu(op.kind, op.width, insn.dst, SecondOperand(insn, op));
    return 1;
  }

  // A move of a register to dst and what follows. Returns 0 if nothing goes
  // with it.
  uint32_t AfterMove(Reg dst) {
    const ExecInsn* next = window_.Next(1);
    if (next == nullptr || (next->dst != dst && next->src != dst)) return 0;
    switch (ShapeOf(next->op).kind) {
      case OpKind::kLsh:
      case OpKind::kRsh:
        if (const auto run = MatchRotate(window_)) {
          masm_.RotateLeft(run->width, run->dst, run->src, run->left);
          return run->count;
        }
        return 0;
      case OpKind::kAnd:
        if (const auto run = MatchZeroExtend(window_)) {
          masm_.ZeroExtendTo(run->dst, run->src, run->bits);
          return run->count;
        }
        return 0;
      case OpKind::kMul:
        if (const auto run = MatchMultiply(window_)) {
          masm_.MultiplyBy(run->width, run->dst, run->src, run->factor);
          return run->count;
        }
        return 0;
      default:
        return AddressFrom();
    }
  }

  uint32_t AddressFrom() {
    const AddressRun run = MatchAddress(window_);
    if (const auto folded = FoldIntoAccess(window_, run)) {
      Access(*folded->access, ShapeOf(folded->access->op), folded->address);
      return run.count + 1;
    }
    if (run.count < 2) return 0;
    masm_.AddressOf(run.width, run.dst, run.address);
    return run.count;
  }

  void Access(const ExecInsn& insn, const OpShape& op, const Address& address) {
    if (op.op_class == OpClass::kLoad) {
      masm_.Load(op.width, op.kind == OpKind::kLoadSx, insn.dst, address);
    } else {
      masm_.Store(op.width, address, SecondOperand(insn, op));
    }
  }

  JumpTo To(uint32_t from, uint32_t target) const {
    const uint32_t after = bounds_[from] + BoundOf(exec_.insns[from]);
    return {labels_[target], target > from && bounds_[target] - after <= Masm::kNearBytes};
  }

  // Fuel is taken where the jump back stands, whether or not it is taken: one
  // loop body too many is counted for each loop that ends, and the fast path
  // stays a subtraction and a branch that is never taken.
  void MeterJump(uint32_t from, uint32_t target) {
    if (metered_ && target <= from) masm_.Meter(from - target + 1, OriginOf(from));
  }

  void JumpFrom(uint32_t i, uint32_t target) {
    if (target == i + 1) return;
    MeterJump(i, target);
    masm_.Jump(To(i, target));
  }

  uint32_t Branch(uint32_t i, const ExecInsn& insn, const OpShape& op) {
    uint32_t from = i;
    uint32_t target = insn.target;
    // `if c goto over; goto target; over:` is `if not c goto target`.
    const ExecInsn* next = window_.Next(1);
    const bool invert =
        next != nullptr && target == i + 2 && ShapeOf(next->op).op_class == OpClass::kJump;
    if (invert) {
      from = i + 1;
      target = next->target;
    }
    if (target != from + 1) {
      MeterJump(from, target);
      masm_.Branch(op.kind, op.width, insn.dst, SecondOperand(insn, op), invert, To(from, target));
    }
    return from - i + 1;
  }

  void Call(uint32_t i, const ExecInsn& insn) {
    switch (ClassifyCall(exec_, i)) {
      case CallKind::kFunction:
        if (metered_) masm_.Meter(1, OriginOf(i));
        masm_.CallFunction(function_labels_[FunctionAt(insn.target)]);
        if (metered_ || shape_.may_stop) masm_.StopIfStopped();
        return;
      case CallKind::kHelper: {
        const model::HelperEntry& entry = exec_.HelperAt(insn);
        const bool may_stop = MayStop(entry.spec);
        masm_.CallHelper(entry.function, entry.spec != nullptr ? entry.spec->name : "helper",
                         may_stop);
        if (may_stop) masm_.StopIfStoppedAt(OriginOf(i));
        return;
      }
      case CallKind::kTail:
        masm_.Tail(TailCallAt(i));
        return;
      case CallKind::kLookup: {
        const model::InsnFact& fact = exec_.facts[i];
        const DirectView view = exec_.maps[fact.map]->direct_view();
        masm_.Lookup(
            {view.base, view.stride, view.cpu_stride, view.max_entries, fact.lookup_not_null});
        return;
      }
      case CallKind::kCpu:
        masm_.LoadCpu();
        return;
      case CallKind::kLoop: {
        const bool may_stop = metered_ || shape_.may_stop;
        masm_.Loop(function_labels_[FunctionAt(insn.target)], may_stop);
        if (may_stop) masm_.StopIfStoppedAt(OriginOf(i));
        return;
      }
      case CallKind::kIterNext:
        masm_.IterateNumbers();
        return;
      case CallKind::kIterDestroy:
        masm_.Store(64, {1, kNoReg, 0, 0}, Operand::Imm(0));
        return;
      case CallKind::kNothing:
        return;
    }
  }

  TailCall TailCallAt(uint32_t i) const {
    TailCall call;
    if (exec_.facts.empty()) return call;
    const model::InsnFact& fact = exec_.facts[i];
    if (fact.map != model::kNoMap) {
      const DirectView view = exec_.maps[fact.map]->direct_view();
      SKEP_CHECK(view.stride == sizeof(void*));
      call.slots = view.base;
      call.max_entries = view.max_entries;
    }
    if (fact.constant_index != model::kUnknownIndex) {
      call.constant_index = fact.constant_index;
    }
    return call;
  }

  const model::ExecProgram& exec_;
  const bool metered_;
  Masm& masm_;
  Listing* const listing_;
  ProgramShape shape_;
  std::vector<uint32_t> bounds_;
  std::vector<uint32_t> offsets_;
  std::vector<Label> labels_;  // by instruction; of jump targets
  std::vector<Label> function_labels_;
  std::vector<Label> callback_labels_;  // of functions whose address is taken
  Window window_{};
};

}  // namespace skep::jit

#endif  // SKEP_JIT_COMPILER_H_
