// SPDX-License-Identifier: Apache-2.0
// Runs that go on for longer than anybody waits: for tests that stop them.
#include <linux/bpf.h>

#include "run.h"

static long nothing(__u32 index, void* context) { return 0; }

static long many(__u32 index, void* context) {
  bpf_loop(1 << 23, nothing, 0, 0);
  return 0;
}

TC calls_back(struct __sk_buff* skb) { return bpf_loop(1 << 23, many, 0, 0); }

TC goes_round(struct __sk_buff* skb) {
  __u64 i = zero;
  for (;;) {
    asm volatile goto("may_goto %l[done]" :::: done);
    ++i;
    HIDE(i);
  }
done:
  return 1;
}

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1000000);
  __type(key, __u32);
  __type(value, __u64);
} array SEC(".maps");

static long for_long(struct bpf_map* map, __u32* key, __u64* value, void* context) {
  bpf_loop(1 << 23, nothing, 0, 0);
  return 0;
}

TC visits(struct __sk_buff* skb) { return bpf_for_each_map_elem(&array, for_long, 0, 0); }

extern int bpf_iter_num_new(struct bpf_iter_num* it, int start, int end) __ksym;
extern int* bpf_iter_num_next(struct bpf_iter_num* it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num* it) __ksym;

TC iterates(struct __sk_buff* skb) {
  struct bpf_iter_num it;
  bpf_iter_num_new(&it, 0, 1 << 23);
  while (bpf_iter_num_next(&it)) bpf_loop(1 << 23, nothing, 0, 0);
  bpf_iter_num_destroy(&it);
  return 1;
}
