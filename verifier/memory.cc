// SPDX-License-Identifier: Apache-2.0
// Loads and stores by the kind of pointer: map value, packet, memory. The stack is
// in memory_stack.cc, the context in memory_context.cc.

#include <cstring>
#include <limits>

#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

model::AccessKind AccessKindOf(const Register& pointer) {
  if ((pointer.flags & kUntrusted) != 0) return model::AccessKind::kObject;
  switch (pointer.kind) {
    case RegKind::kContext:
      return model::AccessKind::kContext;
    case RegKind::kMapValue:
      return model::AccessKind::kMapValue;
    case RegKind::kStack:
      return model::AccessKind::kStack;
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
      return model::AccessKind::kPacket;
    case RegKind::kMapKey:
    case RegKind::kMemory:
    case RegKind::kFlowKeys:
      return model::AccessKind::kMemory;
    case RegKind::kMapPointer:
    case RegKind::kSocket:
    case RegKind::kSockCommon:
    case RegKind::kTcpSock:
    case RegKind::kXdpSock:
      return model::AccessKind::kKernel;
    case RegKind::kTracingBuffer:
    case RegKind::kBuffer:
      return model::AccessKind::kObject;
    case RegKind::kBtfId:  // an object of the program's own is plain memory
      return pointer.btf == kProgramBtf ? model::AccessKind::kMemory : model::AccessKind::kObject;
    case RegKind::kArena:
      return model::AccessKind::kArena;
    case RegKind::kNotInit:
    case RegKind::kScalar:
    case RegKind::kPacketEnd:
    case RegKind::kFunction:
    case RegKind::kDynptr:
    case RegKind::kIterator:
      return model::AccessKind::kMixed;
  }
  return model::AccessKind::kMixed;
}

// Accesses through these become other instructions.
bool IsRewritten(RegKind kind) {
  Register r;
  r.kind = kind;
  return kind == RegKind::kContext || r.IsSocket() || kind == RegKind::kBtfId ||
         kind == RegKind::kArena;
}

}  // namespace

bool Verifier::LeaksPointer(int i) const {
  return !allow_ptr_leaks() && current_->reg(static_cast<size_t>(i)).IsPointer();
}

void Verifier::NoteAccess(const Register& pointer) {
  const model::AccessKind kind = AccessKindOf(pointer);
  model::AccessKind& noted = notes_[insn_].fact.access;
  for (const auto strong : {model::AccessKind::kKernel, model::AccessKind::kObject}) {
    if (noted != strong && kind != strong) continue;
    noted = strong;
    return;
  }
  noted = noted == model::AccessKind::kNone || noted == kind ? kind : model::AccessKind::kMixed;
}

// An access to a context or to the kernel's memory is rewritten for the host, so
// that one instruction cannot be that on one path and something else on another.
// Loads through pointers by BTF may differ in trust: they are guarded then.
bool Verifier::CheckSameKind(const Register& pointer, bool plain_load) {
  InsnNotes& notes = notes_[insn_];
  if (!notes.has_access) {
    notes.has_access = true;
    notes.access_kind = pointer.kind;
    notes.access_flags = pointer.flags;
    return true;
  }
  const bool same = notes.access_kind == pointer.kind && notes.access_flags == pointer.flags;
  if (same || (!IsRewritten(notes.access_kind) && !IsRewritten(pointer.kind))) return true;
  const auto guarded = [](RegKind kind) {
    return kind == RegKind::kBtfId || kind == RegKind::kMemory;
  };
  if (plain_load && guarded(notes.access_kind) && guarded(pointer.kind)) return true;
  return Reject(FindingCode::kDifferentPointers, {});
}

