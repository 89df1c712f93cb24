// SPDX-License-Identifier: Apache-2.0
// Where instructions go: what is never reached is dropped, and some instructions
// become several.
#include <algorithm>

#include "vm/lowering.h"

namespace skep {
namespace {

constexpr uint32_t kDropped = 0xffffffff;

}  // namespace

bool Lowering::AlwaysTaken(size_t slot) const {
  const InsnFact* fact = FactAt(slot);
  return fact != nullptr && fact->never_falls_through &&
         ClassOf(code_[slot].op) == OpClass::kBranch;
}

void Lowering::FindMayGotos() {
  const auto subprograms = program_.subprograms();
  counts_rounds_.assign(subprograms.size(), false);
  if (trust_ != Trust::kVerified) return;
  for (size_t s = 0; s < subprograms.size(); ++s) {
    for (size_t slot = subprograms[s].start; slot < subprograms[s].end; ++slot) {
      if (IsSecondSlot(slot) || !Reached(slot)) continue;
      if (ClassOf(code_[slot].op) == OpClass::kMayGoto) counts_rounds_[s] = true;
    }
  }
}

void Lowering::FindUncalled() {
  const auto subprograms = program_.subprograms();
  uncalled_.assign(subprograms.size(), false);
  if (facts_ == nullptr) return;
  for (size_t slot = 0; slot < code_.size(); ++slot) {
    if (IsSecondSlot(slot) || !Reached(slot)) continue;
    if (Info(code_[slot].op).kind != OpKind::kLoadFunc) continue;
    const auto start = static_cast<size_t>(TargetOf(code_[slot], slot));
    if (!Reached(start)) uncalled_[SubprogramOf(start)] = true;
  }
}

size_t Lowering::SubprogramOf(size_t slot) const {
  const auto subprograms = program_.subprograms();
  const auto after =
      std::upper_bound(subprograms.begin(), subprograms.end(), slot,
                       [](size_t at, const Subprogram& sub) { return at < sub.start; });
  return static_cast<size_t>(after - subprograms.begin()) - 1;
}

uint32_t Lowering::SizeOf(size_t slot) const {
  if (IsPacketLoad(slot)) return kPacketLoadSize;
  if (IsGuardedLoad(slot)) return kGuardedLoadSize;
  if (Info(code_[slot].op).kind == OpKind::kCallKfunc && KfuncAt(slot)->InfoRegister() != 0) {
    return 2;
  }
  return TakesProgram(slot) ? 2 : 1;
}

void Lowering::Place() {
  FindMayGotos();
  FindUncalled();
  place_.assign(code_.size() + 1, kDropped);
  uint32_t next = 0;
  for (size_t slot = 0; slot < code_.size(); ++slot) {
    if (IsSecondSlot(slot)) continue;
    if (StartsCount(slot)) ++next;
    place_[slot] = next;
    if (StandsForUncalled(slot)) next += 2;
    if (!Reached(slot) || NeverTaken(slot)) continue;
    next += SizeOf(slot);
  }
  place_[code_.size()] = next;
  out_->insns.reserve(next);
  out_->origin.reserve(next);
}

}  // namespace skep
