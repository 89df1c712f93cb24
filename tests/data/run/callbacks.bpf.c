// SPDX-License-Identifier: Apache-2.0
// Functions of the program that helpers call.
#include <linux/bpf.h>

#include "run.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 5);
  __type(key, __u32);
  __type(value, __u64);
} array SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 3);
  __type(key, __u32);
  __type(value, __u64);
} percpu_array SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 100);
  __type(key, __u64);
  __type(value, __u32);
} hash SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 100);
  __type(key, __u32);
  __type(value, __u32);
} percpu_hash SEC(".maps");

struct Work {
  __u64 sum;
  __u32 stop_at;
  __u32 rounds;
};

static long add_index(__u32 index, struct Work* work) {
  NOTE(work->sum, index);
  work->rounds++;
  return index == work->stop_at;
}

static long add_twice(__u32 index, struct Work* work) {
  NOTE(work->sum, index + 7);
  work->rounds += 2;
  return index > work->stop_at;
}

TC loop_runs_to_its_end(struct __sk_buff* skb) {
  struct Work work = {.stop_at = 1000};
  long rounds = bpf_loop(100, add_index, &work, 0);
  NOTE(work.sum, rounds);
  return (__u32)work.sum;
}

TC loop_stops_early(struct __sk_buff* skb) {
  struct Work work = {.stop_at = 41};
  long rounds = bpf_loop(100, add_index, &work, 0);
  NOTE(work.sum, rounds);
  NOTE(work.sum, work.rounds);
  return (__u32)work.sum;
}

TC loop_of_no_rounds(struct __sk_buff* skb) {
  struct Work work = {.stop_at = 41};
  __u64 count = 0;
  HIDE(count);
  return bpf_loop(count, add_index, &work, 0) + work.rounds;
}

TC loop_of_too_many_rounds(struct __sk_buff* skb) {
  struct Work work = {};
  __u64 count = (1 << 23) + 1;
  HIDE(count);
  long result = bpf_loop(count, add_index, &work, 0);
  return result == 0xfffffff9 ? 1 : result == -7 ? 2 : 3;
}

// Linux compiles this call to a loop: all 64 bits of the count matter.
TC loop_of_a_wide_count(struct __sk_buff* skb) {
  struct Work work = {.stop_at = 1000};
  __u64 count = 0x100000003 + zero;
  long result = bpf_loop(count, add_index, &work, 0);
  return result == 0xfffffff9 ? 1 : result == 3 ? 2 : 3;
}

// With two callbacks the helper itself is called.
TC loop_of_either_function(struct __sk_buff* skb) {
  struct Work work = {.stop_at = 10};
  long (*function)(__u32, struct Work*) = skb->len == 64 ? add_index : add_twice;
  __u64 count = 0x100000005 + zero;
  long result = bpf_loop(count, function, &work, 0);
  NOTE(work.sum, result);
  count = (1 << 23) + 1;
  HIDE(count);
  result = bpf_loop(count, function, &work, 0);
  NOTE(work.sum, result == -7);
  return (__u32)work.sum;
}

TC loop_with_unknown_flags(struct __sk_buff* skb) {
  struct Work work = {.stop_at = 3};
  __u64 flags = zero;
  long result = bpf_loop(10, add_index, &work, flags);
  flags = 1 + zero;
  NOTE(work.sum, result);
  NOTE(work.sum, bpf_loop(10, add_index, &work, flags));
  return (__u32)work.sum;
}

static long inner(__u32 index, struct Work* work) {
  NOTE(work->sum, index * 3);
  return index == 4;
}

static __noinline __u64 busy(__u64 a, __u64 b, __u64 c) {
  __u64 x = a * 3 + b, y = b * 5 + c, z = c * 7 + a;
  HIDE(x);
  HIDE(y);
  HIDE(z);
  return x ^ y ^ z;
}

static long outer(__u32 index, struct Work* work) {
  __u64 before = work->sum;
  long rounds = bpf_loop(index, inner, work, 0);
  NOTE(work->sum, rounds);
  NOTE(work->sum, busy(before, index, rounds));
  return 0;
}

TC loops_in_loops(struct __sk_buff* skb) {
  struct Work work = {};
  __u64 a = skb->len, b = a + 1, c = a + 2, d = a + 3;
  HIDE(a);
  HIDE(b);
  HIDE(c);
  HIDE(d);
  bpf_loop(20, outer, &work, 0);
  NOTE(work.sum, a);
  NOTE(work.sum, b);
  NOTE(work.sum, c);
  NOTE(work.sum, d);
  return (__u32)work.sum;
}

static __noinline long looping(struct Work* work, __u32 count) {
  return bpf_loop(count & 31, outer, work, 0);
}

TC loops_in_functions(struct __sk_buff* skb) {
  struct Work work = {};
  for (int i = 0; i < 5; ++i) NOTE(work.sum, looping(&work, i * 3));
  return (__u32)work.sum;
}

