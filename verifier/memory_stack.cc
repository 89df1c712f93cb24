// SPDX-License-Identifier: Apache-2.0
// The stack, by byte: what was written, what was zero, and which 8-byte slots
// hold a register that was spilled there.

#include <bit>

#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

int WidthOf(const Register& r) { return static_cast<int>(std::bit_width(r.var.wide.umax)); }

std::string_view Describe(Access access) {
  return access == Access::kRead ? " read from" : " write to";
}

uint64_t SlotBit(int slot) { return uint64_t{1} << slot; }

}  // namespace

void Verifier::TouchSlot(uint32_t frame, int64_t off) {
  changes_.slots[frame] |= SlotBit(SlotOf(off));
}

// `off` includes the pointer's constant part. Grows the frame to cover the
// access.
bool Verifier::CheckStackBounds(int number, int64_t off, int64_t size, Access access) {
  const Register& r = reg(number);
  const std::string_view what = Describe(access);
  int64_t low, high;
  if (r.HasConstOffset()) {
    low = static_cast<int64_t>(r.var.bits.value) + off;
    high = low + size;
  } else {
    if (r.var.wide.smax >= kMaxVarOff || r.var.wide.smin <= -kMaxVarOff) {
      return Reject(FindingCode::kStackUnbounded, {what, number});
    }
    low = r.var.wide.smin + off;
    high = r.var.wide.smax + off + size;
  }
  const Frame& frame = *state().frames[r.frame];
  const bool may_be_new = access == Access::kWrite || allow_ptr_leaks();
  const int64_t lowest = may_be_new ? -kMaxStack : -frame.depth_bytes();
  if (low < lowest || low > -1 || high > 0 || size < 0) {
    if (r.HasConstOffset()) return Reject(FindingCode::kStackRange, {what, number, off, size});
    return Reject(FindingCode::kStackVariableRange,
                  {what, number, TnumText(r.var.bits), off, size});
  }
  const auto slots = static_cast<size_t>((-low + kSlotBytes - 1) / kSlotBytes);
  if (slots > frame.stack.size()) state().MutableFrame(r.frame).stack.Grow(slots);
  uint32_t& depth = structure_.subprograms[state().frames[r.frame]->subprogram].stack_depth;
  depth = std::max(depth, static_cast<uint32_t>(slots) * kSlotBytes);
  return true;
}

bool Verifier::AccessStack(int number, int64_t off, int size, Access access, int value_reg) {
  const Register pointer = reg(number);
  if (pointer.HasConstOffset()) {
    off += static_cast<int64_t>(pointer.var.bits.value);
    if (access == Access::kWrite) {
      return WriteStackFixed(pointer.frame, off, size, value_reg);
    }
    MarkSlotsRead(pointer.frame, SlotBit(SlotOf(off)));
    TouchSlot(pointer.frame, off);
    return ReadStackFixed(pointer.frame, off, size, value_reg);
  }
  if (access == Access::kWrite) return WriteStackVariable(number, off, size, value_reg);
  if (value_reg < 0) {
    return Reject(FindingCode::kVarStackToHelper, {TnumText(pointer.var.bits), off, size});
  }
  return ReadStackVariable(number, off, size, value_reg);
}

// Puts `reg` into the slot of `off`; its first `size` bytes are the register,
// what is above keeps no register.
void Verifier::SaveRegister(Frame& frame, int64_t off, const Register& r, int size) {
  StackSlot& slot = frame.stack.Mutable(static_cast<size_t>(SlotOf(off)));
  slot.reg = r;
  slot.reg.precise = false;
  for (int i = 0; i < kSlotBytes; ++i) {
    StackByte& byte = slot.bytes[static_cast<size_t>(i)];
    if (i < size) {
      byte = StackByte::kSpill;
    } else if (byte == StackByte::kSpill) {
      byte = StackByte::kMisc;
    } else if (byte == StackByte::kZero || (byte == StackByte::kInvalid && allow_ptr_leaks())) {
      // Unchanged: known zeroes stay, unwritten bytes stay unwritten.
    } else {
      byte = StackByte::kMisc;
    }
  }
}

