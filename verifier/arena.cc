// SPDX-License-Identifier: Apache-2.0
// Arena memory: pages that programs and user space share. Every access is kept
// inside the arena at run time, whatever the address, so that little is to be
// proved: a pointer into it may be computed with, loads give numbers.

#include "verifier/verifier.h"

namespace skep::verifier {

// rX = addr_space_cast(rY, to, from): 1 makes a pointer of an address as user
// space sees it, 1 << 16 makes that address of a pointer.
bool Verifier::StepCast(const DecodedInsn& insn) {
  constexpr int32_t kToPointer = 1;
  if (arena_ == nullptr) return Reject(FindingCode::kCastWithoutArena, {});
  if (!CheckSource(insn.src) || !CheckDestination(insn.dst)) return false;
  reg(insn.dst) = insn.imm == kToPointer ? Register::Pointer(RegKind::kArena) : Register::Unknown();
  return true;
}

bool Verifier::AccessArena(Access access, int value_reg) {
  const OpKind kind = Info(info(insn_).insn.op).kind;
  // What x86 makes of these would not be caught by a fault handler.
  if (kind == OpKind::kLoadSx) return Reject(FindingCode::kUnsupportedArena, {});
  if (access == Access::kRead && value_reg >= 0) SetUnknown(value_reg);
  return true;
}

// Operations that x86 compiles to a loop, which no fault handler can skip.
bool Verifier::ArenaTakesNoAtomic(const DecodedInsn& insn) const {
  const OpKind kind = Info(insn.op).kind;
  return kind == OpKind::kAtomicFetchAnd || kind == OpKind::kAtomicFetchOr ||
         kind == OpKind::kAtomicFetchXor;
}

bool Verifier::CheckArena(const MapSpec& arena) {
  if (arena_ == &arena) return true;
  if (arena_ != nullptr) return Reject(FindingCode::kTwoArenas, {});
  if (!allow_ptr_leaks()) return Reject(FindingCode::kArenaRights, {});
  arena_ = &arena;
  return true;
}

}  // namespace skep::verifier
