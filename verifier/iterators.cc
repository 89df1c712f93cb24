// SPDX-License-Identifier: Apache-2.0
// Iterators that live on the program's stack: bpf_iter_NAME_new makes one of
// some slots, _next gives an element or null and _destroy frees the slots again.
//
// A _next is followed both ways: drained, with a null result, and once more
// around with an element. What changed since the last round and is not known to
// matter is forgotten on the way around, so that the loop comes to an end.

#include <algorithm>

#include "btf/btf.h"
#include "verifier/kfunc_call.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

// "num" of struct bpf_iter_num.
std::string_view ShortName(std::string_view name) {
  constexpr std::string_view kPrefix = "bpf_iter_";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

constexpr std::string_view kStructPrefix = "bpf_iter_";

}  // namespace

const Register& Verifier::IteratorOf(const State& s, const KfuncCall& call) const {
  return s.frames[call.iterator_frame]->stack[call.iterator_slot].reg;
}

// The slot of the lowest byte that `count` slots at the stack pointer in
// register `number` take. `allocated` is false if the frame does not reach that
// far yet.
bool Verifier::FindStackObject(int number, uint32_t count, std::string_view what, uint32_t* slot,
                               bool* allocated) {
  const Register& r = reg(number);
  if (!r.HasConstOffset()) {
    Note(FindingCode::kKfuncStackVarOffset, {what});
    return false;
  }
  const int64_t off = r.off + static_cast<int64_t>(r.var.bits.value);
  if (off % kSlotBytes != 0 || off >= 0 || -off < int64_t{count} * kSlotBytes) {
    Note(FindingCode::kKfuncStackOffset, {what, off});
    return false;
  }
  *allocated = off >= -kMaxStack;
  if (!*allocated) return true;
  *slot = static_cast<uint32_t>(SlotOf(off));
  *allocated = state().frames[r.frame]->stack.size() > *slot;
  return true;
}

bool Verifier::CheckKfuncIterator(uint32_t index, const KfuncArg& arg, KfuncCall& call) {
  const int number = static_cast<int>(index) + 1;
  const btf::Btf& btf = *program_.data().target_btf;
  const Register r = reg(number);
  if (r.kind != RegKind::kStack) return Reject(FindingCode::kKfuncIterNotStack, {index});
  if (call.Is(Kfunc::bpf_iter_css_task_new) && !MayIterateCssTasks()) {
    return Reject(FindingCode::kKfuncIterCssTask, {});
  }
  const uint32_t type = arg.pointee;
  const bool fits = btf.kind(type) == btf::Kind::kStruct &&
                    btf.name(type).starts_with(kStructPrefix) && btf.SizeOf(type).value_or(0) > 0 &&
                    btf.SizeOf(type).value_or(0) % kSlotBytes == 0;
  if (!fits) return Reject(FindingCode::kKfuncIterType, {index});
  const uint32_t count = btf.SizeOf(type).value_or(0) / kSlotBytes;
  const std::string_view name = ShortName(btf.name(type));
  uint32_t slot = 0;
  bool allocated = false;
  if (!FindStackObject(number, count, "iter", &slot, &allocated)) {
    return call.Has(kfunc::kIterNew) ? Reject(FindingCode::kKfuncIterInUse, {name, index})
                                     : Reject(FindingCode::kKfuncIterNotInitialised, {name, index});
  }
  if (call.Has(kfunc::kIterNew)) {
    return NewIterator(index, type, count, call, allocated ? static_cast<int>(slot) : -1);
  }
  if (!allocated) return Reject(FindingCode::kKfuncIterNotInitialised, {name, index});
  return UseIterator(index, type, count, call, slot);
}

bool Verifier::MayIterateCssTasks() const {
  constexpr uint32_t kIterAttach = 28;
  const ProgramTypeId type = program_.type();
  if (type == ProgramTypeId::kLsm) return true;
  if (type == ProgramTypeId::kTracing && program_.data().expected_attach_type == kIterAttach) {
    return true;
  }
  return current_->sleepable;
}

