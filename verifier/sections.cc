// SPDX-License-Identifier: Apache-2.0
// Saved interrupt states and resilient spin locks. A saved state is a slot of the
// stack; states are restored in the reverse order of saving them.

#include <algorithm>

#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

// Who saved an interrupt state, in Register::btf_id of its slot.
enum : uint32_t { kByItself = 1, kByLock = 2 };

std::string_view NameOfSaver(uint32_t by) { return by == kByItself ? "native" : "lock"; }

}  // namespace

bool Verifier::CheckIrqFlag(uint32_t index, const KfuncCall& call) {
  const int number = static_cast<int>(index) + 1;
  const Register r = reg(number);
  if (r.kind != RegKind::kStack) return Reject(FindingCode::kIrqFlagNotStack, {index});
  const bool by_lock =
      call.Is(Kfunc::bpf_res_spin_lock_irqsave) || call.Is(Kfunc::bpf_res_spin_unlock_irqrestore);
  const uint32_t by = by_lock ? kByLock : kByItself;
  const bool save = call.Is(Kfunc::bpf_local_irq_save) || call.Is(Kfunc::bpf_res_spin_lock_irqsave);
  uint32_t slot = 0;
  bool allocated = false;
  const bool placed = FindStackObject(number, 1, "irq_flag", &slot, &allocated);
  Frame& frame = state().MutableFrame(r.frame);
  if (save) {
    const bool in_use = placed && allocated && frame.stack[slot].bytes[0] == StackByte::kIrqFlag;
    if (!placed || in_use) return Reject(FindingCode::kIrqFlagInUse, {index});
    if (!CheckMemory(number, 0, kSlotBytes, Access::kWrite, -1, false, false)) return false;
    StackSlot& s = frame.stack.Mutable(
        static_cast<size_t>(SlotOf(r.off + static_cast<int64_t>(r.var.bits.value))));
    const uint32_t id = NewId();
    state().refs.push_back({id, insn_, ReferenceKind::kIrqState, 0});
    state().irq_id = id;
    s.reg = Register::Pointer(RegKind::kStack);
    s.reg.ref_id = id;
    s.reg.btf_id = by;
    s.bytes.fill(StackByte::kIrqFlag);
    return true;
  }
  if (!placed || !allocated ||
      !std::all_of(frame.stack[slot].bytes.begin(), frame.stack[slot].bytes.end(),
                   [](StackByte b) { return b == StackByte::kIrqFlag; })) {
    return Reject(FindingCode::kIrqFlagNotInitialised, {index});
  }
  MarkSlotsRead(r.frame, uint64_t{1} << slot);
  const Register flag = frame.stack[slot].reg;
  if (flag.btf_id != by) {
    return Reject(FindingCode::kIrqFlagKind, {NameOfSaver(flag.btf_id), NameOfSaver(by)});
  }
  if (!RestoreIrq(flag.ref_id)) return false;
  frame.stack.Mutable(slot) = StackSlot{};
  changes_.slots[r.frame] |= uint64_t{1} << slot;
  return true;
}

bool Verifier::RestoreIrq(uint32_t id) {
  State& s = state();
  uint32_t before = 0;
  for (auto it = s.refs.begin(); it != s.refs.end(); ++it) {
    if (it->kind != ReferenceKind::kIrqState) continue;
    if (it->id == s.irq_id) {
      if (id != s.irq_id) return Reject(FindingCode::kIrqRestoreOrder, {s.irq_id, it->insn});
      s.refs.erase(it);
      s.irq_id = before;
      return true;
    }
    before = it->id;
  }
  return Reject(FindingCode::kIrqRestoreOrder, {s.irq_id, 0});
}

bool Verifier::CheckResilientLock(uint32_t index, const KfuncCall& call) {
  const int number = static_cast<int>(index) + 1;
  const Register& r = reg(number);
  const bool object = r.kind == RegKind::kBtfId && r.flags == kAlloc;
  const bool in_map = r.kind == RegKind::kMapValue && r.flags == 0;
  if (!in_map && !object) return Reject(FindingCode::kKfuncNotLockMemory, {index});
  const bool irq =
      call.Is(Kfunc::bpf_res_spin_lock_irqsave) || call.Is(Kfunc::bpf_res_spin_unlock_irqrestore);
  const bool take = call.Is(Kfunc::bpf_res_spin_lock) || call.Is(Kfunc::bpf_res_spin_lock_irqsave);
  return ProcessLock(number, irq ? ReferenceKind::kResilientIrqLock : ReferenceKind::kResilientLock,
                     take);
}

// A resilient lock may not be had: then nothing is held, and r0 is an error.
bool Verifier::ForkFailedLock(const KfuncCall& call) {
  if (!call.Is(Kfunc::bpf_res_spin_lock) && !call.Is(Kfunc::bpf_res_spin_lock_irqsave)) {
    return true;
  }
  State* failed = PushPath(insn_ + 1, insn_);
  if (failed == nullptr) return false;
  for (size_t i = 0; i <= 5; ++i) failed->reg(i) = Register{};
  // Linux knows -MAX_ERRNO <= r0 < 0 of the low half here.
  failed->reg(0) = Register::Unknown();
  constexpr int32_t kMaxErrno = 4095;
  Scalar& value = failed->reg(0).var;
  value.low.smin = -kMaxErrno;
  value.low.smax = -1;
  if (!value.Normalize()) value = Scalar{};
  return true;
}

}  // namespace skep::verifier
