// SPDX-License-Identifier: Apache-2.0
// Tail calls out of functions: the frames of their callers stay, so that a run has
// more frames than the eight of one program.
#include <linux/bpf.h>

#include "run.h"

int deep(struct __sk_buff* skb);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __uint(key_size, sizeof(__u32));
  __array(values, int(void*));
} jumps SEC(".maps") = {.values = {[0] = (void*)&deep}};

__u32 rounds;

static __attribute__((noinline)) int jump(struct __sk_buff* skb) {
  ++rounds;
  bpf_tail_call(skb, &jumps, 0);
  return 4;
}

static __attribute__((noinline)) int second(struct __sk_buff* skb) { return jump(skb) * 3 + 2; }

static __attribute__((noinline)) int first(struct __sk_buff* skb) { return second(skb) * 5 + 1; }

TC deep(struct __sk_buff* skb) { return first(skb) + rounds; }

TC twice(struct __sk_buff* skb) {
  rounds = 1;
  return first(skb) + first(skb) + rounds;
}

TC fails(struct __sk_buff* skb) {
  bpf_tail_call(skb, &jumps, 1);
  bpf_tail_call(skb, &jumps, 2);
  return 7;
}

TC last(struct __sk_buff* skb) {
  rounds = 5;
  bpf_tail_call(skb, &jumps, 0);
  return 0;
}
