// SPDX-License-Identifier: Apache-2.0
// Objects with a copy for each CPU.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "objects.h"

struct per_cpu_number {
  long number;
};
struct holder {
  struct per_cpu_number __percpu_kptr* numbers;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct holder);
} holders SEC(".maps");

long seen[8];

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

SEC("tc")
int copies(struct __sk_buff* skb) {
  __u32 key = 0;
  struct holder* h = bpf_map_lookup_elem(&holders, &key);
  if (!h) return -1;
  struct per_cpu_number __percpu_kptr* p = bpf_percpu_obj_new(struct per_cpu_number);
  if (!p) return -2;
  p = bpf_kptr_xchg(&h->numbers, p);
  if (p) {
    bpf_percpu_obj_drop(p);
    return -3;
  }
  bpf_rcu_read_lock();
  p = h->numbers;
  if (!p) {
    bpf_rcu_read_unlock();
    return -4;
  }
  struct per_cpu_number* own = (void*)bpf_this_cpu_ptr(p);
  own->number += 5;
  struct per_cpu_number* first = (void*)bpf_per_cpu_ptr(p, 0);
  struct per_cpu_number* second = (void*)bpf_per_cpu_ptr(p, 1);
  if (first && second) seen[0] = first->number + second->number;
  seen[1] = bpf_per_cpu_ptr(p, 100000) != 0;
  bpf_rcu_read_unlock();
  return 0;
}
