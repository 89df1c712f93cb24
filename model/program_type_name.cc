// SPDX-License-Identifier: Apache-2.0
#include "model/program_type_name.h"

#include <array>

namespace skep {
namespace {

struct Row {
  ProgramTypeId id;
  std::string_view name;
};

using enum ProgramTypeId;
constexpr std::array kNames = {
    Row{kUnspec, "unspec"},
    Row{kSocketFilter, "socket_filter"},
    Row{kKprobe, "kprobe"},
    Row{kSchedCls, "sched_cls"},
    Row{kSchedAct, "sched_act"},
    Row{kTracepoint, "tracepoint"},
    Row{kXdp, "xdp"},
    Row{kPerfEvent, "perf_event"},
    Row{kCgroupSkb, "cgroup_skb"},
    Row{kCgroupSock, "cgroup_sock"},
    Row{kLwtIn, "lwt_in"},
    Row{kLwtOut, "lwt_out"},
    Row{kLwtXmit, "lwt_xmit"},
    Row{kSockOps, "sock_ops"},
    Row{kSkSkb, "sk_skb"},
    Row{kCgroupDevice, "cgroup_device"},
    Row{kSkMsg, "sk_msg"},
    Row{kRawTracepoint, "raw_tracepoint"},
    Row{kCgroupSockAddr, "cgroup_sock_addr"},
    Row{kLwtSeg6local, "lwt_seg6local"},
    Row{kLircMode2, "lirc_mode2"},
    Row{kSkReuseport, "sk_reuseport"},
    Row{kFlowDissector, "flow_dissector"},
    Row{kCgroupSysctl, "cgroup_sysctl"},
    Row{kRawTracepointWritable, "raw_tracepoint_writable"},
    Row{kCgroupSockopt, "cgroup_sockopt"},
    Row{kTracing, "tracing"},
    Row{kStructOps, "struct_ops"},
    Row{kExt, "ext"},
    Row{kLsm, "lsm"},
    Row{kSkLookup, "sk_lookup"},
    Row{kSyscall, "syscall"},
    Row{kNetfilter, "netfilter"},
    Row{kMemory, "memory"},
};

}  // namespace

std::string_view ProgramTypeName(ProgramTypeId id) {
  for (const Row& row : kNames) {
    if (row.id == id) return row.name;
  }
  return "unknown";
}

std::optional<ProgramTypeId> ProgramTypeByName(std::string_view name) {
  for (const Row& row : kNames) {
    if (row.name == name) return row.id;
  }
  return std::nullopt;
}

}  // namespace skep
