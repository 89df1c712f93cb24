// SPDX-License-Identifier: Apache-2.0
#include "verifier/attach_rules.h"

#include <algorithm>
#include <iterator>

#include "verifier/state.h"

namespace skep::verifier {
namespace {

constexpr uint16_t kTrustedOrNull = kTrusted | kMaybeNull;
constexpr IteratorArgument kIteratorArguments[] = {
    {"bpf_iter_bpf_link", 1, kMaybeNull},
    {"bpf_iter_bpf_map", 1, kTrustedOrNull},
    {"bpf_iter_bpf_map_elem", 2, kReadOnly | kMaybeNull, true},
    {"bpf_iter_bpf_map_elem", 3, kMaybeNull, true},
    {"bpf_iter_bpf_prog", 1, kMaybeNull},
    {"bpf_iter_bpf_sk_storage_map", 2, kMaybeNull},
    {"bpf_iter_bpf_sk_storage_map", 3, kMaybeNull, true},
    {"bpf_iter_cgroup", 1, kTrustedOrNull},
    {"bpf_iter_dmabuf", 1, kMaybeNull},
    {"bpf_iter_ipv6_route", 1, kMaybeNull},
    {"bpf_iter_kmem_cache", 1, kTrustedOrNull},
    {"bpf_iter_ksym", 1, kMaybeNull},
    {"bpf_iter_netlink", 1, kMaybeNull},
    {"bpf_iter_sockmap", 2, kReadOnly | kMaybeNull, true},
    {"bpf_iter_sockmap", 3, kMaybeNull},
    {"bpf_iter_task", 1, kTrustedOrNull},
    {"bpf_iter_task_file", 1, kMaybeNull},
    {"bpf_iter_task_file", 3, kMaybeNull},
    {"bpf_iter_task_vma", 1, kMaybeNull},
    {"bpf_iter_task_vma", 2, kMaybeNull},
    {"bpf_iter_tcp", 1, kTrustedOrNull},
    {"bpf_iter_udp", 1, kTrustedOrNull},
    {"bpf_iter_unix", 1, kMaybeNull},
};

enum HookTraits : uint8_t { kSleepable = 1, kNotWhole = 2, kBoolean = 4, kDisabled = 8 };
struct Hook {
  std::string_view function;
  uint8_t traits;
};
constexpr Hook kHooks[] = {
#define SKEP_LSM_HOOK(function, traits) {#function, traits},
#include "verifier/lsm_hooks.def"
};

struct TracepointRule {
  std::string_view tracepoint;
  uint8_t number;
  TracepointArgument rule;
};
constexpr TracepointRule kTracepoints[] = {
#define SKEP_TRACEPOINT_ARGUMENT(tracepoint, number, rule) \
  {#tracepoint, number, TracepointArgument::k##rule},
#include "verifier/tracepoint_arguments.def"
};

// Functions of Linux's that are named as hooks are, but are none.
constexpr std::string_view kNoHooks[] = {
    "bpf_lsm_verify_prog", "bpf_lsm_is_sleepable_hook",
    "bpf_lsm_is_trusted",  "bpf_lsm_find_cgroup_shim",
    "bpf_lsm_func_proto",  "bpf_lsm_get_retval_range",
    "bpf_lsm_init",
};

constexpr std::string_view kNeverTraced[] = {
    "migrate_disable",   "migrate_enable",  "rcu_read_unlock_strict", "preempt_count_add",
    "preempt_count_sub", "__rcu_read_lock", "__rcu_read_unlock",
};
constexpr std::string_view kNeverReturn[] = {
    "__ia32_sys_exit",
    "__ia32_sys_exit_group",
    "__kunit_abort",
    "kunit_try_catch_throw",
    "__module_put_and_kthread_exit",
    "__x64_sys_exit",
    "__x64_sys_exit_group",
    "do_exit",
    "do_group_exit",
    "kthread_complete_and_exit",
    "kthread_exit",
    "make_task_dead",
};

// Members of struct tcp_congestion_ops that programs may be.
constexpr std::string_view kCongestionMembers[] = {
    "ssthresh",     "cong_avoid",   "set_state", "cwnd_event",    "in_ack_event", "pkts_acked",
    "min_tso_segs", "cong_control", "undo_cwnd", "sndbuf_expand", "init",         "release",
};

bool HasTrait(std::string_view function, HookTraits trait) {
  return std::any_of(std::begin(kHooks), std::end(kHooks), [&](const Hook& hook) {
    return hook.function == function && (hook.traits & trait) != 0;
  });
}

}  // namespace

bool IsNeverTraced(std::string_view function) {
  return std::find(std::begin(kNeverTraced), std::end(kNeverTraced), function) !=
         std::end(kNeverTraced);
}

bool NeverReturns(std::string_view function) {
  return std::find(std::begin(kNeverReturn), std::end(kNeverReturn), function) !=
         std::end(kNeverReturn);
}

bool IsIteratorTarget(std::string_view function) {
  return std::any_of(std::begin(kIteratorArguments), std::end(kIteratorArguments),
                     [&](const IteratorArgument& a) { return a.target == function; });
}

const IteratorArgument* FindIteratorArgument(std::string_view function, uint32_t number) {
  for (const IteratorArgument& a : kIteratorArguments) {
    if (a.target == function && a.number == number) return &a;
  }
  return nullptr;
}

bool IsHook(std::string_view function) {
  constexpr std::string_view kPrefix = "bpf_lsm_";
  return function.substr(0, kPrefix.size()) == kPrefix &&
         std::find(std::begin(kNoHooks), std::end(kNoHooks), function) == std::end(kNoHooks);
}

bool IsSleepableHook(std::string_view function) { return HasTrait(function, kSleepable); }
bool IsDisabledHook(std::string_view function) { return HasTrait(function, kDisabled); }
bool IsTrustedHook(std::string_view function) { return !HasTrait(function, kNotWhole); }
bool IsBooleanHook(std::string_view function) { return HasTrait(function, kBoolean); }

TracepointArgument RuleOfTracepoint(std::string_view tracepoint, uint32_t number) {
  for (const TracepointRule& r : kTracepoints) {
    if (r.tracepoint == tracepoint && r.number == number) return r.rule;
  }
  return TracepointArgument::kPlain;
}

MemberRule StructOpsMemberRule(std::string_view structure, std::string_view member,
                               bool sleepable) {
  if (structure == "bpf_dummy_ops") {
    return sleepable && member != "test_sleepable" ? MemberRule::kRefused
                                                   : MemberRule::kTakesPrograms;
  }
  if (structure == "tcp_congestion_ops") {
    const bool takes = std::find(std::begin(kCongestionMembers), std::end(kCongestionMembers),
                                 member) != std::end(kCongestionMembers);
    if (!takes) return MemberRule::kRefused;
    return sleepable ? MemberRule::kUnknown : MemberRule::kTakesPrograms;
  }
  return MemberRule::kUnknown;
}

}  // namespace skep::verifier
