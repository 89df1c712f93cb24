// SPDX-License-Identifier: Apache-2.0
// ProgramType: what a kind of program gets as its context and may do with it.
// Linux's types keep Linux's numbers; their rows are in vm/program_types.def.
// An embedder's own types start at kFirstHostProgramType.

#ifndef SKEP_PROGRAM_TYPE_H_
#define SKEP_PROGRAM_TYPE_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace skep {

// Linux's enum bpf_prog_type, then skep's own.
enum class ProgramTypeId : uint32_t {
  kUnspec = 0,
  kSocketFilter = 1,
  kKprobe = 2,
  kSchedCls = 3,
  kSchedAct = 4,
  kTracepoint = 5,
  kXdp = 6,
  kPerfEvent = 7,
  kCgroupSkb = 8,
  kCgroupSock = 9,
  kLwtIn = 10,
  kLwtOut = 11,
  kLwtXmit = 12,
  kSockOps = 13,
  kSkSkb = 14,
  kCgroupDevice = 15,
  kSkMsg = 16,
  kRawTracepoint = 17,
  kCgroupSockAddr = 18,
  kLwtSeg6local = 19,
  kLircMode2 = 20,
  kSkReuseport = 21,
  kFlowDissector = 22,
  kCgroupSysctl = 23,
  kRawTracepointWritable = 24,
  kCgroupSockopt = 25,
  kTracing = 26,
  kStructOps = 27,
  kExt = 28,
  kLsm = 29,
  kSkLookup = 30,
  kSyscall = 31,
  kNetfilter = 32,

  // r1 = a block of memory, r2 = its length in bytes, as in bpf_conformance.
  kMemory = 0xf000,
};
inline constexpr uint32_t kFirstHostProgramType = 0x10000;

// What the loader of a program may do; Linux's tiers.
enum class Rights : uint8_t {
  // Nobody: at most 4,096 instructions, no loops, no calls of own functions, only
  // the helpers for everyone; and all that kBpf forbids.
  kUnprivileged,
  // CAP_BPF without CAP_PERFMON, for programs that are not trusted: loops and own
  // functions, but no pointer may leak and no uninitialised stack be read.
  kBpf,
  // CAP_PERFMON too: pointers may leak; helpers that look into the host.
  kRoot,
};

// What loading a context field gives.
enum class FieldKind : uint8_t {
  kScalar,
  kPacketData,        // start of the packet
  kPacketEnd,         // one past its last byte
  kPacketMeta,        // start of the metadata in front of the packet
  kSocket,            // a full socket: struct bpf_sock
  kSocketOrNull,      // likewise, or null
  kSockCommonOrNull,  // the part that all sockets have, or null
  kFlowKeys,          // struct bpf_flow_keys
  kTracepointBuffer,  // memory of a raw tracepoint, of a size known when attaching
  kKernelObject,      // a trusted pointer to the kernel structure `structure`
};

// One row of a context layout. `loads` and `stores` have a bit for each access
// that is allowed: bit (log2(bytes) * 8 + d) for an access of `bytes` bytes at
// byte d of the field. Two rows may lie on the same bytes; an access is allowed
// if one of them allows it.
struct ContextField {
  std::string_view name;
  uint16_t offset = 0;  // as the program sees it
  uint16_t size = 0;
  FieldKind kind = FieldKind::kScalar;
  uint32_t loads = 0;
  uint32_t stores = 0;
  // Where the field is in the host's structure. A pointer field is 8 bytes
  // there; any other field has the same size and byte order as outside.
  uint16_t host_offset = 0;
  std::string_view structure = {};             // kKernelObject
  Rights load_rights = Rights::kUnprivileged;  // what the loader of the program needs
  Rights store_rights = Rights::kUnprivileged;
};
constexpr uint32_t FieldAccessBit(int log2_bytes, int delta) {
  return uint32_t{1} << (log2_bytes * 8 + delta);
}

// Direct packet access.
enum class PacketAccess : uint8_t {
  kNone,          // there are no packet pointers
  kReadDirectly,  // loads only; helpers take no packet memory
  kRead,          // and helpers that take packet memory may read it
  kReadWrite,
  kReadWriteAny,  // all helpers that take memory take packet memory
};
constexpr bool PacketIsWritable(PacketAccess access) {
  return access == PacketAccess::kReadWrite || access == PacketAccess::kReadWriteAny;
}

struct ReturnRange {
  bool checked = false;  // false: any value may be returned
  int64_t min = 0;
  int64_t max = 0;
  // The result of what the program attaches to decides.
  bool by_target = false;
};

// Whether programs may sleep.
enum class Sleeping : uint8_t { kNever, kMay, kMust };

// The structure behind the context when a program runs.
enum class HostContext : uint8_t {
  kBytes,  // the block of bytes that the program sees
  kXdp,    // model::XdpContext
  kSkb,    // model::SkbContext
  kNone,   // a process has nothing of the kind: programs are verified, not run
};

struct ProgramType {
  ProgramTypeId id = ProgramTypeId::kUnspec;
  std::string_view name;  // as bpftool prints it, e.g. "xdp"
  // The expected attach types that this row is for; empty: all that have no
  // row of their own.
  std::span<const uint32_t> attach_types;
  // What pointers to the context point to in source, e.g. "xdp_md"; empty if
  // there is no name for it.
  std::string_view context_type;
  // Named fields of the context. Empty with context_size > 0: the context is
  // plain bytes, any aligned access inside it is allowed (and loads give
  // scalars).
  std::span<const ContextField> fields;
  uint32_t context_size = 0;
  uint32_t context_start = 0;     // plain-byte contexts only: bytes below it are refused
  bool context_writable = false;  // plain-byte contexts only
  // The context holds the arguments of what the program attaches to, which BTF
  // describes.
  bool context_by_target = false;
  PacketAccess packet = PacketAccess::kNone;
  bool ld_abs = false;         // LD_ABS and LD_IND are allowed
  bool private_stack = false;  // 512 bytes a frame, no combined limit
  Sleeping sleeping = Sleeping::kNever;
  Rights rights = Rights::kUnprivileged;  // what the loader needs
  ReturnRange returns;
  HostContext host = HostContext::kBytes;
};

}  // namespace skep

#endif  // SKEP_PROGRAM_TYPE_H_
