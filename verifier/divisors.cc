// SPDX-License-Identifier: Apache-2.0
#include "verifier/divisors.h"

#include <array>
#include <cstddef>

#include "verifier/transfer_alu.h"

namespace skep::verifier {
namespace {

using Registers = std::array<Scalar, kRegisterCount>;

bool ContainsZero(const Scalar& divisor, int width) {
  return width == 64 ? divisor.Contains(0)
                     : divisor.bits.Low().Contains(0) && divisor.low.Contains(0);
}

Scalar Second(const DecodedInsn& insn, const Registers& regs) {
  return UsesSrcRegister(Info(insn.op).operands)
             ? regs[insn.src]
             : Scalar::Const(static_cast<uint64_t>(int64_t{insn.imm}));
}

// What dst holds after an instruction other than arithmetic.
Scalar Loaded(const DecodedInsn& insn) {
  const OpInfo& op = Info(insn.op);
  if (op.kind == OpKind::kLoadImm) return Scalar::Const(static_cast<uint64_t>(insn.imm64));
  const bool zero_extends = op.kind == OpKind::kLoad || op.kind == OpKind::kLoadAcquire;
  return zero_extends && op.width < 64 ? Scalar::AnyOfWidth(op.width) : Scalar::Unknown();
}

void Step(const DecodedInsn& insn, Registers& regs) {
  const OpInfo& op = Info(insn.op);
  if (ClassOf(op.kind) == OpClass::kAlu) {
    regs[insn.dst] = TransferAlu(op.kind, op.width, regs[insn.dst], Second(insn, regs));
    return;
  }
  if (op.Has(kWritesDst)) regs[insn.dst] = Loaded(insn);
  if (op.Has(kWritesSrc)) regs[insn.src] = Scalar::Unknown();
  if (op.Has(kWritesR0)) regs[0] = Scalar::Unknown();
  if (op.Has(kClobbersArgs)) {
    for (size_t r = 1; r <= 5; ++r) regs[r] = Scalar::Unknown();
  }
}

}  // namespace

bool IsDivision(OpKind kind) {
  return kind == OpKind::kDiv || kind == OpKind::kSDiv || kind == OpKind::kMod ||
         kind == OpKind::kSMod;
}

std::vector<bool> NonzeroDivisors(const Structure& structure) {
  const size_t count = structure.insns.size();
  std::vector<bool> nonzero(count), starts(count), wanted(count);
  for (const SubprogramInfo& sub : structure.subprograms) {
    if (sub.start < count) starts[sub.start] = true;
  }
  // What registers hold is wanted where a division by one follows without a jump
  // point between.
  bool division_follows = false;
  for (size_t i = count; i-- > 0;) {
    const InsnInfo& info = structure.insns[i];
    if (info.insn.op == Op::kInvalid) continue;  // second slot
    const OpInfo& op = Info(info.insn.op);
    if (IsDivision(op.kind) && UsesSrcRegister(op.operands)) division_follows = true;
    wanted[i] = division_follows;
    if (starts[i] || info.jump_point) division_follows = false;
  }
  Registers regs{};
  for (size_t i = 0; i < count; ++i) {
    const InsnInfo& info = structure.insns[i];
    if (info.insn.op == Op::kInvalid) continue;
    const OpInfo& op = Info(info.insn.op);
    if (wanted[i] && (starts[i] || info.jump_point)) regs.fill(Scalar::Unknown());
    if (IsDivision(op.kind)) nonzero[i] = !ContainsZero(Second(info.insn, regs), op.width);
    if (wanted[i]) Step(info.insn, regs);
  }
  return nonzero;
}

}  // namespace skep::verifier
