// SPDX-License-Identifier: Apache-2.0
// The arguments of a helper call against its prototype, left to right.

#include <span>

#include "verifier/format_string.h"
#include "verifier/helper_rules.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr int64_t kMaxSize = 1 << 29;

struct Accepted {
  RegKind kind;
  uint16_t flags = 0;
};
constexpr Accepted kContexts[] = {{RegKind::kContext}};
constexpr Accepted kMaps[] = {{RegKind::kMapPointer}};
constexpr Accepted kScalars[] = {{RegKind::kScalar}};
constexpr Accepted kMemories[] = {{RegKind::kStack},
                                  {RegKind::kPacket},
                                  {RegKind::kPacketMeta},
                                  {RegKind::kMapKey},
                                  {RegKind::kMapValue},
                                  {RegKind::kMemory},
                                  {RegKind::kMemory, kRingbuf},
                                  {RegKind::kBuffer},
                                  {RegKind::kBtfId, kTrusted}};
constexpr Accepted kRecords[] = {{RegKind::kMemory, kRingbuf}};
constexpr Accepted kStacks[] = {{RegKind::kStack}};
constexpr Accepted kMapValues[] = {{RegKind::kMapValue}};
constexpr Accepted kFunctions[] = {{RegKind::kFunction}};
constexpr Accepted kValuesAndObjects[] = {{RegKind::kMapValue}, {RegKind::kBtfId, kAlloc}};
constexpr Accepted kDynptrs[] = {{RegKind::kStack}, {RegKind::kDynptr}};
constexpr Accepted kBtfPointers[] = {
    {RegKind::kBtfId}, {RegKind::kBtfId, kTrusted}, {RegKind::kBtfId, kRcu}};
constexpr Accepted kPercpuPointers[] = {{RegKind::kBtfId, kPercpu},
                                        {RegKind::kBtfId, kPercpu | kRcu},
                                        {RegKind::kBtfId, kPercpu | kTrusted}};
constexpr Accepted kFullSockets[] = {{RegKind::kSocket}};
constexpr Accepted kSockets[] = {
    {RegKind::kSockCommon}, {RegKind::kSocket}, {RegKind::kTcpSock}, {RegKind::kXdpSock}};
constexpr Accepted kSocketsAndBtf[] = {{RegKind::kSockCommon}, {RegKind::kSocket},
                                       {RegKind::kTcpSock},    {RegKind::kXdpSock},
                                       {RegKind::kBtfId},      {RegKind::kBtfId, kTrusted}};

// What an argument may be, in the order in which Linux lists it.
std::span<const Accepted> AcceptedBy(ArgKind kind) {
  switch (kind) {
    case ArgKind::kContext:
      return kContexts;
    case ArgKind::kConstMap:
      return kMaps;
    case ArgKind::kConstSize:
    case ArgKind::kConstSizeOrZero:
    case ArgKind::kConstAllocSizeOrZero:
      return kScalars;
    case ArgKind::kMapKey:
    case ArgKind::kMapValue:
    case ArgKind::kMem:
      return kMemories;
    case ArgKind::kRingbufMem:
      return kRecords;
    case ArgKind::kStack:
      return kStacks;
    case ArgKind::kConstString:
    case ArgKind::kTimer:
      return kMapValues;
    case ArgKind::kFunction:
      return kFunctions;
    case ArgKind::kSpinLock:
    case ArgKind::kKptr:
      return kValuesAndObjects;
    case ArgKind::kDynptr:
      return kDynptrs;
    case ArgKind::kSockCommon:
      return kSockets;
    case ArgKind::kSocket:
      return kFullSockets;
    case ArgKind::kBtfId:
      return kBtfPointers;
    case ArgKind::kBtfIdSockCommon:
      return kSocketsAndBtf;
    case ArgKind::kPercpuBtfId:
      return kPercpuPointers;
    case ArgKind::kNone:
    case ArgKind::kAnything:
      break;
  }
  return {};
}

std::string ExpectedText(std::span<const Accepted> accepted) {
  std::string out;
  for (const Accepted& a : accepted) {
    if (!out.empty()) out += ", ";
    out += KindName(Register::Pointer(a.kind, a.flags));
  }
  return out;
}

}  // namespace

