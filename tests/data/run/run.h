// SPDX-License-Identifier: Apache-2.0
// What the programs of this folder have in common. Each returns a number that says
// what it saw; tests/tools/run_programs_test.py runs it on every engine and on the
// kernel, and holds the numbers against one another.
#ifndef SKEP_TESTS_DATA_RUN_H_
#define SKEP_TESTS_DATA_RUN_H_

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

// What older headers lack.
#define BPF_MAP_TYPE_ARENA 33
struct bpf_map {
  __u32 id;
};
struct bpf_iter_num {
  __u64 opaque[1];
} __attribute__((aligned(8)));

#define TC SEC("tc") int
#define SYSCALL SEC("syscall") int
#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif
// A number that the compiler knows nothing about.
#define HIDE(x) asm volatile("" : "+r"(x))
// 0, which the verifier knows nothing about.
volatile __u64 zero;
// Mixes `x` into `sum`, in order.
#define NOTE(sum, x) (sum) = (sum)*31 + (__u32)(x)

char _license[] SEC("license") = "GPL";

#endif
