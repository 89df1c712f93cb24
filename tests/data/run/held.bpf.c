// SPDX-License-Identifier: Apache-2.0
// Programs that hold something for a while, for a host that stops them meanwhile.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "objects.h"

struct held_object {
  __u64 number;
};
struct counter {
  __u64 a, b;
  struct bpf_spin_lock lock;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct counter);
} counters SEC(".maps");

SEC("xdp")
int a_lock(struct xdp_md* ctx) {
  __u32 key = 0;
  struct counter* c = bpf_map_lookup_elem(&counters, &key);
  if (!c) return -1;
  bpf_spin_lock(&c->lock);
  for (int i = 0; i < 2000; i++) c->a += i & 3;
  bpf_spin_unlock(&c->lock);
  return 1;
}

SEC("xdp")
int an_object(struct xdp_md* ctx) {
  struct held_object* object = bpf_obj_new(struct held_object);
  if (!object) return -1;
  for (int i = 0; i < 2000; i++) object->number += i & 3;
  int result = object->number != 0;
  bpf_obj_drop(object);
  return result;
}

// Both numbers change together, under the lock.
SEC("xdp")
int both(struct xdp_md* ctx) {
  __u32 key = 0;
  int same;
  struct counter* c = bpf_map_lookup_elem(&counters, &key);
  if (!c) return -1;
  bpf_spin_lock(&c->lock);
  same = c->a == c->b;
  c->a++;
  c->b++;
  bpf_spin_unlock(&c->lock);
  return same;
}