// The callback's context is a number.
static long count_only(__u32 index, void* context) { return context != 0; }

TC loop_without_context(struct __sk_buff* skb) { return bpf_loop(12, count_only, 0, 0); }

static long sum_array(struct bpf_map* map, __u32* key, __u64* value, struct Work* work) {
  NOTE(work->sum, *key);
  NOTE(work->sum, *value);
  *value += 1000;
  return *key == work->stop_at;
}

TC each_of_an_array(struct __sk_buff* skb) {
  struct Work work = {.stop_at = 100};
  for (int i = 0; i < 5; ++i) {
    __u32 key = i;
    __u64 value = i * i + 3;
    bpf_map_update_elem(&array, &key, &value, 0);
  }
  NOTE(work.sum, bpf_for_each_map_elem(&array, sum_array, &work, 0));
  work.stop_at = 2;
  NOTE(work.sum, bpf_for_each_map_elem(&array, sum_array, &work, 0));
  NOTE(work.sum, bpf_for_each_map_elem(&array, sum_array, &work, 1));
  return (__u32)work.sum;
}

TC each_of_a_percpu_array(struct __sk_buff* skb) {
  struct Work work = {.stop_at = 100};
  for (int i = 0; i < 3; ++i) {
    __u32 key = i;
    __u64 value = i * i + 3;
    bpf_map_update_elem(&percpu_array, &key, &value, 0);
  }
  NOTE(work.sum, bpf_for_each_map_elem(&percpu_array, sum_array, &work, 0));
  NOTE(work.sum, bpf_for_each_map_elem(&percpu_array, sum_array, &work, 0));
  return (__u32)work.sum;
}

// In no order: what comes out must not depend on it.
static long sum_hash(struct bpf_map* map, __u64* key, __u32* value, struct Work* work) {
  work->sum += *key * *value;
  work->rounds++;
  *value += 1;
  return 0;
}

static long drop_even(struct bpf_map* map, __u64* key, __u32* value, struct Work* work) {
  work->sum += *key;
  work->rounds++;
  if ((*key & 1) == 0) bpf_map_delete_elem(map, key);
  return 0;
}

static long replace(struct bpf_map* map, __u64* key, __u32* value, struct Work* work) {
  __u32 other = *value * 2;
  work->rounds++;
  bpf_map_update_elem(map, key, &other, BPF_EXIST);
  return 0;
}

static long stop_at_third(struct bpf_map* map, __u64* key, __u32* value, struct Work* work) {
  return ++work->rounds == 3;
}

TC each_of_a_hash(struct __sk_buff* skb) {
  struct Work work = {};
  for (int i = 0; i < 64; ++i) {
    __u64 key = i * 77;
    __u32 value = i;
    bpf_map_update_elem(&hash, &key, &value, 0);
  }
  NOTE(work.sum, bpf_for_each_map_elem(&hash, sum_hash, &work, 0));
  NOTE(work.sum, bpf_for_each_map_elem(&hash, sum_hash, &work, 0));
  NOTE(work.sum, bpf_for_each_map_elem(&hash, drop_even, &work, 0));
  NOTE(work.sum, bpf_for_each_map_elem(&hash, sum_hash, &work, 0));
  work.rounds = 0;
  NOTE(work.sum, bpf_for_each_map_elem(&hash, stop_at_third, &work, 0));
  NOTE(work.sum, work.rounds);
  work.rounds = 0;
  bpf_for_each_map_elem(&hash, replace, &work, 0);
  NOTE(work.sum, bpf_for_each_map_elem(&hash, sum_hash, &work, 0));
  return (__u32)work.sum;
}

static long sum_percpu_hash(struct bpf_map* map, __u32* key, __u32* value, struct Work* work) {
  work->sum += *key * *value;
  *value += 5;
  return 0;
}

TC each_of_a_percpu_hash(struct __sk_buff* skb) {
  struct Work work = {};
  for (int i = 0; i < 40; ++i) {
    __u32 key = i;
    bpf_map_update_elem(&percpu_hash, &key, &key, 0);
  }
  NOTE(work.sum, bpf_for_each_map_elem(&percpu_hash, sum_percpu_hash, &work, 0));
  NOTE(work.sum, bpf_for_each_map_elem(&percpu_hash, sum_percpu_hash, &work, 0));
  return (__u32)work.sum;
}
TC each_of_nothing(struct __sk_buff* skb) {
  struct Work work = {};
  return bpf_for_each_map_elem(&hash, sum_hash, &work, 0);
}

static long nested_each(struct bpf_map* map, __u32* key, __u64* value, struct Work* work) {
  NOTE(work->sum, *key);
  NOTE(work->sum, bpf_loop(*key, inner, work, 0));
  NOTE(work->sum, *key);
  return 0;
}

TC loops_in_each(struct __sk_buff* skb) {
  struct Work work = {};
  NOTE(work.sum, bpf_for_each_map_elem(&array, nested_each, &work, 0));
  return (__u32)work.sum;
}
