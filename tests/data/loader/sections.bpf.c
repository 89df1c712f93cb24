// SPDX-License-Identifier: Apache-2.0
// Section names of every shape: exact, with a target, '?', sleepable, multi,
// frags, and one that means nothing. Several programs share a section.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define PROGRAM(section, name) \
  SEC(section) int name(void *ctx) { return ctx != 0; }

PROGRAM("xdp", xdp_first)
PROGRAM("xdp", xdp_second)
PROGRAM("xdp.frags", xdp_frags)
PROGRAM("xdp.frags/devmap", xdp_frags_devmap)
PROGRAM("tc", tc_program)
PROGRAM("classifier", classifier_program)
PROGRAM("tcx/ingress", tcx_ingress)
PROGRAM("kprobe/do_unlinkat", kprobe_program)
PROGRAM("kprobe.multi/tcp_*", kprobe_multi)
PROGRAM("uprobe.s//proc/self/exe:main", uprobe_sleepable)
PROGRAM("tracepoint/syscalls/sys_enter_openat", tracepoint_program)
PROGRAM("tp/sched/sched_switch", tp_program)
PROGRAM("raw_tp", raw_tp_bare)
PROGRAM("raw_tracepoint/sys_enter", raw_tracepoint_program)
PROGRAM("?fentry.s/bpf_fentry_test1", fentry_sleepable)
PROGRAM("?socket", socket_off)
PROGRAM("cgroup/connect4", connect4)
PROGRAM("cgroup_skb/egress", egress)
PROGRAM("syscall", syscall_program)
PROGRAM("sk_reuseport/migrate", reuseport)
PROGRAM("lsm/file_open", lsm_program)
PROGRAM("iter/bpf_map", iter_program)
PROGRAM("struct_ops.s/op", struct_ops_program)
PROGRAM("netfilter", netfilter_program)
PROGRAM("xdp_prog", loose_name)
PROGRAM("mystery/target", unknown_name)

char _license[] SEC("license") = "Dual BSD/GPL";
__u32 _version SEC("version") = 0x60c00;
