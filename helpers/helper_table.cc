// SPDX-License-Identifier: Apache-2.0
#include "helpers/helper_table.h"

#include <array>

#include "skep/helper_control.h"

#include "helpers/functions.h"

namespace skep {
namespace {

// ---- the words of helpers.def ------------------------------------------------
// Inside one namespace each, so that a row can only use them where they belong.

namespace arguments {
constexpr ArgSpec Of(ArgKind kind) { return {kind, 0, 0, {}}; }
constexpr ArgSpec operator|(ArgSpec spec, uint16_t flag) {
  spec.flags = static_cast<uint16_t>(spec.flags | flag);
  return spec;
}
constexpr uint16_t kR = kArgReadOnly;
constexpr uint16_t kU = kArgUninit | kArgWrite;
constexpr uint16_t kW = kArgWrite;
constexpr uint16_t kOrNull = kArgMaybeNull;
constexpr uint16_t kKey = kArgOpaque;
constexpr uint16_t kAligned = kArgAligned;
constexpr uint16_t kRelease = kArgRelease;
constexpr uint16_t kInRingbuf = kArgDynptrRingbuf;
constexpr uint16_t kLocal = kArgDynptrLocal;

constexpr ArgSpec Any = Of(ArgKind::kAnything);
constexpr ArgSpec Ctx = Of(ArgKind::kContext);
constexpr ArgSpec ConstMap = Of(ArgKind::kConstMap);
constexpr ArgSpec MapKey = Of(ArgKind::kMapKey);
constexpr ArgSpec MapValue = Of(ArgKind::kMapValue);
constexpr ArgSpec MapValueOut = MapValue | kU;
constexpr ArgSpec MemRead = Of(ArgKind::kMem) | kR;
constexpr ArgSpec MemWrite = Of(ArgKind::kMem) | kW;
constexpr ArgSpec MemOut = Of(ArgKind::kMem) | kU;
constexpr ArgSpec Size = Of(ArgKind::kConstSize);
constexpr ArgSpec SizeOrZero = Of(ArgKind::kConstSizeOrZero);
constexpr ArgSpec AllocSize = Of(ArgKind::kConstAllocSizeOrZero);
constexpr ArgSpec RingbufMem = Of(ArgKind::kRingbufMem);
constexpr ArgSpec Stack = Of(ArgKind::kStack);
constexpr ArgSpec ConstString = Of(ArgKind::kConstString);
constexpr ArgSpec Func = Of(ArgKind::kFunction);
constexpr ArgSpec SpinLock = Of(ArgKind::kSpinLock);
constexpr ArgSpec Timer = Of(ArgKind::kTimer);
constexpr ArgSpec Kptr = Of(ArgKind::kKptr);
constexpr ArgSpec Dynptr = Of(ArgKind::kDynptr);
constexpr ArgSpec SockCommon = Of(ArgKind::kSockCommon);
constexpr ArgSpec Socket = Of(ArgKind::kSocket);
constexpr ArgSpec BtfSock = Of(ArgKind::kBtfIdSockCommon);
constexpr ArgSpec PercpuBtf = Of(ArgKind::kPercpuBtfId);
constexpr ArgSpec Fixed(uint32_t bytes) { return {ArgKind::kMem, 0, bytes, {}}; }
constexpr ArgSpec BtfId(std::string_view type) { return {ArgKind::kBtfId, 0, 0, type}; }

template <class... A>
constexpr std::array<ArgSpec, 5> Args(A... specs) {
  return {specs...};
}
}  // namespace arguments

namespace results {
struct Returns {
  ReturnKind kind;
  std::string_view type{};
};
constexpr Returns Integer{ReturnKind::kInteger};
constexpr Returns Void{ReturnKind::kVoid};
constexpr Returns MapValuePointer{ReturnKind::kMapValue};
constexpr Returns MemPointer{ReturnKind::kMem};
constexpr Returns MemOrBtfPointer{ReturnKind::kMemOrBtfId};
constexpr Returns SocketPointer{ReturnKind::kSocket};
constexpr Returns SockCommonPointer{ReturnKind::kSockCommon};
constexpr Returns TcpSockPointer{ReturnKind::kTcpSock};
constexpr Returns BtfPointer(std::string_view type) { return {ReturnKind::kBtfId, type}; }
}  // namespace results

namespace traits {
constexpr uint16_t kGpl = kHelperGplOnly;
constexpr uint16_t kPkt = kHelperPacketAccess;
constexpr uint16_t kSleep = kHelperMightSleep;
constexpr uint16_t kFast = kHelperFastcall;
constexpr uint16_t kVariadic = kHelperVariadic;
constexpr uint16_t kMaybeNull = kHelperReturnMaybeNull;
constexpr uint16_t kReadOnly = kHelperReturnReadOnly;
constexpr uint16_t kRingbuf = kHelperReturnRingbuf;
constexpr uint16_t kTrusted = kHelperReturnTrusted;
constexpr uint16_t kNewPkt = kHelperChangesPacket;
constexpr uint16_t kAcquire = kHelperAcquires;
constexpr uint16_t kCallback = kHelperCallsBack;
constexpr uint16_t kAnyMemory = kHelperAnyMemory;
}  // namespace traits

namespace programs {
struct Set {
  ProgramClassMask mask;
  ProgramClassMask refused = 0;
};
constexpr Set operator|(Set a, Set b) { return {a.mask | b.mask, a.refused | b.refused}; }
constexpr Set Refuse(Set listed, Set refused) { return {listed.mask, refused.mask}; }
constexpr Set Of(ProgramClass c) { return {MaskOf(c)}; }

constexpr Set kSocketFilter = Of(ProgramClass::kSocketFilter);
constexpr Set kKprobe = Of(ProgramClass::kKprobe);
constexpr Set kKprobeMulti = Of(ProgramClass::kKprobeMulti);
constexpr Set kKprobes = kKprobe | kKprobeMulti;
constexpr Set kTc = Of(ProgramClass::kSchedCls) | Of(ProgramClass::kSchedAct);
constexpr Set kTracepoint = Of(ProgramClass::kTracepoint);
constexpr Set kXdp = Of(ProgramClass::kXdp);
constexpr Set kPerfEvent = Of(ProgramClass::kPerfEvent);
constexpr Set kCgroupSkb = Of(ProgramClass::kCgroupSkb);
constexpr Set kCgroupSock = Of(ProgramClass::kCgroupSock);
constexpr Set kLwtIn = Of(ProgramClass::kLwtIn);
constexpr Set kLwtXmit = Of(ProgramClass::kLwtXmit);
constexpr Set kLwtSeg6local = Of(ProgramClass::kLwtSeg6local);
constexpr Set kLwt = kLwtIn | Of(ProgramClass::kLwtOut) | kLwtXmit | kLwtSeg6local;
constexpr Set kSockOps = Of(ProgramClass::kSockOps);
constexpr Set kSkSkb = Of(ProgramClass::kSkSkb);
constexpr Set kCgroupDevice = Of(ProgramClass::kCgroupDevice);
constexpr Set kSkMsg = Of(ProgramClass::kSkMsg);
constexpr Set kRawTracepoint = Of(ProgramClass::kRawTracepoint);
constexpr Set kRawTracepointWritable = Of(ProgramClass::kRawTracepointWritable);
constexpr Set kSockAddrConnect = Of(ProgramClass::kSockAddrConnect);
constexpr Set kSockAddrSend = Of(ProgramClass::kSockAddrSend);
constexpr Set kSockAddr = kSockAddrConnect | kSockAddrSend | Of(ProgramClass::kSockAddrReply);
constexpr Set kLircMode2 = Of(ProgramClass::kLircMode2);
constexpr Set kSkReuseport = Of(ProgramClass::kSkReuseport);
constexpr Set kFlowDissector = Of(ProgramClass::kFlowDissector);
constexpr Set kCgroupSysctl = Of(ProgramClass::kCgroupSysctl);
constexpr Set kCgroupSockoptSet = Of(ProgramClass::kCgroupSockoptSet);
constexpr Set kCgroupSockopt = Of(ProgramClass::kCgroupSockoptGet) | kCgroupSockoptSet;
constexpr Set kTracingRawTp = Of(ProgramClass::kTracingRawTp);
constexpr Set kTracingTrampoline = Of(ProgramClass::kTracingTrampoline);
constexpr Set kTracingIter = Of(ProgramClass::kTracingIter);
constexpr Set kStructOps = Of(ProgramClass::kStructOps);
constexpr Set kLsm = Of(ProgramClass::kLsm);
constexpr Set kLsmCgroup = Of(ProgramClass::kLsmCgroup);
constexpr Set kSkLookup = Of(ProgramClass::kSkLookup);
constexpr Set kSyscall = Of(ProgramClass::kSyscall);
constexpr Set kNetfilter = Of(ProgramClass::kNetfilter);
constexpr Set kMemory = Of(ProgramClass::kMemory);
constexpr Set kHost = Of(ProgramClass::kHost);
// Groups that rows use.
constexpr Set kProbes =
    kKprobes | kTracepoint | kPerfEvent | kRawTracepoint | kRawTracepointWritable;
constexpr Set kTracing =
    kTracingRawTp | kTracingTrampoline | kTracingIter | kLsm | kLsmCgroup | kSyscall;
constexpr Set kSockets = kSocketFilter | kTc | kXdp | kCgroupSkb | kLwt | kSockOps | kSkSkb |
                         kSkMsg | kSockAddr | kFlowDissector | kSkLookup;
constexpr Set kBase{((ProgramClassMask{1} << kProgramClassCount) - 1) & ~kLircMode2.mask};
}  // namespace programs

constexpr HelperSpec MakeSpec(uint32_t id, std::string_view name, HelperFunction function,
                              results::Returns returns, uint16_t flags, HelperCapability capability,
                              programs::Set set, const std::array<ArgSpec, 5>& args) {
  return {id,           name,     args,        returns.kind, flags,
          returns.type, set.mask, set.refused, capability,   function};
}

constexpr HelperCapability kNone = HelperCapability::kNone;
constexpr HelperCapability kBpf = HelperCapability::kBpf;
constexpr HelperCapability kPerfmon = HelperCapability::kPerfmon;

constexpr auto MakeTable() {
  using namespace arguments;
  using namespace results;
  using namespace traits;
  using namespace programs;
  return std::to_array<HelperSpec>({
#define SKEP_HELPER(id, name, function, returns, flags, capability, set, args) \
  MakeSpec(id, #name, &helpers::function, returns, flags, capability, set, args),
#define SKEP_PROTOTYPE(id, name, returns, flags, capability, set, args) \
  MakeSpec(id, #name, nullptr, returns, flags, capability, set, args),
#include "helpers/helpers.def"
  });
}

constexpr auto kTable = MakeTable();

// The ids that each class may call, ascending, each once.
struct IdList {
  std::array<uint32_t, kTable.size()> ids{};
  size_t count = 0;
};

constexpr auto MakeLists() {
  std::array<IdList, kProgramClassCount> lists{};
  for (int c = 0; c < kProgramClassCount; ++c) {
    IdList& list = lists[static_cast<size_t>(c)];
    const ProgramClassMask bit = MaskOf(static_cast<ProgramClass>(c));
    for (const HelperSpec& spec : kTable) {
      if ((spec.programs & bit) != 0) list.ids[list.count++] = spec.id;
    }
  }
  return lists;
}

constexpr auto kLists = MakeLists();

}  // namespace

std::span<const HelperSpec> HelperTable() { return kTable; }

const HelperSpec& InlinedLoop() {
  static constexpr HelperSpec kSpec = [] {
    HelperSpec spec = *FindHelper(kTable, 181, ProgramClass::kXdp);
    spec.function = &helpers::LoopInlined;
    return spec;
  }();
  return kSpec;
}

std::span<const uint32_t> HelpersOf(ProgramTypeId type, uint32_t expected_attach_type) {
  const ProgramClass c = ProgramClassOf(type, expected_attach_type);
  if (c == ProgramClass::kNone) return {};
  const IdList& list = kLists[static_cast<size_t>(c)];
  return std::span(list.ids).first(list.count);
}

}  // namespace skep
