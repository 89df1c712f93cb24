// SPDX-License-Identifier: Apache-2.0
// Iterators that programs open, and sections.
#include <linux/bpf.h>

#include "run.h"

struct bpf_iter_bits {
  __u64 opaque[2];
} __attribute__((aligned(8)));

extern int bpf_iter_num_new(struct bpf_iter_num* it, int start, int end) __ksym;
extern int* bpf_iter_num_next(struct bpf_iter_num* it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num* it) __ksym;
extern int bpf_iter_bits_new(struct bpf_iter_bits* it, const __u64* words, __u32 count) __ksym;
extern int* bpf_iter_bits_next(struct bpf_iter_bits* it) __ksym;
extern void bpf_iter_bits_destroy(struct bpf_iter_bits* it) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void bpf_preempt_disable(void) __ksym;
extern void bpf_preempt_enable(void) __ksym;
extern void bpf_local_irq_save(unsigned long*) __ksym;
extern void bpf_local_irq_restore(unsigned long*) __ksym;
extern __s64 bpf_map_sum_elem_count(const struct bpf_map* map) __ksym;

__u64 words[511];

static __noinline __u32 sum(int start, int end, int most) {
  struct bpf_iter_num it;
  __u32 out = 1;
  int* v;
  int rounds = 0;
  int made = bpf_iter_num_new(&it, start, end);
  while ((v = bpf_iter_num_next(&it))) {
    NOTE(out, *v);
    if (++rounds == most) break;
  }
  bpf_iter_num_destroy(&it);
  NOTE(out, made);
  NOTE(out, rounds);
  return out;
}

TC numbers(struct __sk_buff* skb) {
  __u32 out = 0;
  NOTE(out, sum(0, 10, 100));
  NOTE(out, sum(-5, 5, 100));
  NOTE(out, sum(5, 5, 100));
  NOTE(out, sum(0, 1000, 7));
  NOTE(out, sum(-2147483647 - 1, -2147483640, 100));
  NOTE(out, sum(2147483640, 2147483647, 100));
  NOTE(out, sum(-2147483647 - 1, -2147483647 - 1, 100));
  return out;
}

TC wrong_numbers(struct __sk_buff* skb) {
  __u32 out = 0;
  NOTE(out, sum(5, 4, 100));
  NOTE(out, sum(0, (1 << 23) + 1, 100));
  NOTE(out, sum(0, 1 << 23, 100));
  NOTE(out, sum(-2147483647 - 1, 2147483647, 100));
  return out;
}

TC numbers_in_numbers(struct __sk_buff* skb) {
  struct bpf_iter_num a, b;
  __u32 out = 0;
  int *x, *y;
  bpf_iter_num_new(&a, 0, 9);
  while ((x = bpf_iter_num_next(&a))) {
    bpf_iter_num_new(&b, *x, 12);
    while ((y = bpf_iter_num_next(&b))) NOTE(out, *x * *y);
    bpf_iter_num_destroy(&b);
  }
  bpf_iter_num_destroy(&a);
  return out;
}

static __noinline __u32 bits(__u32 count, int most) {
  struct bpf_iter_bits it;
  __u32 out = 1;
  int* v;
  int rounds = 0;
  int made = bpf_iter_bits_new(&it, words, count);
  while ((v = bpf_iter_bits_next(&it))) {
    NOTE(out, *v);
    if (++rounds == most) break;
  }
  bpf_iter_bits_destroy(&it);
  NOTE(out, made);
  NOTE(out, rounds);
  return out;
}

TC bits_that_are_set(struct __sk_buff* skb) {
  __u32 out = 0;
  NOTE(out, bits(1, 100));
  words[0] = 0x8000000000000001;
  NOTE(out, bits(1, 100));
  words[0] = 0xf0f0;
  words[1] = 1;
  words[3] = 1ull << 63;
  NOTE(out, bits(1, 100));
  NOTE(out, bits(2, 100));
  NOTE(out, bits(4, 100));
  NOTE(out, bits(4, 3));
  words[510] = 5;
  NOTE(out, bits(511, 100));
  NOTE(out, bits(512, 100));
  NOTE(out, bits(0, 100));
  return out;
}

TC sections(struct __sk_buff* skb) {
  unsigned long flags;
  __u32 out = 0;
  bpf_rcu_read_lock();
  NOTE(out, sum(0, 5, 100));
  bpf_rcu_read_unlock();
  bpf_preempt_disable();
  bpf_preempt_disable();
  NOTE(out, sum(0, 6, 100));
  bpf_preempt_enable();
  bpf_preempt_enable();
  bpf_local_irq_save(&flags);
  NOTE(out, skb->len);
  bpf_local_irq_restore(&flags);
  return out;
}

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 100);
  __type(key, __u64);
  __type(value, __u32);
} hash SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 100);
  __type(key, __u64);
  __type(value, __u32);
} lazy_hash SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 100);
  __type(key, __u32);
  __type(value, __u32);
} array SEC(".maps");

TC elements(struct __sk_buff* skb) {
  __u32 out = 0;
  for (int i = 0; i < 10; ++i) {
    __u64 key = i;
    __u32 value = i;
    bpf_map_update_elem(&hash, &key, &value, 0);
    bpf_map_update_elem(&lazy_hash, &key, &value, 0);
    if (i > 6) bpf_map_delete_elem(&hash, &key);
  }
  NOTE(out, bpf_map_sum_elem_count((struct bpf_map*)&hash));
  NOTE(out, bpf_map_sum_elem_count((struct bpf_map*)&lazy_hash));
  NOTE(out, bpf_map_sum_elem_count((struct bpf_map*)&array));
  return out;
}
