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
  std::vector<bool> nonzero(structure.insns.size());
  Registers regs{};
  size_t next_subprogram = 0;
  for (size_t i = 0; i < structure.insns.size(); ++i) {
    const InsnInfo& info = structure.insns[i];
    if (info.insn.op == Op::kInvalid) continue;  // second slot
    const auto& subprograms = structure.subprograms;
    const bool starts =
        next_subprogram < subprograms.size() && subprograms[next_subprogram].start == i;
    if (starts) ++next_subprogram;
    if (starts || info.jump_point) regs.fill(Scalar::Unknown());
    const OpInfo& op = Info(info.insn.op);
    nonzero[i] = IsDivision(op.kind) && !ContainsZero(Second(info.insn, regs), op.width);
    Step(info.insn, regs);
  }
  return nonzero;
}

}  // namespace skep::verifier
