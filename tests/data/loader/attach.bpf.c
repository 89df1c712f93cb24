// SPDX-License-Identifier: Apache-2.0
// Programs that attach to what the kernel's types name.
// tests/loader/attach_target_test.cc has the kernel's side.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define PROGRAM(name, section) \
  SEC(section) int name(void *ctx) { return 0; }

PROGRAM(entry, "fentry/work")
PROGRAM(entry_of_vmlinux, "fentry.s/vmlinux:work")
PROGRAM(modify, "fmod_ret/work")
PROGRAM(leave, "fexit/work")
PROGRAM(tracepoint, "tp_btf/switch")
PROGRAM(hook, "lsm/file_open")
PROGRAM(cgroup_hook, "lsm_cgroup/file_open")
PROGRAM(iterator, "iter/task")
PROGRAM(no_function, "fentry/switch")
PROGRAM(no_tracepoint, "tp_btf/work")
PROGRAM(no_hook, "lsm/work")
PROGRAM(no_target, "fentry")
PROGRAM(of_module, "fentry/nf_nat:work")
PROGRAM(of_program, "freplace/work")

char _license[] SEC("license") = "GPL";
