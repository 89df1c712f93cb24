// SPDX-License-Identifier: Apache-2.0
// Locks that refuse instead of waiting for ever.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct bpf_res_spin_lock {
  __u32 val;
};
extern int bpf_res_spin_lock(struct bpf_res_spin_lock* lock) __ksym;
extern void bpf_res_spin_unlock(struct bpf_res_spin_lock* lock) __ksym;
extern int bpf_res_spin_lock_irqsave(struct bpf_res_spin_lock* lock, unsigned long* flags) __ksym;
extern void bpf_res_spin_unlock_irqrestore(struct bpf_res_spin_lock* lock,
                                           unsigned long* flags) __ksym;

struct element {
  __u64 count;
  struct bpf_res_spin_lock lock;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct element);
} elements SEC(".maps");

long seen[16];

SEC("tc")
int twice(struct __sk_buff* skb) {
  __u32 one = 0, two = 1;
  struct element* a = bpf_map_lookup_elem(&elements, &one);
  struct element* b = bpf_map_lookup_elem(&elements, &two);
  struct element* again = bpf_map_lookup_elem(&elements, &one);
  unsigned long flags;
  int e;
  if (!a || !b || !again) return -1;
  e = bpf_res_spin_lock(&a->lock);
  if (e) return -2;
  a->count++;
  e = bpf_res_spin_lock(&b->lock);
  if (!e) {
    b->count++;
    bpf_res_spin_unlock(&b->lock);
  }
  e = bpf_res_spin_lock(&again->lock);
  if (!e) {
    bpf_res_spin_unlock(&again->lock);
  } else {
    seen[1] = e;
  }
  bpf_res_spin_unlock(&a->lock);
  e = bpf_res_spin_lock_irqsave(&b->lock, &flags);
  if (e) return -4;
  b->count++;
  bpf_res_spin_unlock_irqrestore(&b->lock, &flags);
  seen[2] = a->count * 10 + b->count;
  return 0;
}