bool Verifier::WriteStackFixed(uint32_t frame_index, int64_t off, int size, int value_reg) {
  const int index = SlotOf(off);
  Frame& frame = state().MutableFrame(frame_index);
  StackSlot& slot = frame.stack.Mutable(static_cast<size_t>(index));
  if (!allow_ptr_leaks() && slot.IsSpill() && !slot.reg.IsScalar() && size != kSlotBytes) {
    return Reject(FindingCode::kCorruptSpill, {});
  }
  if (!DestroyDynptr(frame_index, static_cast<size_t>(index))) return false;
  TouchSlot(frame_index, off);
  if (size == kSlotBytes) state().written[frame_index] |= SlotBit(index);
  const DecodedInsn& insn = info(insn_).insn;
  const bool is_immediate = Info(insn.op).kind == OpKind::kStore && value_reg < 0 &&
                            Info(insn.op).operands == Operands::kMemImm;
  const bool aligned = off % kSlotBytes == 0;
  const uint32_t history =
      kHistoryStackAccess | static_cast<uint32_t>(index) << kHistorySlotShift | frame_index;
  Register* value = value_reg >= 0 ? &reg(value_reg) : nullptr;
  if (value != nullptr && aligned && value->IsScalar() && bpf_capable()) {
    const bool fits = WidthOf(*value) <= size * 8;
    if (fits) LinkForMove(*value);
    SaveRegister(frame, off, *value, size);
    if (!fits) slot.reg.id = 0;
    PushHistory(history, 0);
    return true;
  }
  if (is_immediate && aligned && bpf_capable()) {
    SaveRegister(frame, off, Register::Number(static_cast<uint64_t>(int64_t{insn.imm})), size);
    PushHistory(history, 0);
    return true;
  }
  if (value != nullptr && value->IsPointer()) {
    if (size != kSlotBytes) return Reject(FindingCode::kSpillSize, {});
    if (frame_index != state().depth && value->kind == RegKind::kStack) {
      return Reject(FindingCode::kSpillIntoCaller, {});
    }
    SaveRegister(frame, off, *value, size);
    PushHistory(history, 0);
    return true;
  }
  slot.Scrub();
  const bool zero = value != nullptr ? value->IsNullConstant() : is_immediate && insn.imm == 0;
  if (zero && value_reg >= 0 && !MarkPrecise(value_reg)) return false;
  for (int i = 0; i < size; ++i) {
    slot.bytes[ByteOf(off + i)] = zero ? StackByte::kZero : StackByte::kMisc;
  }
  return true;
}

bool Verifier::WriteStackVariable(int number, int64_t off, int size, int value_reg) {
  const Register pointer = reg(number);
  Frame& frame = state().MutableFrame(pointer.frame);
  const int64_t low = pointer.var.wide.smin + off;
  const int64_t high = pointer.var.wide.smax + off + size;
  const DecodedInsn& insn = info(insn_).insn;
  const bool zero = value_reg >= 0 ? reg(value_reg).IsNullConstant()
                                   : Info(insn.op).operands == Operands::kMemImm && insn.imm == 0;
  for (int slot = SlotOf(high - 1); slot <= SlotOf(low); ++slot) {
    if (!DestroyDynptr(pointer.frame, static_cast<size_t>(slot))) return false;
    changes_.slots[pointer.frame] |= SlotBit(slot);
  }
  bool zero_used = false;
  for (int64_t i = low; i < high; ++i) {
    StackSlot& slot = frame.stack.Mutable(static_cast<size_t>(SlotOf(i)));
    StackByte& byte = slot.bytes[ByteOf(i)];
    // The write may miss this byte: what was there must not become readable.
    if (!allow_ptr_leaks() && byte != StackByte::kMisc && byte != StackByte::kZero) {
      return Reject(FindingCode::kVarWriteOverPointer, {insn_, i});
    }
    if (zero && byte == StackByte::kSpill && slot.IsScalarSpill() && slot.reg.IsNullConstant()) {
      zero_used = true;
      continue;
    }
    if (slot.IsSpill() || slot.IsSpecial()) slot.Scrub();
    const bool stays_zero = zero && byte == StackByte::kZero;
    zero_used = zero_used || stays_zero;
    byte = stays_zero ? StackByte::kZero : StackByte::kMisc;
  }
  if (zero_used && value_reg >= 0) return MarkPrecise(value_reg);
  return true;
}

// All bytes known to be zero give 0, any others some number.
void Verifier::SetFromBytes(const Frame& frame, int64_t low, int64_t high, int dst) {
  bool all_zero = true;
  for (int64_t i = low; i < high; ++i) {
    const StackSlot& slot = frame.stack[static_cast<size_t>(SlotOf(i))];
    if (slot.bytes[ByteOf(i)] != StackByte::kZero) all_zero = false;
  }
  reg(dst) = all_zero ? Register::Number(0) : Register::Unknown();
}

