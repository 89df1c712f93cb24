// SPDX-License-Identifier: Apache-2.0
// Helper calls: may this program call it, do the arguments fit its prototype,
// what does it return. The order of the checks is Linux's.

#include <algorithm>

#include "verifier/format_string.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

// Helpers with rules that the prototype does not say (enum bpf_func_id).
enum : uint32_t {
  kMapLookupElem = 1,
  kMapUpdateElem = 2,
  kMapDeleteElem = 3,
  kGetSmpProcessorId = 8,
  kTailCall = 12,
  kPerfEventRead = 22,
  kPerfEventOutput = 25,
  kGetStackid = 27,
  kSkbUnderCgroup = 33,
  kCurrentTaskUnderCgroup = 37,
  kProbeReadStr = 45,
  kRedirectMap = 51,
  kSkRedirectMap = 52,
  kSockMapUpdate = 53,
  kPerfEventReadValue = 55,
  kMsgRedirectMap = 60,
  kGetStack = 67,
  kSockHashUpdate = 70,
  kMsgRedirectHash = 71,
  kSkRedirectHash = 72,
  kGetLocalStorage = 81,
  kSkSelectReuseport = 82,
  kMapPushElem = 87,
  kMapPopElem = 88,
  kMapPeekElem = 89,
  kSkStorageGet = 107,
  kSkStorageDelete = 108,
  kSkbOutput = 111,
  kProbeReadUserStr = 114,
  kProbeReadKernelStr = 115,
  kXdpOutput = 121,
  kRingbufOutput = 130,
  kRingbufReserve = 131,
  kRingbufQuery = 134,
  kGetTaskStack = 141,
  kInodeStorageGet = 145,
  kInodeStorageDelete = 146,
  kTaskStorageGet = 156,
  kTaskStorageDelete = 157,
  kForEachMapElem = 164,
  kSnprintf = 165,
  kMapLookupPercpuElem = 195,
  kRingbufReserveDynptr = 198,
  kRingbufSubmitDynptr = 199,
  kRingbufDiscardDynptr = 200,
  kUserRingbufDrain = 209,
  kCgrpStorageGet = 210,
  kCgrpStorageDelete = 211,
};

constexpr int64_t kMaxSize = 1 << 29;
constexpr int64_t kMaxErrno = 4095;

// Linux writes "bpf_" in front of the name.
std::string HelperName(const HelperSpec& helper) {
  const bool has_prefix = helper.name.substr(0, 4) == "bpf_";
  return (has_prefix ? "" : "bpf_") + std::string(helper.name);
}

