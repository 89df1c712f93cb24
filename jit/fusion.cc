// SPDX-License-Identifier: Apache-2.0
#include "jit/fusion.h"

#include <utility>

#include "jit/op_shape.h"

namespace skep::jit {
namespace {

using model::ExecInsn;

constexpr uint32_t kLongestAddressRun = 5;

bool IsMove(const ExecInsn& insn) { return insn.op == Op::kMov64Reg || insn.op == Op::kMov32Reg; }

// Adds one more term; false if the address cannot take it.
bool AddTerm(Address& address, Reg dst, const ExecInsn& insn) {
  if (insn.op == Op::kAdd64Imm || insn.op == Op::kAdd32Imm || insn.op == Op::kSub64Imm ||
      insn.op == Op::kSub32Imm) {
    const bool negative = insn.op == Op::kSub64Imm || insn.op == Op::kSub32Imm;
    const int64_t disp = int64_t{address.disp} + (negative ? -int64_t{insn.imm} : insn.imm);
    if (disp >= kMaxDisp || disp <= -kMaxDisp) return false;
    address.disp = static_cast<int32_t>(disp);
    return true;
  }
  if (address.index != kNoReg || insn.src == dst) return false;
  if (insn.src == kFramePointer) {
    if (address.base == kFramePointer) return false;
    address.index = address.base;
    address.base = kFramePointer;
  } else {
    address.index = insn.src;
  }
  return true;
}

bool IsTerm(Op op, int width) {
  return width == 64 ? op == Op::kAdd64Imm || op == Op::kAdd64Reg || op == Op::kSub64Imm
                     : op == Op::kAdd32Imm || op == Op::kAdd32Reg || op == Op::kSub32Imm;
}

int WidthOf(const ExecInsn& insn) { return ShapeOf(insn.op).width; }

}  // namespace

AddressRun MatchAddress(const Window& window) {
  const ExecInsn& first = window.insns[window.at];
  AddressRun run;
  run.width = WidthOf(first);
  run.dst = first.dst;
  run.address.base = first.dst;
  if (IsMove(first)) {
    run.address.base = first.src;
    run.has_move = true;
    run.count = 1;
  }
  while (run.count < kLongestAddressRun) {
    const ExecInsn* insn = run.count == 0 ? &first : window.Next(run.count);
    if (insn == nullptr || insn->dst != run.dst || !IsTerm(insn->op, run.width)) break;
    if (!AddTerm(run.address, run.dst, *insn)) break;
    ++run.count;
  }
  // The low half of r10 is no address.
  if (run.width == 32 && run.address.base == kFramePointer) run.count = 0;
  return run;
}

std::optional<FoldedAccess> FoldIntoAccess(const Window& window, const AddressRun& run) {
  if (run.count == 0 || run.width != 64) return std::nullopt;
  const ExecInsn* access = window.Next(run.count);
  if (access == nullptr || access->in_arena != 0) return std::nullopt;
  const OpShape& op = ShapeOf(access->op);
  const bool dead = !window.LiveAfter(run.count, run.dst);
  if (op.op_class == OpClass::kLoad) {
    if (access->src != run.dst || (access->dst != run.dst && !dead)) return std::nullopt;
  } else if (op.op_class == OpClass::kStore) {
    const bool stores_dst = op.second_is_reg && access->src == run.dst;
    if (access->dst != run.dst || stores_dst || !dead) return std::nullopt;
  } else {
    return std::nullopt;
  }
  FoldedAccess folded{access, run.address};
  const int64_t disp = int64_t{run.address.disp} + access->off;
  if (disp >= kMaxDisp || disp <= -kMaxDisp) return std::nullopt;
  folded.address.disp = static_cast<int32_t>(disp);
  return folded;
}

std::optional<RotateRun> MatchRotate(const Window& window) {
  const ExecInsn& move = window.insns[window.at];
  const int width = WidthOf(move);
  const Reg t = move.dst;
  const Reg x = move.src;
  if (t == x || x == kFramePointer) return std::nullopt;
  const Op left = width == 64 ? Op::kLsh64Imm : Op::kLsh32Imm;
  const Op right = width == 64 ? Op::kRsh64Imm : Op::kRsh32Imm;

  const ExecInsn* first = window.Next(1);
  if (first == nullptr || first->dst != t || (first->op != left && first->op != right)) {
    return std::nullopt;
  }
  uint32_t n = 2;
  const ExecInsn* next = window.Next(n);
  if (next == nullptr) return std::nullopt;
  Reg y = x;
  if (next->op == move.op && next->src == x && next->dst != t && next->dst != x) {
    y = next->dst;
    next = window.Next(++n);
  }
  if (next == nullptr || next->dst != y || next->op != (first->op == left ? right : left)) {
    return std::nullopt;
  }
  // At 0 and at the width the two shifts are no rotation.
  if (first->imm <= 0 || next->imm <= 0 || first->imm + next->imm != width) return std::nullopt;
  const int count = first->op == left ? first->imm : next->imm;

  const ExecInsn* join = window.Next(++n);
  if (join == nullptr || join->op != (width == 64 ? Op::kOr64Reg : Op::kOr32Reg)) {
    return std::nullopt;
  }
  const bool into_y = join->dst == y && join->src == t;
  const bool into_t = join->dst == t && join->src == y;
  if ((!into_y && !into_t) || window.LiveAfter(n, join->src)) return std::nullopt;
  return RotateRun{n + 1, width, join->dst, x, count};
}

std::optional<ZeroExtendRun> MatchZeroExtend(const Window& window) {
  const ExecInsn& move = window.insns[window.at];
  const ExecInsn* mask = window.Next(1);
  if (mask == nullptr || mask->dst != move.dst || move.src == kFramePointer) return std::nullopt;
  // A 64-bit mask of 32 ones does not fit an immediate.
  const bool wide = move.op == Op::kMov64Reg && mask->op == Op::kAnd64Imm;
  if (!wide && mask->op != Op::kAnd32Imm) return std::nullopt;
  if (mask->imm != 0xff && mask->imm != 0xffff) return std::nullopt;
  return ZeroExtendRun{2, move.dst, move.src, mask->imm == 0xff ? 8 : 16};
}

std::optional<MultiplyRun> MatchMultiply(const Window& window) {
  const ExecInsn& move = window.insns[window.at];
  const ExecInsn* multiply = window.Next(1);
  if (multiply == nullptr || multiply->dst != move.dst || move.src == kFramePointer) {
    return std::nullopt;
  }
  const int width = WidthOf(move);
  if (multiply->op != (width == 64 ? Op::kMul64Imm : Op::kMul32Imm)) return std::nullopt;
  return MultiplyRun{2, width, move.dst, move.src, multiply->imm};
}

std::optional<AddressRun> MatchScaledAdd(const Window& window) {
  const ExecInsn& multiply = window.insns[window.at];
  const ExecInsn* add = window.Next(1);
  if (add == nullptr || add->dst != multiply.dst) return std::nullopt;
  const int width = WidthOf(multiply);
  if (add->op != (width == 64 ? Op::kAdd64Imm : Op::kAdd32Imm)) return std::nullopt;
  if (multiply.imm != 3 && multiply.imm != 5 && multiply.imm != 9) return std::nullopt;
  if (add->imm >= kMaxDisp || add->imm <= -kMaxDisp) return std::nullopt;
  AddressRun run{2, width, multiply.dst, {}, false};
  run.address = {multiply.dst, multiply.dst,
                 static_cast<uint8_t>(multiply.imm == 3   ? 1
                                      : multiply.imm == 5 ? 2
                                                          : 3),
                 add->imm};
  return run;
}

}  // namespace skep::jit