bool Verifier::CheckArgumentKind(const HelperSpec& helper, int index, const ArgSpec& arg) {
  const int number = index + 1;
  const Register& r = reg(number);
  uint16_t folded = 0;
  if ((arg.flags & kArgReadOnly) != 0) folded |= kReadOnly;
  if ((arg.flags & kArgMaybeNull) != 0) folded |= kMaybeNull;
  // The type of a dynptr is checked with it; a slice of one is memory as any other.
  if (r.kind == RegKind::kDynptr || arg.kind == ArgKind::kMem) folded |= kDynptrTypes;
  // What the field may own is checked with the field.
  if (helper.id == kKptrXchg && number == 2) folded |= kAlloc | kPercpu;
  const std::span<const Accepted> accepted = AcceptedBy(arg.kind);
  for (const Accepted& a : accepted) {
    if (r.kind != a.kind || (r.flags & ~folded) != a.flags) continue;
    return r.kind != RegKind::kBtfId || CheckBtfArgument(helper, number, arg);
  }
  return Reject(FindingCode::kArgumentKind, {number, KindName(r), ExpectedText(accepted)});
}

bool Verifier::CheckArgumentOffset(const Register& r, int number, const ArgSpec& arg) {
  if ((arg.flags & kArgRelease) != 0) {
    // A dynptr in the stack stands for what it refers to.
    if (arg.kind == ArgKind::kDynptr && r.kind == RegKind::kStack) return true;
    if (r.off != 0) return Reject(FindingCode::kReleaseOffset, {number});
    return CheckPointerOffset(r, number, false);
  }
  switch (r.kind) {
    case RegKind::kStack:
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
    case RegKind::kMapKey:
    case RegKind::kMapValue:
    case RegKind::kMemory:
    case RegKind::kBuffer:
    case RegKind::kArena:
    case RegKind::kScalar:
      return true;
    case RegKind::kBtfId:
      return CheckPointerOffset(r, number, (r.flags & (kPercpu | kUntrusted)) == 0);
    default:
      return CheckPointerOffset(r, number, false);
  }
}

bool Verifier::HelperMayTakePackets(const HelperSpec& helper) const {
  switch (type_->packet) {
    case PacketAccess::kNone:
    case PacketAccess::kReadDirectly:
      return false;
    case PacketAccess::kRead:
    case PacketAccess::kReadWrite:
      return (helper.flags & kHelperPacketAccess) != 0;
    case PacketAccess::kReadWriteAny:
      return true;
  }
  return false;
}

bool Verifier::CheckArgument(const HelperSpec& helper, int index, CallInfo& call) {
  const int number = index + 1;
  ArgSpec arg = helper.args[static_cast<size_t>(index)];
  if (arg.kind == ArgKind::kNone) return true;
  if (!CheckSource(number)) return false;
  Register& r = reg(number);
  if (arg.kind == ArgKind::kAnything) {
    if (LeaksPointer(number)) return Reject(FindingCode::kLeakIntoHelper, {number});
    if (helper.id == kTailCall && number == 3) {
      const bool known =
          r.IsScalar() && r.var.bits.IsConst() && r.var.value() < model::kUnknownIndex;
      if (known) call.tail_call_index = static_cast<uint32_t>(r.var.value());
    }
    return true;
  }
  if (r.IsPacket() && !HelperMayTakePackets(helper)) {
    return Reject(FindingCode::kHelperPacket, {});
  }
  if (arg.kind == ArgKind::kMapValue && call.has_map) {
    const MapType type = map(call.map).type;
    if (type == MapType::kSockmap || type == MapType::kSockhash) {
      if (arg.flags != 0) return Reject(FindingCode::kSocketMapArgument, {});
      arg.kind = ArgKind::kBtfIdSockCommon;
    }
    // A bloom filter's peek reads the value.
    if (type == MapType::kBloomFilter && helper.id == kMapPeekElem) arg.flags = kArgReadOnly;
  }
  const bool is_null = r.IsNullConstant() && (arg.flags & kArgMaybeNull) != 0;
  if (is_null) {
    if (!MarkPrecise(number)) return false;
  } else {
    if (!CheckArgumentKind(helper, index, arg)) return false;
    if (!CheckArgumentOffset(r, number, arg)) return false;
  }
  if ((arg.flags & kArgRelease) != 0) {
    // Whether it may be null is asked before whether it is the program's to give.
    if (helper.id == kKptrXchg && r.kind == RegKind::kBtfId && r.MaybeNull()) {
      return CheckKptrObject(number, call);
    }
    if (arg.kind == ArgKind::kDynptr) {
      if (r.kind != RegKind::kStack) return Reject(FindingCode::kDynptrRelease, {});
      const Register* dynptr = DynptrAt(number);
      if (dynptr == nullptr || dynptr->ref_id == 0) {
        return Reject(FindingCode::kDynptrUnacquired, {number});
      }
      call.releases_dynptr = true;
    } else if (r.ref_id == 0 && !r.IsNullConstant()) {
      return Reject(FindingCode::kNotReferenced, {number});
    }
    call.release_register = number;
  }
  if (r.ref_id != 0 && arg.kind != ArgKind::kKptr) {
    if (call.reference != 0) {
      return Reject(FindingCode::kTwoReferences, {number, r.ref_id, call.reference});
    }
    call.reference = r.ref_id;
  }

  return CheckArgumentMemory(helper, index, arg, is_null, call);
}

