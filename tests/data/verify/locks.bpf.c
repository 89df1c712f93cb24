// SPDX-License-Identifier: Apache-2.0
// bpf_spin_lock: one at a time, nothing but static functions called with it,
// left on every path.
#include "verify.h"

struct value {
  __u32 count;
  struct bpf_spin_lock lock;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct value);
} values SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} plain SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __uint(key_size, 4);
  __uint(value_size, 8);
} untyped SEC(".maps");

static struct value* Find(void* map, __u32 key) { return bpf_map_lookup_elem(map, &key); }

EXPECT_ACCEPT XDP lock_and_unlock(void* ctx) {
  struct value* v = Find(&values, 7);
  if (!v) return 0;
  bpf_spin_lock(&v->lock);
  v->count++;
  bpf_spin_unlock(&v->lock);
  return 1;
}

static __attribute__((noinline)) int Count(struct value* v) { return v->count++; }

EXPECT_ACCEPT XDP static_function_under_lock(void* ctx) {
  struct value* v = Find(&values, 7);
  if (!v) return 0;
  bpf_spin_lock(&v->lock);
  int count = Count(v);
  bpf_spin_unlock(&v->lock);
  return count & 1;
}

__attribute__((noinline)) int global(int x) { return x + 1; }

EXPECT_REJECT("V414", "global function calls are not allowed while holding a lock")
XDP global_function_under_lock(void* ctx) {
  struct value* v = Find(&values, 7);
  if (!v) return 0;
  bpf_spin_lock(&v->lock);
  int x = global(v->count);
  bpf_spin_unlock(&v->lock);
  return x & 1;
}

EXPECT_REJECT("V413", "function calls are not allowed while holding a lock")
XDP helper_under_lock(void* ctx) {
  struct value* v = Find(&values, 7);
  if (!v) return 0;
  bpf_spin_lock(&v->lock);
  v->count = bpf_ktime_get_ns();
  bpf_spin_unlock(&v->lock);
  return 1;
}

EXPECT_REJECT("V412", "BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region")
XDP exit_under_lock(void* ctx) {
  struct value* v = Find(&values, 7);
  if (!v) return 0;
  bpf_spin_lock(&v->lock);
  if (v->count > 3) return 0;
  bpf_spin_unlock(&v->lock);
  return 1;
}

EXPECT_REJECT("V409", "bpf_spin_unlock without taking a lock")
XDP unlock_without_lock(void* ctx) {
  struct value* v = Find(&values, 7);
  if (!v) return 0;
  bpf_spin_unlock(&v->lock);
  return 1;
}

EXPECT_REJECT("V410", "bpf_spin_unlock of different lock")
XDP unlock_other(void* ctx) {
  struct value* v = Find(&values, 7);
  struct value* w = Find(&values, 8);
  if (!v || !w) return 0;
  bpf_spin_lock(&v->lock);
  bpf_spin_unlock(&w->lock);
  return 1;
}

EXPECT_REJECT("V410", "bpf_spin_unlock of different lock")
XDP values_that_are_always_there_differ(void* ctx) {
  struct value* v = Find(&values, 0);
  struct value* w = Find(&values, 1);
  if (!v || !w) return 0;
  bpf_spin_lock(&v->lock);
  bpf_spin_unlock(&w->lock);
  return 1;
}

EXPECT_REJECT("V406", "off 0 doesn't point to 'struct bpf_spin_lock' that is at 4")
XDP lock_at_wrong_offset(void* ctx) {
  struct value* v = Find(&values, 7);
  if (!v) return 0;
  bpf_spin_lock((void*)v);
  return 1;
}

EXPECT_REJECT("V403", "R1 doesn't have constant offset. bpf_spin_lock has to be at the constant offset")
XDP lock_at_unknown_offset(struct xdp_md* ctx) {
  struct value* v = Find(&values, 7);
  if (!v) return 0;
  bpf_spin_lock((void*)v + (ctx->rx_queue_index & 4));
  return 1;
}

EXPECT_REJECT("V405", "map 'plain' has no valid bpf_spin_lock")
XDP lock_in_value_without(void* ctx) {
  void* v = Find(&plain, 7);
  if (!v) return 0;
  bpf_spin_lock(v);
  return 1;
}

EXPECT_REJECT("V404", "map 'untyped' has to have BTF in order to use bpf_spin_lock")
XDP lock_in_untyped_value(void* ctx) {
  void* v = Find(&untyped, 7);
  if (!v) return 0;
  bpf_spin_lock(v);
  return 1;
}

EXPECT_REJECT("V134", "R1 type=fp expected=map_value, ptr_")
XDP lock_on_stack(void* ctx) {
  struct bpf_spin_lock lock = {};
  bpf_spin_lock(&lock);
  return 1;
}

EXPECT_REJECT("V114", "bpf_spin_lock cannot be accessed directly by load/store")
XDP read_lock(void* ctx) {
  struct value* v = Find(&values, 7);
  if (!v) return 0;
  return *(volatile __u32*)&v->lock;
}