bool IsGplCompatible(std::string_view license) {
  constexpr std::string_view kCompatible[] = {
      "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};
  return std::find(std::begin(kCompatible), std::end(kCompatible), license) !=
         std::end(kCompatible);
}

template <class T>
bool OneOf(T value, std::initializer_list<T> values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// The helpers that a map of this restricted type may be given to; empty: the
// type has no restriction of its own.
std::initializer_list<uint32_t> HelpersOf(MapType type) {
  switch (type) {
    case MapType::kProgArray: {
      static constexpr std::initializer_list<uint32_t> kIds = {kTailCall};
      return kIds;
    }
    case MapType::kPerfEventArray: {
      static constexpr std::initializer_list<uint32_t> kIds = {
          kPerfEventRead, kPerfEventOutput, kSkbOutput, kPerfEventReadValue, kXdpOutput};
      return kIds;
    }
    case MapType::kRingbuf: {
      static constexpr std::initializer_list<uint32_t> kIds = {
          kRingbufOutput,        kRingbufReserve,      kRingbufQuery,
          kRingbufReserveDynptr, kRingbufSubmitDynptr, kRingbufDiscardDynptr};
      return kIds;
    }
    case MapType::kUserRingbuf: {
      static constexpr std::initializer_list<uint32_t> kIds = {kUserRingbufDrain};
      return kIds;
    }
    case MapType::kStackTrace: {
      static constexpr std::initializer_list<uint32_t> kIds = {kGetStackid};
      return kIds;
    }
    case MapType::kCgroupArray: {
      static constexpr std::initializer_list<uint32_t> kIds = {kSkbUnderCgroup,
                                                               kCurrentTaskUnderCgroup};
      return kIds;
    }
    case MapType::kCgroupStorage:
    case MapType::kPercpuCgroupStorage: {
      static constexpr std::initializer_list<uint32_t> kIds = {kGetLocalStorage};
      return kIds;
    }
    case MapType::kDevmap:
    case MapType::kDevmapHash:
    case MapType::kXskmap: {
      static constexpr std::initializer_list<uint32_t> kIds = {kRedirectMap, kMapLookupElem};
      return kIds;
    }
    case MapType::kCpumap: {
      static constexpr std::initializer_list<uint32_t> kIds = {kRedirectMap};
      return kIds;
    }
    case MapType::kArrayOfMaps:
    case MapType::kHashOfMaps: {
      static constexpr std::initializer_list<uint32_t> kIds = {kMapLookupElem};
      return kIds;
    }
    case MapType::kQueue:
    case MapType::kStack: {
      static constexpr std::initializer_list<uint32_t> kIds = {kMapPeekElem, kMapPopElem,
                                                               kMapPushElem};
      return kIds;
    }
    case MapType::kBloomFilter: {
      static constexpr std::initializer_list<uint32_t> kIds = {kMapPeekElem, kMapPushElem};
      return kIds;
    }
    case MapType::kReuseportSockarray: {
      static constexpr std::initializer_list<uint32_t> kIds = {kSkSelectReuseport};
      return kIds;
    }
    default:
      return {};
  }
}

bool IsRestricted(MapType type) { return HelpersOf(type).size() != 0; }

// The map types a helper wants; true if `type` is one of them or it wants none
// in particular.
bool HelperTakes(uint32_t helper, MapType type) {
  using M = MapType;
  switch (helper) {
    case kTailCall:
      return type == M::kProgArray;
    case kPerfEventRead:
    case kPerfEventOutput:
    case kPerfEventReadValue:
    case kSkbOutput:
    case kXdpOutput:
      return type == M::kPerfEventArray;
    case kRingbufOutput:
    case kRingbufReserve:
    case kRingbufQuery:
    case kRingbufReserveDynptr:
    case kRingbufSubmitDynptr:
    case kRingbufDiscardDynptr:
      return type == M::kRingbuf;
    case kUserRingbufDrain:
      return type == M::kUserRingbuf;
    case kGetStackid:
      return type == M::kStackTrace;
    case kCurrentTaskUnderCgroup:
    case kSkbUnderCgroup:
      return type == M::kCgroupArray;
    case kRedirectMap:
      return OneOf(type, {M::kDevmap, M::kDevmapHash, M::kCpumap, M::kXskmap});
    case kSkRedirectMap:
    case kMsgRedirectMap:
    case kSockMapUpdate:
      return type == M::kSockmap;
    case kSkRedirectHash:
    case kMsgRedirectHash:
    case kSockHashUpdate:
      return type == M::kSockhash;
    case kGetLocalStorage:
      return OneOf(type, {M::kCgroupStorage, M::kPercpuCgroupStorage});
    case kSkSelectReuseport:
      return OneOf(type, {M::kReuseportSockarray, M::kSockmap, M::kSockhash});
    case kMapPopElem:
      return OneOf(type, {M::kQueue, M::kStack});
    case kMapPeekElem:
    case kMapPushElem:
      return OneOf(type, {M::kQueue, M::kStack, M::kBloomFilter});
    case kMapLookupPercpuElem:
      return OneOf(type, {M::kPercpuArray, M::kPercpuHash, M::kLruPercpuHash});
    case kForEachMapElem:
      return OneOf(type, {M::kHash, M::kArray, M::kPercpuHash, M::kPercpuArray, M::kLruHash,
                          M::kLruPercpuHash});
    case kSkStorageGet:
    case kSkStorageDelete:
      return type == M::kSkStorage;
    case kInodeStorageGet:
    case kInodeStorageDelete:
      return type == M::kInodeStorage;
    case kTaskStorageGet:
    case kTaskStorageDelete:
      return type == M::kTaskStorage;
    case kCgrpStorageGet:
    case kCgrpStorageDelete:
      return type == M::kCgrpStorage;
    default:
      return true;
  }
}

bool IsLocalStorage(MapType type) {
  return OneOf(type, {MapType::kSkStorage, MapType::kInodeStorage, MapType::kTaskStorage,
                      MapType::kCgrpStorage, MapType::kStructOps});
}

// How Linux lists what an argument may be.
std::string_view ExpectedText(ArgKind kind) {
  switch (kind) {
    case ArgKind::kContext:
      return "ctx";
    case ArgKind::kConstMap:
      return "map_ptr";
    case ArgKind::kConstSize:
    case ArgKind::kConstSizeOrZero:
    case ArgKind::kConstAllocSizeOrZero:
      return "scalar";
    case ArgKind::kRingbufMem:
      return "ringbuf_mem";
    case ArgKind::kStack:
      return "fp";
    case ArgKind::kConstString:
      return "map_value";
    case ArgKind::kFunction:
      return "func";
    default:
      return "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_";
  }
}

bool IsMemoryKind(const Register& r, const ArgSpec& arg) {
  switch (r.kind) {
    case RegKind::kStack:
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
    case RegKind::kMapKey:
    case RegKind::kMapValue:
      return true;
    case RegKind::kMemory:
      return (r.flags & kReadOnly) == 0 || (arg.flags & kArgReadOnly) != 0;
    default:
      return false;
  }
}

}  // namespace

uint32_t Verifier::AcquireReference() {
  const uint32_t id = NewId();
  state().refs.push_back({id, insn_});
  changes_.references = true;
  return id;
}

bool Verifier::ReleaseReference(uint32_t ref_id) {
  auto& refs = state().refs;
  const auto it =
      std::find_if(refs.begin(), refs.end(), [&](const Reference& r) { return r.id == ref_id; });
  if (it == refs.end()) return false;
  refs.erase(it);
  ForEachRegister(state(), [&](Register& r) {
    if (r.ref_id == ref_id) r = privileged() ? Register::Unknown() : Register{};
  });
  return true;
}

bool Verifier::CheckNoReferences(const char* where) {
  if (state().refs.empty()) return true;
  for (const Reference& r : state().refs) Note(FindingCode::kUnreleasedReference, {r.id, r.insn});
  return Reject(FindingCode::kReferenceLeak, {where});
}

void Verifier::InvalidatePackets() {
  ForEachRegister(state(), [&](Register& r) {
    if (r.IsPacketAny()) r = privileged() ? Register::Unknown() : Register{};
  });
}

void Verifier::ClearCallerSaved() {
  for (int i = 0; i <= 5; ++i) reg(i) = Register{};
  changes_.regs |= 0x3f;
}

bool Verifier::CheckHelperAllowed(const DecodedInsn& insn, const HelperSpec** found) {
  const auto id = static_cast<uint32_t>(insn.imm);
  const HelperSpec* any = FindAnyHelper(environment_, id);
  if (any == nullptr) return Reject(FindingCode::kUnknownHelper, {"unknown", insn.imm});
  const ProgramClass program_class =
      ProgramClassOf(program_.type(), program_.data().expected_attach_type);
  const HelperSpec* helper = FindHelper(environment_.helpers, id, program_class);
  const bool capable = privileged() || any->capability == HelperCapability::kNone;
  if (helper == nullptr || !capable) {
    return Reject(FindingCode::kHelperProgramType, {HelperName(*any), id});
  }
  *found = helper;
  if ((helper->flags & kHelperGplOnly) != 0 && !IsGplCompatible(program_.data().license)) {
    return Reject(FindingCode::kGplOnly, {});
  }
  if ((helper->refused_programs & MaskOf(program_class)) != 0) {
    return Reject(FindingCode::kHelperInProbe, {});
  }
  if ((helper->flags & kHelperMightSleep) != 0 && !program_.data().sleepable) {
    return Reject(FindingCode::kSleepableHelper, {});
  }
  if ((helper->flags & kHelperCallsBack) != 0) {
    return Reject(FindingCode::kUnsupportedCallback, {HelperName(*helper)});
  }
  return true;
}

bool Verifier::CallHelper(const DecodedInsn& insn) {
  const HelperSpec* helper = nullptr;
  if (!CheckHelperAllowed(insn, &helper)) return false;
  CallInfo call;
  call.helper = helper;
  for (int i = 0; i < 5; ++i) {
    if (!CheckArgument(*helper, i, call)) return false;
  }
  if (!CheckHelperRules(*helper, call)) return false;
  // What the helper may have written is initialised now.
  if (call.raw_register >= 0) {
    const Register pointer = reg(call.raw_register);
    Frame& frame = *state().frames[pointer.frame];
    const int64_t low = pointer.off + static_cast<int64_t>(pointer.var.bits.value);
    for (int64_t i = low; i < low + call.raw_size; ++i) {
      StackSlot& slot = frame.stack[static_cast<size_t>(SlotOf(i))];
      slot.Scrub();
      slot.bytes[ByteOf(i)] = StackByte::kMisc;
      TouchSlot(pointer.frame, i);
    }
  }
  if (call.release_register >= 0) {
    const Register& released = reg(call.release_register);
    if (!released.IsNullConstant() && !ReleaseReference(call.reference)) {
      return Reject(FindingCode::kNotAcquired, {HelperName(*helper), helper->id});
    }
    changes_.references = true;
  }
  if (!SetHelperResult(*helper, call)) return false;
  if (!CheckMapHelper(*helper, call)) return false;
  NoteCall(*helper, call);
  if ((helper->flags & kHelperChangesPacket) != 0) InvalidatePackets();
  return true;
}

// Rules of single helpers, after their arguments were checked.
bool Verifier::CheckHelperRules(const HelperSpec& helper, CallInfo& call) {
  const uint32_t id = helper.id;
  if (id == kTailCall) {
    if (call.has_map && map(call.map).type != MapType::kProgArray) {
      return Reject(FindingCode::kTailCallMap, {});
    }
    if (!CheckNoReferences("tail_call")) return false;
    if (reg(3).IsScalar() && reg(3).var.bits.IsConst() && !MarkPrecise(3)) return false;
  }
  if (call.has_map && ReadOnlyForPrograms(map(call.map)) &&
      OneOf<uint32_t>(id, {kMapUpdateElem, kMapDeleteElem, kMapPushElem, kMapPopElem})) {
    return Reject(FindingCode::kReadOnlyMapHelper, {});
  }
  if (id == kGetLocalStorage && !reg(2).IsNullConstant()) {
    return Reject(FindingCode::kStorageFlags, {});
  }
  if (id == kSnprintf) return CheckSnprintf();
  return true;
}

bool Verifier::CheckMapHelper(const HelperSpec& helper, const CallInfo& call) {
  if (!call.has_map) return true;
  const MapType type = map(call.map).type;
  const auto allowed = HelpersOf(type);
  const bool map_ok =
      !IsRestricted(type) || std::find(allowed.begin(), allowed.end(), helper.id) != allowed.end();
  const bool storage_ok = !IsLocalStorage(type) || helper.id >= kSkStorageGet;
  if (!map_ok || !storage_ok || !HelperTakes(helper.id, type)) {
    return Reject(FindingCode::kMapHelperMismatch,
                  {static_cast<uint32_t>(type), HelperName(helper), helper.id});
  }
  return true;
}

// What lowering wants to know about the call, if it is the same on all paths.
void Verifier::NoteCall(const HelperSpec& helper, const CallInfo& call) {
  InsnNotes& notes = notes_[insn_];
  if (call.has_map) {
    const uint32_t index = call.map < program_.maps().size() ? call.map : model::kNoMap;
    if (!notes.has_map) {
      notes.fact.map = index;
    } else if (notes.fact.map != index) {
      notes.fact.map = model::kNoMap;
    }
    notes.has_map = true;
  }
  if (helper.id == kTailCall) {
    const uint64_t index = notes.tail_call_index;
    if (!notes.has_index) {
      notes.fact.constant_index = index;
    } else if (notes.fact.constant_index != index) {
      notes.fact.constant_index = model::kUnknownIndex;
    }
    notes.has_index = true;
  }
}

bool Verifier::CheckArgumentKind(const HelperSpec& helper, int index, const ArgSpec& arg) {
  const int number = index + 1;
  const Register& r = reg(number);
  bool ok = false;
  switch (arg.kind) {
    case ArgKind::kContext:
      ok = r.kind == RegKind::kContext;
      break;
    case ArgKind::kConstMap:
      ok = r.kind == RegKind::kMapPointer;
      break;
    case ArgKind::kConstSize:
    case ArgKind::kConstSizeOrZero:
    case ArgKind::kConstAllocSizeOrZero:
      ok = r.IsScalar();
      break;
    case ArgKind::kMapKey:
    case ArgKind::kMapValue:
    case ArgKind::kMem:
      ok = IsMemoryKind(r, arg);
      break;
    case ArgKind::kRingbufMem:
      ok = r.kind == RegKind::kMemory && (r.flags & kRingbuf) != 0;
      break;
    case ArgKind::kStack:
      ok = r.kind == RegKind::kStack;
      break;
    case ArgKind::kConstString:
      ok = r.kind == RegKind::kMapValue;
      break;
    case ArgKind::kFunction:
      ok = r.kind == RegKind::kFunction;
      break;
    case ArgKind::kNone:
    case ArgKind::kAnything:
      return true;
    case ArgKind::kSpinLock:
    case ArgKind::kTimer:
    case ArgKind::kKptr:
    case ArgKind::kDynptr:
    case ArgKind::kSockCommon:
    case ArgKind::kSocket:
    case ArgKind::kBtfId:
    case ArgKind::kBtfIdSockCommon:
    case ArgKind::kPercpuBtfId:
      return Reject(FindingCode::kUnsupportedArgument, {number, HelperName(helper)});
  }
  const bool null_ok = !r.MaybeNull() || (arg.flags & kArgMaybeNull) != 0;
  if (ok && null_ok) return true;
  return Reject(FindingCode::kArgumentKind, {number, KindName(r), ExpectedText(arg.kind)});
}

bool Verifier::CheckArgumentOffset(const Register& r, int number, const ArgSpec& arg) {
  if ((arg.flags & kArgRelease) != 0) {
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
    case RegKind::kScalar:
      return true;
    default:
      return CheckPointerOffset(r, number, false);
  }
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
      notes_[insn_].tail_call_index =
          r.IsScalar() && r.var.bits.IsConst() ? r.var.value() : model::kUnknownIndex;
    }
    return true;
  }
  if (r.IsPacket() &&
      (type_->packet == PacketAccess::kNone || (helper.flags & kHelperPacketAccess) == 0)) {
    return Reject(FindingCode::kHelperPacket, {});
  }
  if (arg.kind == ArgKind::kMapValue && call.has_map) {
    const MapType type = map(call.map).type;
    if (type == MapType::kSockmap || type == MapType::kSockhash) {
      return Reject(FindingCode::kUnsupportedMapType, {static_cast<uint32_t>(type)});
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
    if (r.ref_id == 0 && !r.IsNullConstant()) return Reject(FindingCode::kNotReferenced, {number});
    call.release_register = number;
  }
  if (r.ref_id != 0) call.reference = r.ref_id;

  const ArgSpec& before = helper.args[static_cast<size_t>(index > 0 ? index - 1 : 0)];
  const Access access =
      (before.flags & (kArgWrite | kArgUninit)) != 0 ? Access::kWrite : Access::kRead;
  const Access own_access =
      (arg.flags & (kArgWrite | kArgUninit)) != 0 ? Access::kWrite : Access::kRead;
  switch (arg.kind) {
    case ArgKind::kConstMap:
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
             CheckMapValue(number, r.off, size, zero_allowed);
    case RegKind::kMemory:
      if ((r.flags & kReadOnly) != 0 && access == Access::kWrite) {
        return Reject(FindingCode::kReadOnlyMemory, {number, KindName(r)});
      }
      return CheckRegion(number, r.off, size, r.size, zero_allowed);
    case RegKind::kStack:
      return CheckStackArgument(number, r.off, size, zero_allowed, access, call);
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
  if (!CheckMapValue(number, r.off, m.value_size - at, false)) return false;
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
  return Backtrack(request);
}

bool Verifier::SetHelperResult(const HelperSpec& helper, const CallInfo& call) {
  const auto reserved = [&](uint64_t limit) { return call.memory_size <= limit; };
  const bool maybe_null = (helper.flags & kHelperReturnMaybeNull) != 0;
  ClearCallerSaved();
  Register& r0 = reg(0);
  switch (helper.returns) {
    case ReturnKind::kVoid:
      return true;
    case ReturnKind::kInteger:
      r0 = Register::Unknown();
      break;
    case ReturnKind::kMapValue: {
      if (!call.has_map) return Reject(FindingCode::kUnsupportedReturn, {HelperName(helper)});
      const MapSpec& m = map(call.map);
      if (OneOf(m.type, {MapType::kSockmap, MapType::kSockhash, MapType::kXskmap})) {
        return Reject(FindingCode::kUnsupportedReturn, {HelperName(helper)});
      }
      const bool of_maps = OneOf(m.type, {MapType::kArrayOfMaps, MapType::kHashOfMaps});
      if (of_maps && m.inner == nullptr) {
        return Reject(FindingCode::kUnknownInnerMap, {m.name});
      }
      r0 = Register::Pointer(RegKind::kMapValue);
      r0.map = call.map;
      r0.map_uid = call.map_uid;
      notes_[insn_].looked_up = true;
      const bool there = call.key_is_constant && call.key < m.max_entries;
      if (maybe_null && !there) {
        r0.flags |= kMaybeNull;
        notes_[insn_].maybe_null_seen = true;
      }
      break;
    }
    case ReturnKind::kMem:
      if (!reserved(~uint32_t{0})) return Reject(FindingCode::kSizeNotConstant, {2});
      r0 = Register::Pointer(RegKind::kMemory, maybe_null ? kMaybeNull : 0);
      r0.size = static_cast<uint32_t>(call.memory_size);
      if ((helper.flags & kHelperReturnRingbuf) != 0) r0.flags |= kRingbuf;
      if ((helper.flags & kHelperReturnReadOnly) != 0) r0.flags |= kReadOnly;
      break;
    case ReturnKind::kMemOrBtfId:
    case ReturnKind::kSocket:
    case ReturnKind::kSockCommon:
    case ReturnKind::kTcpSock:
    case ReturnKind::kBtfId:
      return Reject(FindingCode::kUnsupportedReturn, {HelperName(helper)});
  }
  if (r0.MaybeNull()) r0.id = NewId();
  if ((helper.flags & kHelperAcquires) != 0) {
    const uint32_t id = AcquireReference();
    r0.id = id;
    r0.ref_id = id;
  }
  switch (helper.id) {
    case kGetStack:
    case kGetTaskStack:
    case kProbeReadStr:
    case kProbeReadKernelStr:
    case kProbeReadUserStr:
      r0.var = Scalar::FromSignedRange(-kMaxErrno, static_cast<int64_t>(call.size_max));
      break;
    case kGetSmpProcessorId:
      r0.var = Scalar::FromRange(0, environment_.cpu_slots - 1);
      break;
    default:
      break;
  }
  return true;
}

}  // namespace skep::verifier
