// SPDX-License-Identifier: Apache-2.0
// What needs a target kernel; the program without any of it loads without one.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
  int pid;
} __attribute__((preserve_access_index));

SEC("raw_tp") int plain(void *ctx) { return 0; }

SEC("raw_tp") int core(void *ctx) {
  struct task_struct *task = (void *)bpf_get_current_task();
  return BPF_CORE_READ(task, pid);
}

char _license[] SEC("license") = "GPL";