bool Verifier::CheckAlignment(const Register& r, int64_t off, int size, bool strict) {
  strict = strict || strict_alignment_ || r.kind == RegKind::kStack;
  if (!strict || size == 1 || r.kind == RegKind::kArena) return true;
  constexpr int64_t kIpAlign = 2;  // where Linux assumes the IP header to start
  const int64_t shift = r.IsPacket() ? kIpAlign : 0;
  const Tnum address = Add(r.var.bits, Tnum::Const(static_cast<uint64_t>(shift + r.off + off)));
  if (address.IsAligned(static_cast<uint64_t>(size))) return true;
  const std::string variable = r.var.bits.IsConst()
                                   ? std::to_string(static_cast<int64_t>(r.var.bits.value))
                                   : TnumText(r.var.bits);
  if (r.IsPacket()) {
    return Reject(FindingCode::kMisalignedPacket, {kIpAlign, variable, r.off, off, size});
  }
  std::string_view what;
  switch (r.kind) {
    case RegKind::kMapKey:
      what = "key ";
      break;
    case RegKind::kMapValue:
      what = "value ";
      break;
    case RegKind::kContext:
      what = "context ";
      break;
    case RegKind::kStack:
      what = "stack ";
      break;
    case RegKind::kFlowKeys:
      what = "flow keys ";
      break;
    case RegKind::kSocket:
      what = "sock ";
      break;
    case RegKind::kSockCommon:
      what = "sock_common ";
      break;
    case RegKind::kTcpSock:
      what = "tcp_sock ";
      break;
    case RegKind::kXdpSock:
      what = "xdp_sock ";
      break;
    default:
      break;
  }
  return Reject(FindingCode::kMisaligned, {what, variable, r.off, off, size});
}

// off .. off + size within 0 .. region.
bool Verifier::CheckRange(int number, int64_t off, int64_t size, uint64_t region,
                          bool zero_allowed) {
  const bool size_ok = size > 0 || (size == 0 && zero_allowed);
  if (off >= 0 && size_ok && static_cast<uint64_t>(off) + static_cast<uint64_t>(size) <= region) {
    return true;
  }
  const Register& r = reg(number);
  switch (r.kind) {
    case RegKind::kMapKey:
      Note(FindingCode::kMapKeyRange, {region, off, size});
      break;
    case RegKind::kMapValue:
      Note(FindingCode::kMapValueRange, {region, off, size});
      break;
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
      Note(FindingCode::kPacketRange, {off, size, number, r.id, off, region});
      break;
    default:
      Note(FindingCode::kMemoryRange, {region, off, size});
      break;
  }
  return false;
}

// Sound because: both ends of the variable part are checked, and all offsets
// lie between them.
bool Verifier::CheckRegion(int number, int64_t off, int64_t size, uint64_t region,
                           bool zero_allowed) {
  const Register& r = reg(number);
  const int64_t smin = r.var.wide.smin;
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  if (smin < 0 &&
      (smin == kMin || off + smin != static_cast<int32_t>(off + smin) || smin + off < 0)) {
    return Reject(FindingCode::kMinNegative, {number});
  }
  if (!CheckRange(number, smin + off, size, region, zero_allowed)) {
    return Reject(FindingCode::kMinOutside, {number});
  }
  if (r.var.wide.umax >= static_cast<uint64_t>(kMaxVarOff)) {
    return Reject(FindingCode::kUnbounded, {number});
  }
  if (!CheckRange(number, static_cast<int64_t>(r.var.wide.umax) + off, size, region,
                  zero_allowed)) {
    return Reject(FindingCode::kMaxOutside, {number});
  }
  return true;
}

bool Verifier::CheckMapAccessRights(int number, int64_t off, int64_t size, Access access) {
  const MapSpec& m = map(reg(number).map);
  if (access == Access::kWrite && ReadOnlyForPrograms(m)) {
    return Reject(FindingCode::kMapWrite, {m.value_size, off, size});
  }
  if (access == Access::kRead && (m.flags & kMapWronlyProg) != 0) {
    return Reject(FindingCode::kMapRead, {m.value_size, off, size});
  }
  return true;
}

bool Verifier::CheckMapValue(int number, int64_t off, int64_t size, bool zero_allowed,
                             Accessor by) {
  return CheckRegion(number, off, size, map(reg(number).map).value_size, zero_allowed) &&
         CheckSpecialFields(number, off, size, by);
}

