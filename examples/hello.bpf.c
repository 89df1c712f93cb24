// SPDX-License-Identifier: Apache-2.0
//
// The smallest program: each execve(2) writes one line to the trace log.
//
//   skep run hello.bpf.o --ctx-hex 00

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp/syscalls/sys_enter_execve")
int hello(void* ctx) {
  bpf_printk("Hello World!");
  return 0;
}

// What the kernel is told: bpf_printk() is only for GPL-compatible programs.
char LICENSE[] SEC("license") = "Dual BSD/GPL";
