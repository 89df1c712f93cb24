// SPDX-License-Identifier: Apache-2.0
#include "helpers/helper_doc.h"

#include <bit>
#include <string_view>

#include <fmt/format.h>

#include "helpers/helper_table.h"

namespace skep {
namespace {

constexpr std::string_view kClassNames[] = {"socket_filter",
                                            "kprobe",
                                            "kprobe.multi",
                                            "sched_cls",
                                            "sched_act",
                                            "tracepoint",
                                            "xdp",
                                            "perf_event",
                                            "cgroup_skb",
                                            "cgroup_sock",
                                            "lwt_in",
                                            "lwt_out",
                                            "lwt_xmit",
                                            "sock_ops",
                                            "sk_skb",
                                            "cgroup_device",
                                            "sk_msg",
                                            "raw_tracepoint",
                                            "sock_addr.connect",
                                            "sock_addr.send",
                                            "sock_addr.reply",
                                            "lwt_seg6local",
                                            "lirc_mode2",
                                            "sk_reuseport",
                                            "flow_dissector",
                                            "cgroup_sysctl",
                                            "raw_tracepoint_writable",
                                            "cgroup_sockopt.get",
                                            "cgroup_sockopt.set",
                                            "tracing.raw_tp",
                                            "tracing.trampoline",
                                            "tracing.iter",
                                            "struct_ops",
                                            "lsm",
                                            "lsm_cgroup",
                                            "sk_lookup",
                                            "syscall",
                                            "netfilter",
                                            "memory",
                                            "host"};
static_assert(std::size(kClassNames) == kProgramClassCount);

std::string Words(const ArgSpec& arg) {
  switch (arg.kind) {
    case ArgKind::kNone:
      return "";
    case ArgKind::kAnything:
      return "any";
    case ArgKind::kContext:
      return "ctx";
    case ArgKind::kConstMap:
      return "map";
    case ArgKind::kMapKey:
      return "key";
    case ArgKind::kMapValue:
      return "value";
    case ArgKind::kMem:
      return arg.size == 0 ? "mem" : fmt::format("mem[{}]", arg.size);
    case ArgKind::kConstSize:
      return "size";
    case ArgKind::kConstSizeOrZero:
      return "size or 0";
    case ArgKind::kConstAllocSizeOrZero:
      return "constant size";
    case ArgKind::kRingbufMem:
      return "ringbuf record";
    case ArgKind::kStack:
      return "stack";
    case ArgKind::kConstString:
      return "constant string";
    case ArgKind::kFunction:
      return "function";
    case ArgKind::kSpinLock:
      return "spin lock";
    case ArgKind::kTimer:
      return "timer";
    case ArgKind::kKptr:
      return "kptr";
    case ArgKind::kDynptr:
      return "dynptr";
    case ArgKind::kSockCommon:
      return "sock_common";
    case ArgKind::kSocket:
      return "socket";
    case ArgKind::kBtfId:
      return arg.type_name.empty() ? "object" : fmt::format("struct {}", arg.type_name);
    case ArgKind::kBtfIdSockCommon:
      return "any socket";
    case ArgKind::kPercpuBtfId:
      return "per-CPU object";
  }
  return "";
}

std::string Arguments(const HelperSpec& spec) {
  std::string text;
  for (const ArgSpec& arg : spec.args) {
    if (arg.kind == ArgKind::kNone) break;
    if (!text.empty()) text += ", ";
    text += Words(arg);
    if ((arg.flags & kArgUninit) != 0) {
      text += " (out)";
    } else if ((arg.flags & kArgWrite) != 0) {
      text += " (in, out)";
    }
    if ((arg.flags & kArgMaybeNull) != 0) text += " or null";
    if ((arg.flags & kArgRelease) != 0) text += " (released)";
  }
  return text;
}

std::string Result(const HelperSpec& spec) {
  std::string text;
  switch (spec.returns) {
    case ReturnKind::kInteger:
      text = "integer";
      break;
    case ReturnKind::kVoid:
      text = "nothing";
      break;
    case ReturnKind::kMapValue:
      text = "value";
      break;
    case ReturnKind::kMem:
      text = "mem";
      break;
    case ReturnKind::kMemOrBtfId:
      text = "mem or object";
      break;
    case ReturnKind::kSocket:
      text = "socket";
      break;
    case ReturnKind::kSockCommon:
      text = "sock_common";
      break;
    case ReturnKind::kTcpSock:
      text = "tcp_sock";
      break;
    case ReturnKind::kBtfId:
      text = spec.return_type_name.empty() ? "object"
                                           : fmt::format("struct {}", spec.return_type_name);
      break;
  }
  if ((spec.flags & kHelperReturnMaybeNull) != 0) text += " or null";
  if ((spec.flags & kHelperAcquires) != 0) text += " (acquired)";
  return text;
}

std::string Programs(ProgramClassMask programs) {
  // What most rows have is said in one word.
  const ProgramClassMask all = (ProgramClassMask{1} << kProgramClassCount) - 1;
  const ProgramClassMask lirc = MaskOf(ProgramClass::kLircMode2);
  if (programs == all) return "all";
  if (programs == (all & ~lirc)) return "all but lirc_mode2";
  std::string text;
  for (size_t c = 0; c < std::size(kClassNames); ++c) {
    if ((programs >> c & 1) == 0) continue;
    if (!text.empty()) text += ", ";
    text += kClassNames[c];
  }
  return text;
}

std::string Remarks(const HelperSpec& spec) {
  std::string text;
  const auto add = [&text](std::string_view word) {
    if (!text.empty()) text += ", ";
    text += word;
  };
  if ((spec.flags & kHelperGplOnly) != 0) add("GPL");
  if ((spec.flags & kHelperMightSleep) != 0) add("sleeps");
  if ((spec.flags & kHelperChangesPacket) != 0) add("moves the packet");
  if ((spec.flags & kHelperCallsBack) != 0) add("calls back");
  if (spec.capability == HelperCapability::kBpf) add("CAP_BPF");
  if (spec.capability == HelperCapability::kPerfmon) add("CAP_PERFMON");
  return text;
}

}  // namespace

std::string HelpersMarkdown() {
  std::string page =
      "# Helpers\n\n"
      "<!-- Made from helpers/helpers.def by helpers/helper_doc.cc; do not edit. SKEP_BLESS=1 on\n"
      "the test HelperDoc rewrites it. -->\n\n"
      "Every helper of Linux 6.18, by number. A program that calls any of them can be verified;\n"
      "one that calls a helper without \"yes\" under *runs* is refused by name when it is lowered\n"
      "(tail_call is made by the engines themselves). A helper that has several rows has another\n"
      "prototype for other programs.\n\n"
      "| # | helper | arguments | result | remarks | runs | programs |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const HelperSpec& spec : HelperTable()) {
    const bool by_engine = spec.id == 12;
    page += fmt::format(
        "| {} | {} | {} | {} | {} | {} | {} |\n", spec.id, spec.name, Arguments(spec), Result(spec),
        Remarks(spec), spec.function != nullptr || by_engine ? "yes" : "", Programs(spec.programs));
  }
  return page;
}

}  // namespace skep