bool Verifier::ReadStackFixed(uint32_t frame_index, int64_t off, int size, int dst) {
  const int index = SlotOf(off);
  const Frame& frame = *state().frames[frame_index];
  const StackSlot& slot = frame.stack[static_cast<size_t>(index)];
  const uint32_t history =
      kHistoryStackAccess | static_cast<uint32_t>(index) << kHistorySlotShift | frame_index;
  if (!slot.IsSpill()) {
    for (int i = 0; i < size; ++i) {
      const StackByte byte = slot.bytes[ByteOf(off + i)];
      if (byte == StackByte::kMisc || byte == StackByte::kZero) continue;
      if (byte == StackByte::kInvalid && allow_ptr_leaks()) continue;
      return Reject(FindingCode::kStackUninitialised, {off, i, size});
    }
    if (dst >= 0) SetFromBytes(frame, off, off + size, dst);
    return true;
  }
  int spill_size = 1;
  while (spill_size < kSlotBytes &&
         slot.bytes[static_cast<size_t>(spill_size)] == StackByte::kSpill) {
    ++spill_size;
  }
  if (size == kSlotBytes && spill_size == kSlotBytes) {
    if (dst >= 0) {
      reg(dst) = slot.reg;
    } else if (!allow_ptr_leaks() && slot.reg.IsPointer()) {
      return Reject(FindingCode::kLeakFromStack, {off});
    }
    PushHistory(history, 0);
    return true;
  }
  if (!slot.reg.IsScalar()) return Reject(FindingCode::kFillSize, {});
  if (dst < 0) return true;
  if (size <= spill_size && off % kSlotBytes == 0) {
    Register value = slot.reg;
    if (WidthOf(value) > size * 8) value.ClearId();
    reg(dst) = value;
    PushHistory(history, 0);
    return true;
  }
  int spilled = 0, zeroes = 0;
  for (int i = 0; i < size; ++i) {
    const StackByte byte = slot.bytes[ByteOf(off + i)];
    if (byte == StackByte::kSpill) ++spilled;
    if (byte == StackByte::kZero) ++zeroes;
    if (byte == StackByte::kInvalid && !allow_ptr_leaks()) {
      return Reject(FindingCode::kStackUninitialised, {off, i, size});
    }
  }
  if (spilled == size && slot.reg.IsNullConstant()) {
    reg(dst) = Register::Number(0);
    PushHistory(history, 0);
  } else if (zeroes == size) {
    reg(dst) = Register::Number(0);
  } else {
    reg(dst) = Register::Unknown();
  }
  return true;
}

bool Verifier::ReadStackVariable(int number, int64_t off, int size, int dst) {
  const Register pointer = reg(number);
  if (!CheckStackArgument(number, off, size, false, Access::kRead, nullptr)) return false;
  SetFromBytes(*state().frames[pointer.frame], pointer.var.wide.smin + off,
               pointer.var.wide.smax + off + size, dst);
  return true;
}

// Stack memory that is read as bytes: by a load at a variable offset or by a
// helper, which may write it if `access` says so. `off` includes the constant part.
bool Verifier::CheckStackArgument(int number, int64_t off, int64_t size, bool zero_allowed,
                                  Access access, CallInfo* call) {
  const Register pointer = reg(number);
  if (size == 0 && !zero_allowed) return Reject(FindingCode::kZeroSizedRead, {});
  const bool clobbers = access == Access::kWrite;
  if (!CheckStackBounds(number, off, size, access)) return false;
  int64_t low = off, high = off;
  if (pointer.HasConstOffset()) {
    low = high = static_cast<int64_t>(pointer.var.bits.value) + off;
  } else {
    // Which bytes are written is unknown: all of them must be initialised.
    if (call != nullptr && call->raw_mode) call = nullptr;
    low = pointer.var.wide.smin + off;
    high = pointer.var.wide.smax + off;
  }
  if (call != nullptr && call->raw_mode) {
    const Frame& written = *state().frames[pointer.frame];
    for (int64_t i = low; i < low + size; ++i) {
      if (written.stack[static_cast<size_t>(SlotOf(i))].bytes[0] == StackByte::kDynptr) {
        return Reject(FindingCode::kDynptrMayBeWritten, {i});
      }
    }
    call->raw_size = size;
    call->raw_register = number;
    return true;
  }
  uint64_t slots = 0;
  for (int64_t i = low; i < high + size; ++i) {
    const auto index = static_cast<size_t>(SlotOf(i));
    const StackSlot& slot = state().frames[pointer.frame]->stack[index];
    const StackByte byte = slot.bytes[ByteOf(i)];
    slots |= SlotBit(SlotOf(i));
    bool ok = byte == StackByte::kMisc;
    if (byte == StackByte::kZero || (byte == StackByte::kInvalid && allow_ptr_leaks())) {
      if (clobbers) {
        state().MutableFrame(pointer.frame).stack.Mutable(index).bytes[ByteOf(i)] =
            StackByte::kMisc;
      }
      ok = true;
    } else if (byte == StackByte::kSpill && (slot.reg.IsScalar() || allow_ptr_leaks())) {
      if (clobbers) state().MutableFrame(pointer.frame).stack.Mutable(index).Scrub();
      ok = true;
    }
    if (!ok) {
      if (pointer.HasConstOffset()) {
        return Reject(FindingCode::kStackUninitialisedArg, {number, low, i - low, size});
      }
      return Reject(FindingCode::kStackUninitialisedVar,
                    {number, TnumText(pointer.var.bits), i - low, size});
    }
  }
  changes_.slots[pointer.frame] |= slots;
  MarkSlotsRead(pointer.frame, slots);
  return true;
}

}  // namespace skep::verifier