// Locks, timers and kernel pointers inside a value have operations of their own.
bool Verifier::CheckSpecialFields(int number, int64_t off, int64_t size, Accessor by) {
  const Register& r = reg(number);
  for (const SpecialField& field : records_[r.map].fields) {
    const int64_t low = r.var.wide.smin + off;
    const int64_t high = static_cast<int64_t>(r.var.wide.umax) + off + size;
    if (low >= int64_t{field.offset} + field.size || high <= int64_t{field.offset}) continue;
    if ((MaskOf(field.kind) & (kKernelPointers | MaskOf(SpecialKind::kUptr))) != 0) {
      const std::string_view name = NameOf(field.kind);
      if (by != Accessor::kInsn) return Reject(FindingCode::kKptrByHelper, {name});
      if (!r.HasConstOffset()) return Reject(FindingCode::kKptrVariableOffset, {name});
      const int64_t at = off + static_cast<int64_t>(r.var.bits.value);
      if (at != field.offset) return Reject(FindingCode::kKptrMisaligned, {name, field.offset, at});
      if (size != int64_t{field.size}) return Reject(FindingCode::kKptrSize, {name});
      continue;
    }
    return Reject(FindingCode::kSpecialField, {NameOf(field.kind)});
  }
  return true;
}

bool Verifier::CheckPacket(int number, int64_t off, int64_t size, bool zero_allowed) {
  const Register& r = reg(number);
  // The range was proved for the variable part as it is: only the constant part
  // counts here.
  if (r.var.wide.smin < 0) return Reject(FindingCode::kMinNegative, {number});
  if (r.range < 0 || !CheckRange(number, off, size, static_cast<uint64_t>(r.range), zero_allowed)) {
    return Reject(FindingCode::kPacketOutside, {number});
  }
  return true;
}

// A pointer that may only be used as it was given.
bool Verifier::CheckPointerOffset(const Register& r, int number, bool fixed_allowed) {
  if (r.off < 0) {
    return Reject(FindingCode::kNegativeOffset, {KindName(r), number, r.off});
  }
  if (!fixed_allowed && r.off != 0) {
    return Reject(FindingCode::kModifiedContext, {KindName(r), number, r.off});
  }
  if (!r.var.bits.IsConst() || r.var.bits.value != 0) {
    return Reject(FindingCode::kVariableOffset, {KindName(r), TnumText(r.var.bits)});
  }
  return true;
}

bool Verifier::CheckMemory(int number, int32_t off, int size, Access access, int value_reg,
                           bool strict, bool sign_extend) {
  const Register pointer = reg(number);
  if (!CheckAlignment(pointer, off, size, strict)) return false;
  const int64_t at = int64_t{off} + pointer.off;
  bool ok = true;
  switch (pointer.kind) {
    case RegKind::kMapKey:
      if (access == Access::kWrite) return Reject(FindingCode::kKeyWrite, {number});
      ok = CheckRegion(number, at, size, map(pointer.map).key_size, false);
      if (ok && value_reg >= 0) SetUnknown(value_reg);
      break;
    case RegKind::kMapValue:
      ok = AccessMapValue(number, at, size, access, value_reg, sign_extend);
      break;
    case RegKind::kMemory:
      ok = AccessMemory(number, at, size, access, value_reg);
      break;
    case RegKind::kContext:
      ok = AccessContext(number, at, size, access, value_reg, sign_extend);
      break;
    case RegKind::kStack:
      ok = CheckStackBounds(number, at, size, access) &&
           AccessStack(number, at, size, access, value_reg);
      break;
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
      ok = AccessPacket(number, at, size, access, value_reg);
      break;
    case RegKind::kMapPointer:
      ok = AccessMapPointer(number, at, size, access, value_reg);
      break;
    case RegKind::kBtfId:
      ok = AccessBtfPointer(number, at, size, access, value_reg);
      break;
    case RegKind::kSocket:
    case RegKind::kSockCommon:
    case RegKind::kTcpSock:
    case RegKind::kXdpSock:
      ok = AccessSocket(number, at, size, access, value_reg);
      break;
    case RegKind::kFlowKeys:
      ok = AccessFlowKeys(at, size, access, value_reg);
      break;
    case RegKind::kTracingBuffer:
    case RegKind::kBuffer:
      ok = AccessBuffer(number, at, size, access, value_reg);
      break;
    case RegKind::kArena:
      ok = AccessArena(access, value_reg);
      break;
    case RegKind::kNotInit:
    case RegKind::kScalar:
    case RegKind::kPacketEnd:
    case RegKind::kFunction:
    case RegKind::kDynptr:
    case RegKind::kIterator:
      return Reject(FindingCode::kBadAccessKind, {number, KindName(pointer)});
  }
  if (!ok) return false;
  NoteAccess(pointer);
  if (access == Access::kRead && value_reg >= 0 && size < 8 && reg(value_reg).IsScalar()) {
    Register& value = reg(value_reg);
    // A number that sign extension changes is no longer the one it was linked to.
    if (sign_extend && value.var.wide.umax >> (size * 8 - 1) != 0) value.ClearId();
    value.var = sign_extend ? value.var.SignExtend(size * 8) : value.var.Truncate(size * 8);
  }
  return true;
}

