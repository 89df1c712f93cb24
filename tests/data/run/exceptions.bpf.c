// SPDX-License-Identifier: Apache-2.0
// bpf_throw from where it may be called.
#include <linux/bpf.h>

#include "run.h"

extern void bpf_throw(__u64 cookie) __ksym;

#define CALLBACK(name) __attribute__((btf_decl_tag("exception_callback:" #name)))

__u64 seen;

__noinline int remember(__u64 cookie) {
  volatile __u64 room[20];
  room[3] = cookie;
  seen = room[3];
  return (int)cookie + 100;
}

TC thrown_by_main(struct __sk_buff* skb) {
  bpf_throw(5);
  return 1;
}

SEC("tc") CALLBACK(remember) int caught(struct __sk_buff* skb) {
  bpf_throw(7);
  return 1;
}

TC thrown_or_not(struct __sk_buff* skb) {
  if (skb->len == 1) bpf_throw(5);
  return 33;
}

static __noinline int third(struct __sk_buff* skb, __u64 x) {
  volatile __u64 room[10];
  room[1] = x;
  if (skb->len != 1) bpf_throw(room[1] + 2);
  return 3;
}

static __noinline int second(struct __sk_buff* skb, __u64 x) {
  volatile __u64 room[4];
  room[2] = x;
  return third(skb, room[2] * 2) + 1;
}

TC thrown_by_functions(struct __sk_buff* skb) {
  __u64 a = skb->len, b = a + 3;
  HIDE(a);
  HIDE(b);
  int result = second(skb, 20);
  return result + a + b;
}

SEC("tc") CALLBACK(remember) int caught_from_functions(struct __sk_buff* skb) {
  __u64 a = skb->len, b = a + 3;
  HIDE(a);
  HIDE(b);
  int result = second(skb, 30);
  return result + a + b;
}

__noinline int global_thrower(struct __sk_buff* skb, int x) {
  if (skb->len != 1) bpf_throw(x);
  return 4;
}

SEC("tc") CALLBACK(remember) int thrown_by_a_global(struct __sk_buff* skb) {
  return global_thrower(skb, 55) + 1;
}

// The value is all 64 bits of r0, of which a run gives 32.
TC thrown_wide(struct __sk_buff* skb) {
  bpf_throw(0x100000009);
  return 1;
}