// What an argument of the right kind points to.
bool Verifier::CheckArgumentMemory(const HelperSpec& helper, int index, const ArgSpec& arg,
                                   bool is_null, CallInfo& call) {
  const int number = index + 1;
  const Register& r = reg(number);
  const ArgSpec& before = helper.args[static_cast<size_t>(index > 0 ? index - 1 : 0)];
  const Access access =
      (before.flags & (kArgWrite | kArgUninit)) != 0 ? Access::kWrite : Access::kRead;
  const Access own_access =
      (arg.flags & (kArgWrite | kArgUninit)) != 0 ? Access::kWrite : Access::kRead;
  switch (arg.kind) {
    case ArgKind::kConstMap:
      if (call.has_map && (call.map != r.map || call.map_uid != r.map_uid)) {
        return Reject(FindingCode::kTimerMap, {call.map_uid, r.map_uid});
      }
      call.has_map = true;
      call.map = r.map;
      call.map_uid = r.map_uid;
      return true;
    case ArgKind::kMapKey:
      if (!CheckHelperMemory(number, map(call.map).key_size, Access::kRead, false, nullptr)) {
        return false;
      }
      return FindConstantKey(r, call);
    case ArgKind::kMapValue:
      if (is_null) return true;
      call.raw_mode = (arg.flags & kArgUninit) != 0;
      return CheckHelperMemory(number, map(call.map).value_size, own_access, false, &call);
    case ArgKind::kMem:
      call.raw_mode = (arg.flags & kArgUninit) != 0;
      if (arg.size == 0 || is_null) return true;
      if (!CheckHelperMemory(number, arg.size, own_access, false, &call)) return false;
      return (arg.flags & kArgAligned) == 0 ||
             CheckAlignment(reg(number), 0, static_cast<int>(arg.size), true);
    case ArgKind::kConstSize:
      return CheckSizeArgument(number, access, false, call);
    case ArgKind::kConstSizeOrZero:
      return CheckSizeArgument(number, access, true, call);
    case ArgKind::kConstAllocSizeOrZero:
      if (!r.var.bits.IsConst()) return Reject(FindingCode::kSizeNotConstant, {number});
      call.memory_size = r.var.value();
      return MarkPrecise(number);
    case ArgKind::kConstString:
      return CheckConstString(number, nullptr, nullptr);
    case ArgKind::kFunction:
      call.callback = r.subprogram;
      return true;
    case ArgKind::kKptr:
      return CheckKptrField(number, call);
    case ArgKind::kBtfId:
      return is_null || helper.id != kKptrXchg || CheckKptrObject(number, call);
    case ArgKind::kDynptr:
      return CheckDynptrArgument(number, arg);
    case ArgKind::kPercpuBtfId:
      call.pointee_btf = r.btf;
      call.pointee = r.btf_id;
      call.pointee_allocated = (r.flags & kRcu) != 0;
      return true;
    case ArgKind::kTimer:
      if (FieldAt(number, SpecialKind::kTimer) == nullptr) return false;
      call.has_map = true;
      call.map = r.map;
      call.map_uid = r.map_uid;
      return true;
    case ArgKind::kSpinLock:
      if (InGraphCallback()) return Reject(FindingCode::kGraphSpinInCallback, {});
      return ProcessLock(number, ReferenceKind::kSpinLock, helper.id == kSpinLock);
    default:
      return true;
  }
}

// `size` bytes at the pointer in register `number`, which a helper reads or
// writes.
bool Verifier::CheckHelperMemory(int number, int64_t size, Access access, bool zero_allowed,
                                 CallInfo* call) {
  const Register r = reg(number);
  switch (r.kind) {
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
      return CheckPacket(number, r.off, size, zero_allowed);
    case RegKind::kMapKey:
      if (access == Access::kWrite) {
        return Reject(FindingCode::kReadOnlyMemory, {number, KindName(r)});
      }
      return CheckRegion(number, r.off, size, map(r.map).key_size, false);
    case RegKind::kMapValue:
      return CheckMapAccessRights(number, r.off, size, access) &&
             CheckMapValue(number, r.off, size, zero_allowed, Accessor::kCall);
    case RegKind::kMemory:
      if ((r.flags & kReadOnly) != 0 && access == Access::kWrite) {
        return Reject(FindingCode::kReadOnlyMemory, {number, KindName(r)});
      }
      return CheckRegion(number, r.off, size, r.size, zero_allowed);
    case RegKind::kStack:
      return CheckStackArgument(number, r.off, size, zero_allowed, access, call);
    case RegKind::kBuffer:
      return AccessBuffer(number, r.off, size, access, -1);
    case RegKind::kBtfId:
      return AccessBtfPointer(number, r.off, size, Access::kRead, -1);
    default:
      if (zero_allowed && size == 0 && r.IsNullConstant()) return true;
      return Reject(FindingCode::kArgumentKind, {number, KindName(r), "fp"});
  }
}