bool Verifier::AccessMapValue(int number, int64_t off, int size, Access access, int value_reg,
                              bool sign_extend) {
  const Register pointer = reg(number);
  if (pointer.MaybeNull()) {
    return Reject(FindingCode::kBadAccessKind, {number, KindName(pointer)});
  }
  if (access == Access::kWrite && value_reg >= 0 && LeaksPointer(value_reg)) {
    return Reject(FindingCode::kLeakIntoMap, {value_reg});
  }
  if (!CheckMapAccessRights(number, off, size, access)) return false;
  if (!CheckMapValue(number, off, size, false, Accessor::kInsn)) return false;
  constexpr SpecialMask kPointers = kKernelPointers | MaskOf(SpecialKind::kUptr);
  const FieldRecord& record = records_[pointer.map];
  if (pointer.HasConstOffset() && !record.fields.empty()) {
    const int64_t field_at = off + static_cast<int64_t>(pointer.var.bits.value);
    const SpecialField* field = record.At(static_cast<uint32_t>(field_at), kPointers);
    if (field != nullptr) return AccessKptr(*field, access, value_reg);
  }
  if (access == Access::kWrite || value_reg < 0) return true;
  uint64_t value = 0;
  const int64_t at = off + static_cast<int64_t>(pointer.var.bits.value);
  if (pointer.HasConstOffset() && ReadConstant(map(pointer.map), at, size, sign_extend, &value)) {
    reg(value_reg) = Register::Number(value);
  } else {
    SetUnknown(value_reg);
  }
  return true;
}

// A frozen map that programs cannot write: its bytes are constants.
bool Verifier::ReadConstant(const MapSpec& m, int64_t off, int size, bool sign_extend,
                            uint64_t* value) const {
  const bool constant = m.type == MapType::kArray && m.max_entries == 1 && m.frozen &&
                        (m.flags & kMapRdonlyProg) != 0;
  if (!constant) return false;
  uint64_t bits = 0;
  for (int i = 0; i < size; ++i) {
    bits |= uint64_t{InitialByte(m, static_cast<uint64_t>(off + i))} << (8 * i);
  }
  if (sign_extend && size < 8) {
    const int shift = 64 - 8 * size;
    bits = static_cast<uint64_t>(static_cast<int64_t>(bits << shift) >> shift);
  }
  *value = bits;
  return true;
}

bool Verifier::AccessMemory(int number, int64_t off, int size, Access access, int value_reg) {
  const Register pointer = reg(number);
  if (pointer.MaybeNull()) {
    return Reject(FindingCode::kBadAccessKind, {number, KindName(pointer)});
  }
  if (access == Access::kWrite && (pointer.flags & kReadOnly) != 0) {
    return Reject(FindingCode::kReadOnlyMemory, {number, KindName(pointer)});
  }
  if (access == Access::kWrite && value_reg >= 0 && LeaksPointer(value_reg)) {
    return Reject(FindingCode::kLeakIntoMemory, {value_reg});
  }
  // Loads through an untrusted pointer are guarded, wherever they go.
  const bool guarded = (pointer.flags & kUntrusted) != 0;
  if (!guarded && !CheckRegion(number, off, size, pointer.size, false)) return false;
  if (access == Access::kRead && value_reg >= 0) SetUnknown(value_reg);
  return true;
}

bool Verifier::AccessPacket(int number, int64_t off, int size, Access access, int value_reg) {
  if (access == Access::kWrite && !PacketIsWritable(type_->packet)) {
    return Reject(FindingCode::kPacketWrite, {});
  }
  if (access == Access::kWrite && value_reg >= 0 && LeaksPointer(value_reg)) {
    return Reject(FindingCode::kLeakIntoPacket, {value_reg});
  }
  if (!CheckPacket(number, off, size, false)) return false;
  if (access == Access::kRead && value_reg >= 0) SetUnknown(value_reg);
  return true;
}

}  // namespace skep::verifier
