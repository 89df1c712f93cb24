// SPDX-License-Identifier: Apache-2.0
// ProgramClass: program types, split where Linux gives the attach types of one
// program type different helpers or different prototypes of a helper. A set of
// classes is a mask, so that a helper says in one word who may call it.
//
// Threads: values.

#ifndef SKEP_PROGRAM_CLASS_H_
#define SKEP_PROGRAM_CLASS_H_

#include <cstdint>

#include "skep/program_type.h"

namespace skep {

enum class ProgramClass : uint8_t {
  kSocketFilter,
  kKprobe,       // also uprobes
  kKprobeMulti,  // kprobe and uprobe multi and session links
  kSchedCls,
  kSchedAct,
  kTracepoint,
  kXdp,
  kPerfEvent,
  kCgroupSkb,
  kCgroupSock,
  kLwtIn,
  kLwtOut,
  kLwtXmit,
  kSockOps,
  kSkSkb,
  kCgroupDevice,
  kSkMsg,
  kRawTracepoint,
  kSockAddrConnect,  // connect4, connect6
  kSockAddrSend,     // bind, sendmsg, unix_connect, unix_sendmsg
  kSockAddrReply,    // recvmsg, getpeername, getsockname
  kLwtSeg6local,
  kLircMode2,
  kSkReuseport,
  kFlowDissector,
  kCgroupSysctl,
  kRawTracepointWritable,
  kCgroupSockoptGet,
  kCgroupSockoptSet,
  kTracingRawTp,
  kTracingTrampoline,  // fentry, fexit, modify_return
  kTracingIter,
  kStructOps,
  kLsm,
  kLsmCgroup,
  kSkLookup,
  kSyscall,
  kNetfilter,
  kMemory,  // skep's plain memory programs
  kHost,    // the embedder's program types
  kNone,    // a type without helpers: unspec, ext (its target's class counts)
};
inline constexpr int kProgramClassCount = static_cast<int>(ProgramClass::kNone);

using ProgramClassMask = uint64_t;
static_assert(kProgramClassCount <= 64);

constexpr ProgramClassMask MaskOf(ProgramClass c) {
  return c == ProgramClass::kNone ? 0 : ProgramClassMask{1} << static_cast<int>(c);
}

// The class of a program. `expected_attach_type` is Linux's enum
// bpf_attach_type; types that are not split ignore it.
constexpr ProgramClass ProgramClassOf(ProgramTypeId type, uint32_t expected_attach_type) {
  using enum ProgramClass;
  const uint32_t attach = expected_attach_type;
  if (static_cast<uint32_t>(type) >= kFirstHostProgramType) return kHost;
  switch (type) {
    case ProgramTypeId::kSocketFilter:
      return kSocketFilter;
    case ProgramTypeId::kKprobe:
      return attach == 42 || attach == 48 || attach == 56 || attach == 57 ? kKprobeMulti : kKprobe;
    case ProgramTypeId::kSchedCls:
      return kSchedCls;
    case ProgramTypeId::kSchedAct:
      return kSchedAct;
    case ProgramTypeId::kTracepoint:
      return kTracepoint;
    case ProgramTypeId::kXdp:
      return kXdp;
    case ProgramTypeId::kPerfEvent:
      return kPerfEvent;
    case ProgramTypeId::kCgroupSkb:
      return kCgroupSkb;
    case ProgramTypeId::kCgroupSock:
      return kCgroupSock;
    case ProgramTypeId::kLwtIn:
      return kLwtIn;
    case ProgramTypeId::kLwtOut:
      return kLwtOut;
    case ProgramTypeId::kLwtXmit:
      return kLwtXmit;
    case ProgramTypeId::kSockOps:
      return kSockOps;
    case ProgramTypeId::kSkSkb:
      return kSkSkb;
    case ProgramTypeId::kCgroupDevice:
      return kCgroupDevice;
    case ProgramTypeId::kSkMsg:
      return kSkMsg;
    case ProgramTypeId::kRawTracepoint:
      return kRawTracepoint;
    case ProgramTypeId::kCgroupSockAddr:
      if (attach == 10 || attach == 11) return kSockAddrConnect;
      if (attach == 8 || attach == 9 || attach == 14 || attach == 15 || attach == 49 ||
          attach == 50) {
        return kSockAddrSend;
      }
      return kSockAddrReply;
    case ProgramTypeId::kLwtSeg6local:
      return kLwtSeg6local;
    case ProgramTypeId::kLircMode2:
      return kLircMode2;
    case ProgramTypeId::kSkReuseport:
      return kSkReuseport;
    case ProgramTypeId::kFlowDissector:
      return kFlowDissector;
    case ProgramTypeId::kCgroupSysctl:
      return kCgroupSysctl;
    case ProgramTypeId::kRawTracepointWritable:
      return kRawTracepointWritable;
    case ProgramTypeId::kCgroupSockopt:
      return attach == 22 ? kCgroupSockoptSet : kCgroupSockoptGet;
    case ProgramTypeId::kTracing:
      if (attach == 23) return kTracingRawTp;
      return attach == 28 ? kTracingIter : kTracingTrampoline;
    case ProgramTypeId::kStructOps:
      return kStructOps;
    case ProgramTypeId::kLsm:
      return attach == 43 ? kLsmCgroup : kLsm;
    case ProgramTypeId::kSkLookup:
      return kSkLookup;
    case ProgramTypeId::kSyscall:
      return kSyscall;
    case ProgramTypeId::kNetfilter:
      return kNetfilter;
    case ProgramTypeId::kMemory:
      return kMemory;
    case ProgramTypeId::kExt:
    case ProgramTypeId::kUnspec:
      return kNone;
  }
  return kNone;
}

}  // namespace skep

#endif  // SKEP_PROGRAM_CLASS_H_