// The size of the memory argument before it.
//
// Sound because: the largest size is checked, and memory that is initialised
// for it is initialised for smaller ones.
bool Verifier::CheckSizeArgument(int number, Access access, bool zero_allowed, CallInfo& call) {
  const Register& r = reg(number);
  const Scalar value = r.var;
  call.size_max = value.wide.umax;
  CallInfo* info = value.bits.IsConst() ? &call : nullptr;
  if (value.wide.smin < 0) return Reject(FindingCode::kSizeNegative, {number});
  if (value.wide.umin == 0 && !zero_allowed) {
    return Reject(FindingCode::kSizeZero, {number, value.wide.umin, value.wide.umax});
  }
  if (value.wide.umax >= static_cast<uint64_t>(kMaxSize)) {
    return Reject(FindingCode::kSizeUnbounded, {number});
  }
  return CheckHelperMemory(number - 1, static_cast<int64_t>(value.wide.umax), access, zero_allowed,
                           info) &&
         MarkPrecise(number);
}

// A string in the value of a map that nobody writes. On success the map and the
// string's offset, if asked for.
bool Verifier::CheckConstString(int number, const MapSpec** found, uint64_t* offset) {
  const Register& r = reg(number);
  const MapSpec& m = map(r.map);
  if ((m.flags & kMapRdonlyProg) == 0 || !m.frozen) {
    return Reject(FindingCode::kStringNotReadOnly, {number});
  }
  if (!r.HasConstOffset()) return Reject(FindingCode::kStringNotConstant, {number});
  if (m.type != MapType::kArray || m.max_entries != 1) {
    return Reject(FindingCode::kNoDirectValue, {});
  }
  const int64_t at = r.off + static_cast<int64_t>(r.var.bits.value);
  if (!CheckMapValue(number, r.off, m.value_size - at, false, Accessor::kCall)) return false;
  for (auto i = static_cast<uint64_t>(at); i < m.value_size; ++i) {
    if (InitialByte(m, i) == 0) {
      if (found != nullptr) *found = &m;
      if (offset != nullptr) *offset = static_cast<uint64_t>(at);
      return true;
    }
  }
  return Reject(FindingCode::kStringNotTerminated, {});
}

bool Verifier::CheckSnprintf() {
  const Scalar length = reg(5).var;
  if (!length.bits.IsConst() || length.value() % 8 != 0) {
    return Reject(FindingCode::kSnprintfSize, {});
  }
  const MapSpec* m = nullptr;
  uint64_t offset = 0;
  if (!CheckConstString(3, &m, &offset)) return false;
  std::string text;
  while (const uint8_t c = InitialByte(*m, offset)) {
    text.push_back(static_cast<char>(c));
    ++offset;
  }
  if (!IsValidFormat(text, length.value() / 8)) return Reject(FindingCode::kFormatString, {});
  return true;
}

// A key on the stack that is a constant: the element of an array is there.
bool Verifier::FindConstantKey(const Register& key, CallInfo& call) {
  const MapSpec& m = map(call.map);
  const bool elides = m.type == MapType::kArray || m.type == MapType::kPercpuArray;
  if (!elides || call.helper->id != kMapLookupElem) return true;
  if (key.kind != RegKind::kStack || !key.HasConstOffset()) return true;
  const int64_t off = key.off + static_cast<int64_t>(key.var.bits.value);
  const int index = SlotOf(off);
  const StackSlot& slot = state().frames[key.frame]->stack[static_cast<size_t>(index)];
  size_t zeroes = 0, spilled = 0;
  for (size_t i = ByteOf(off); i < kSlotBytes && slot.bytes[i] == StackByte::kZero; ++i) ++zeroes;
  if (zeroes >= m.key_size) {
    call.key_is_constant = true;
    call.key = 0;
    return true;
  }
  if (!slot.IsScalarSpill()) return true;
  for (size_t i = ByteOf(off); i < kSlotBytes && slot.bytes[i] == StackByte::kSpill; ++i) {
    ++spilled;
  }
  if (spilled != m.key_size || !slot.reg.var.bits.IsConst()) return true;
  call.key_is_constant = true;
  call.key = slot.reg.var.value();
  PrecisionRequest request;
  request.frame = state().depth;
  request.slots[key.frame] = uint64_t{1} << index;
  Backtrack(state(), request);
  return true;
}

}  // namespace skep::verifier
