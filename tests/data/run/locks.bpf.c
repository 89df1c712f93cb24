// SPDX-License-Identifier: Apache-2.0
// Spin locks in values of maps and among global variables.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct counter {
  __u64 before;
  struct bpf_spin_lock lock;
  __u32 between;
  __u64 after;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct counter);
} hashed SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct counter);
} counters SEC(".maps");

long seen[16];

SEC("tc")
int of_an_array(struct __sk_buff* skb) {
  __u32 key = 1;
  struct counter* c = bpf_map_lookup_elem(&counters, &key);
  if (!c) return -1;
  bpf_spin_lock(&c->lock);
  c->before += 3;
  c->after += 4;
  bpf_spin_unlock(&c->lock);
  bpf_spin_lock(&c->lock);
  c->between = c->before * c->after;
  bpf_spin_unlock(&c->lock);
  return c->between;
}

SEC("tc")
int copies_leave_the_lock_out(struct __sk_buff* skb) {
  __u32 key = 0, missing = 7;
  struct counter fresh = {.before = 1, .lock = {.val = 0x7777}, .between = 2, .after = 3};
  seen[0] = bpf_map_update_elem(&counters, &key, &fresh, 0);
  seen[1] = bpf_map_update_elem(&counters, &key, &fresh, BPF_F_LOCK);
  seen[2] = bpf_map_update_elem(&counters, &key, &fresh, BPF_F_LOCK | BPF_NOEXIST);
  seen[3] = bpf_map_update_elem(&counters, &missing, &fresh, BPF_F_LOCK);
  seen[4] = bpf_map_update_elem(&hashed, &key, &fresh, BPF_F_LOCK | BPF_EXIST);
  seen[5] = bpf_map_update_elem(&hashed, &key, &fresh, BPF_F_LOCK);
  fresh.before = 11;
  seen[6] = bpf_map_update_elem(&hashed, &key, &fresh, BPF_F_LOCK | BPF_NOEXIST);
  seen[7] = bpf_map_update_elem(&hashed, &key, &fresh, BPF_F_LOCK);
  seen[8] = bpf_map_update_elem(&hashed, &key, &fresh, 8);
  struct counter* c = bpf_map_lookup_elem(&counters, &key);
  struct counter* h = bpf_map_lookup_elem(&hashed, &key);
  if (!c || !h) return -1;
  // Would never return if the copies had brought a lock along.
  bpf_spin_lock(&c->lock);
  c->after += 1;
  bpf_spin_unlock(&c->lock);
  bpf_spin_lock(&h->lock);
  h->after += 1;
  bpf_spin_unlock(&h->lock);
  seen[9] = c->before * 100 + c->between * 10 + c->after;
  seen[10] = h->before * 100 + h->between * 10 + h->after;
  return 0;
}