// `slot`: where it will be, -1 if the frame does not reach that far yet.
bool Verifier::NewIterator(uint32_t index, uint32_t type, uint32_t count, const KfuncCall& call,
                           int slot) {
  const int number = static_cast<int>(index) + 1;
  const Register r = reg(number);
  const std::string_view name = ShortName(program_.data().target_btf->name(type));
  Frame& frame = state().MutableFrame(r.frame);
  if (slot >= 0) {
    for (uint32_t i = 0; i < count; ++i) {
      for (const StackByte b : frame.stack[static_cast<size_t>(slot) - i].bytes) {
        if (b == StackByte::kIterator) return Reject(FindingCode::kKfuncIterInUse, {name, index});
      }
    }
  }
  for (uint32_t i = 0; i < count; ++i) {
    if (!CheckMemory(number, static_cast<int32_t>(i) * kSlotBytes, kSlotBytes, Access::kWrite, -1,
                     false, false)) {
      return false;
    }
  }
  const int64_t off = r.off + static_cast<int64_t>(r.var.bits.value);
  const auto first = static_cast<size_t>(SlotOf(off));
  const uint32_t id = AcquireReference();
  for (uint32_t i = 0; i < count; ++i) {
    StackSlot& s = frame.stack.Mutable(first - i);
    s.reg = Register::Pointer(RegKind::kIterator);
    if (call.Has(kfunc::kRcuProtected)) s.reg.flags |= InRcuSection() ? kRcu : kUntrusted;
    s.reg.ref_id = i == 0 ? id : 0;
    s.reg.first_slot = i == 0;
    s.reg.btf = kTargetBtf;
    s.reg.btf_id = type;
    s.reg.iterator = IteratorState::kActive;
    s.bytes.fill(StackByte::kIterator);
  }
  return true;
}

bool Verifier::UseIterator(uint32_t index, uint32_t type, uint32_t count, KfuncCall& call,
                           uint32_t slot) {
  const int number = static_cast<int>(index) + 1;
  const uint32_t frame_index = reg(number).frame;
  const Frame& frame = *state().frames[frame_index];
  const std::string_view name = ShortName(program_.data().target_btf->name(type));
  uint64_t slots = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const StackSlot& s = frame.stack[slot - i];
    const bool is_iterator = std::all_of(s.bytes.begin(), s.bytes.end(),
                                         [](StackByte b) { return b == StackByte::kIterator; });
    if (is_iterator && (s.reg.flags & kUntrusted) != 0) {
      return Reject(FindingCode::kKfuncIterNotProtected, {call.spec().name});
    }
    if (!is_iterator || s.reg.btf_id != type || s.reg.first_slot != (i == 0)) {
      return Reject(FindingCode::kKfuncIterNotInitialised, {name, index});
    }
    slots |= uint64_t{1} << (slot - i);
  }
  MarkSlotsRead(frame_index, slots);
  call.iterator_frame = frame_index;
  call.iterator_slot = slot;
  call.reference = frame.stack[slot].reg.ref_id;
  if (!call.Has(kfunc::kIterDestroy)) return true;
  for (uint32_t i = 0; i < count; ++i) {
    if (i == 0) ReleaseReference(call.reference);
    state().MutableFrame(frame_index).stack.Mutable(slot - i) = StackSlot{};
    changes_.slots[frame_index] |= uint64_t{1} << (slot - i);
  }
  return true;
}

// Linux: process_iter_next_call.
bool Verifier::StepIterator(const KfuncCall& call) {
  changes_.slots[call.iterator_frame] |= uint64_t{1} << call.iterator_slot;
  State* other = nullptr;
  if (!ForkIteration(call.iterator_frame, call.iterator_slot, &other)) return false;
  if (other != nullptr) {
    Register& element = other->reg(0);
    element.flags = static_cast<uint16_t>(element.flags & ~kMaybeNull);
    element.id = 0;
  }
  reg(0) = Register::Number(0);
  return true;
}

}  // namespace skep::verifier
