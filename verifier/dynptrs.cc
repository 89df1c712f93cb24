// SPDX-License-Identifier: Apache-2.0
// Dynptrs: two slots of the stack that helpers make, use and destroy, and the
// slices of memory that programs get of them. A callback may get a pointer to one
// that it cannot change (RegKind::kDynptr).
//
// A slice is a kMemory register that holds the dynptr's id; with a dynptr of a
// ring buffer's record it holds its reference too, so that both end together.

#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr uint32_t kDynptrSlots = 2;

bool HoldsReference(const Register& dynptr) { return (dynptr.flags & kDynptrRingbuf) != 0; }

}  // namespace

std::string_view DynptrName(uint16_t flags) {
  if ((flags & kDynptrLocal) != 0) return "local";
  if ((flags & kDynptrRingbuf) != 0) return "ringbuf";
  if ((flags & kDynptrSkb) != 0) return "skb";
  if ((flags & kDynptrXdp) != 0) return "xdp";
  if ((flags & kDynptrSkbMeta) != 0) return "skb_meta";
  return "<unknown>";
}

// The dynptr that register `number` points to: its first slot, or the register
// itself where it stands for one. Null if there is none, with a note in the log.
const Register* Verifier::DynptrAt(int number) {
  const Register& r = reg(number);
  if (r.kind == RegKind::kDynptr) return &r;
  if (r.kind != RegKind::kStack) return nullptr;
  uint32_t slot = 0;
  bool allocated = false;
  if (!FindStackObject(number, kDynptrSlots, "dynptr", &slot, &allocated) || !allocated) {
    return nullptr;
  }
  const Frame& frame = *state().frames[r.frame];
  const StackSlot& first = frame.stack[slot];
  const StackSlot& second = frame.stack[slot - 1];
  const bool whole = first.bytes[0] == StackByte::kDynptr && first.reg.first_slot &&
                     second.bytes[0] == StackByte::kDynptr;
  return whole ? &first.reg : nullptr;
}

void Verifier::ForgetDynptr(Frame& frame, size_t first) {
  for (size_t i = first - 1; i <= first; ++i) {
    frame.stack.Mutable(i) = StackSlot{};
  }
}

// Something else is about to be written into slot `index`. A dynptr there is no
// more, and its slices neither; one that must be released may not be lost.
bool Verifier::DestroyDynptr(uint32_t frame_index, size_t index) {
  const Frame& frame = *state().frames[frame_index];
  if (index >= frame.stack.size() || frame.stack[index].bytes[0] != StackByte::kDynptr) return true;
  const size_t first = frame.stack[index].reg.first_slot ? index : index + 1;
  const Register dynptr = frame.stack[first].reg;
  if (HoldsReference(dynptr)) return Reject(FindingCode::kDynptrOverwrite, {});
  ForgetDynptr(state().MutableFrame(frame_index), first);
  changes_.slots[frame_index] |= uint64_t{3} << (first - 1);
  const auto is_slice = [&](const Register& r) {
    return r.kind == RegKind::kMemory && (r.flags & ~kMaybeNull) == 0 && r.dynptr == dynptr.id;
  };
  ChangeRegisters(state(), is_slice, [&](Register& r) { Invalidate(r); });
  return true;
}

