// SPDX-License-Identifier: Apache-2.0
// Kernel pointers of the program's own types, in values of maps.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "objects.h"

struct held_number {
  __u64 number;
};
struct held_node {
  __u64 key;
  struct held_number __kptr* inner;
};
struct stash_of_one {
  struct held_node __kptr* node;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct stash_of_one);
} stashes SEC(".maps");

long seen[16];

SEC("tc")
int exchange(struct __sk_buff* skb) {
  __u32 key = 0;
  struct stash_of_one* s = bpf_map_lookup_elem(&stashes, &key);
  if (!s) return -1;
  struct held_node* n = bpf_obj_new(struct held_node);
  if (!n) return -2;
  n->key = 41;
  struct held_number* i = bpf_obj_new(struct held_number);
  if (!i) {
    bpf_obj_drop(n);
    return -3;
  }
  i->number = 7;
  i = bpf_kptr_xchg(&n->inner, i);
  if (i) {
    seen[0] = 1;
    bpf_obj_drop(i);
  }
  n = bpf_kptr_xchg(&s->node, n);
  if (n) {
    seen[1] = 1;
    bpf_obj_drop(n);
  }
  n = bpf_kptr_xchg(&s->node, 0);
  if (!n) return -4;
  seen[2] = n->key;
  n->key++;
  n = bpf_kptr_xchg(&s->node, n);
  if (n) bpf_obj_drop(n);
  n = bpf_kptr_xchg(&s->node, 0);
  if (!n) return -5;
  seen[3] = n->key;
  i = bpf_kptr_xchg(&n->inner, 0);
  if (i) {
    seen[4] = i->number;
    bpf_obj_drop(i);
  }
  bpf_obj_drop(n);
  return 1;
}

// Ends with objects in the map and its value overwritten: they go with it.
SEC("tc")
int left_behind(struct __sk_buff* skb) {
  __u32 key = 1;
  struct stash_of_one fresh = {};
  struct stash_of_one* s = bpf_map_lookup_elem(&stashes, &key);
  if (!s) return -1;
  for (int round = 0; round < 3; round++) {
    struct held_node* n = bpf_obj_new(struct held_node);
    if (!n) return -2;
    struct held_number* i = bpf_obj_new(struct held_number);
    if (i) {
      i = bpf_kptr_xchg(&n->inner, i);
      if (i) bpf_obj_drop(i);
    }
    n = bpf_kptr_xchg(&s->node, n);
    if (n) {
      seen[round]++;
      bpf_obj_drop(n);
    }
    if (round == 1) seen[8] = bpf_map_update_elem(&stashes, &key, &fresh, 0);
  }
  return 0;
}