// Makes a dynptr of type `type` (a flag of kDynptrTypes) where register `number`
// points to. `clone`: the reference that it shares; 0 for one of its own.
bool Verifier::InitDynptr(int number, uint16_t type, uint32_t clone) {
  const Register pointer = reg(number);
  uint32_t slot = 0;
  bool allocated = false;
  if (pointer.kind != RegKind::kStack ||
      !FindStackObject(number, kDynptrSlots, "dynptr", &slot, &allocated)) {
    return Reject(FindingCode::kDynptrNotUninit, {});
  }
  for (int i = 0; i < 2; ++i) {
    if (!CheckStackBounds(number, pointer.off + i * kSlotBytes, kSlotBytes, Access::kWrite)) {
      return false;
    }
  }
  const size_t first =
      static_cast<size_t>(SlotOf(pointer.off + static_cast<int64_t>(pointer.var.bits.value)));
  if (!DestroyDynptr(pointer.frame, first) || !DestroyDynptr(pointer.frame, first - 1)) {
    return false;
  }
  Register dynptr = Register::Pointer(RegKind::kDynptr, type);
  dynptr.id = NewId();
  if (HoldsReference(dynptr)) dynptr.ref_id = clone != 0 ? clone : AcquireReference();
  Frame& frame = state().MutableFrame(pointer.frame);
  for (size_t i = first - 1; i <= first; ++i) {
    StackSlot& made = frame.stack.Mutable(i);
    made.bytes.fill(StackByte::kDynptr);
    made.reg = dynptr;
    made.reg.first_slot = i == first;
  }
  changes_.slots[pointer.frame] |= uint64_t{3} << (first - 1);
  return true;
}

// A dynptr in register `number`, argument `index` of the call, that the call
// reads or, unless `constant`, changes. `types`: which it may be, 0 for any.
bool Verifier::UseDynptr(int number, uint32_t index, uint16_t types, bool constant) {
  const Register pointer = reg(number);
  if (pointer.kind == RegKind::kDynptr && !constant) {
    return Reject(FindingCode::kDynptrConstant, {});
  }
  const Register* dynptr = DynptrAt(number);
  if (dynptr == nullptr) return Reject(FindingCode::kDynptrNotInitialised, {index});
  if (types != 0 && (dynptr->flags & types) == 0) {
    return Reject(FindingCode::kDynptrType, {DynptrName(types), index});
  }
  if (pointer.kind == RegKind::kStack) {
    const int slot = SlotOf(pointer.off + static_cast<int64_t>(pointer.var.bits.value));
    MarkSlotsRead(pointer.frame, uint64_t{3} << (slot - 1));
    changes_.slots[pointer.frame] |= uint64_t{3} << (slot - 1);
  }
  return true;
}

// The dynptr that register `number` points to is given back: its reference, its
// slices and its copies end.
bool Verifier::ReleaseDynptr(int number) {
  const Register* dynptr = DynptrAt(number);
  if (dynptr == nullptr || dynptr == &reg(number)) return false;
  const uint32_t ref_id = dynptr->ref_id;
  if (ref_id == 0) {
    const Register& pointer = reg(number);
    const int slot = SlotOf(pointer.off + static_cast<int64_t>(pointer.var.bits.value));
    ForgetDynptr(state().MutableFrame(pointer.frame), static_cast<size_t>(slot));
    return true;
  }
  if (!ReleaseReference(ref_id)) return false;
  State& s = state();
  for (uint32_t f = 0; f <= s.depth; ++f) {
    for (size_t i = 1; i < s.frames[f]->stack.size(); ++i) {
      const StackSlot& slot = s.frames[f]->stack[i];
      if (slot.bytes[0] != StackByte::kDynptr || !slot.reg.first_slot) continue;
      if (slot.reg.ref_id != ref_id) continue;
      ForgetDynptr(s.MutableFrame(f), i);
      changes_.slots[f] |= uint64_t{3} << (i - 1);
    }
  }
  return true;
}

bool Verifier::CheckDynptrArgument(int number, const ArgSpec& arg) {
  const auto index = static_cast<uint32_t>(number) - 1;
  uint16_t types = 0;
  if ((arg.flags & kArgDynptrLocal) != 0) types |= kDynptrLocal;
  if ((arg.flags & kArgDynptrRingbuf) != 0) types |= kDynptrRingbuf;
  if ((arg.flags & kArgUninit) != 0) return InitDynptr(number, types, 0);
  return UseDynptr(number, index, types, (arg.flags & kArgReadOnly) != 0);
}

}  // namespace skep::verifier
