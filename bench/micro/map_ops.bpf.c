// SPDX-License-Identifier: Apache-2.0
//
// Programs that do nothing but map operations, OPERATIONS of them a run, on
// pseudo-random keys. The stream of keys goes on from run to run, so that
// caches and branch predictors see what a busy program shows them. `base_loop`
// makes keys and does nothing with them: what to subtract.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define OPERATIONS 128
#define MAP(name, map_type, entries, key_type, value_type) \
  struct {                                                 \
    __uint(type, map_type);                                \
    __uint(max_entries, entries);                          \
    __type(key, key_type);                                 \
    __type(value, value_type);                             \
  } name SEC(".maps")

struct key16 {
  __u64 a, b;
};

MAP(array_1k, BPF_MAP_TYPE_ARRAY, 1024, __u32, __u64);
MAP(array_1m, BPF_MAP_TYPE_ARRAY, 1 << 20, __u32, __u64);
MAP(percpu_array_1k, BPF_MAP_TYPE_PERCPU_ARRAY, 1024, __u32, __u64);
MAP(hash_1k, BPF_MAP_TYPE_HASH, 1024, __u64, __u64);
MAP(hash_64k, BPF_MAP_TYPE_HASH, 65536, __u64, __u64);
MAP(hash_key16, BPF_MAP_TYPE_HASH, 1024, struct key16, __u64);
MAP(hash_churn, BPF_MAP_TYPE_HASH, 4096, __u64, __u64);

__u64 stream = 12345;

#define LOOP _Pragma("clang loop unroll(disable)") for (__u32 i = 0; i < OPERATIONS; ++i)
#define RANDOM(x) (x = x * 6364136223846793005ULL + 1442695040888963407ULL, x >> 33)

// The body may declare and use `x`, and adds to `sum` what must not be optimised away.
#define PROGRAM(name, ...)        \
  SEC("xdp")                      \
  int name(struct xdp_md* ctx) {  \
    __u64 x = stream, sum = 0;    \
    LOOP{__VA_ARGS__} stream = x; \
    return (int)sum;              \
  }

#define LOOKUP(name, map, key_type, mask)           \
  PROGRAM(name, {                                   \
    key_type key = RANDOM(x) & (mask);              \
    __u64* value = bpf_map_lookup_elem(&map, &key); \
    if (value) sum += *value;                       \
  })

#define UPDATE(name, map, key_type, mask)                    \
  PROGRAM(name, {                                            \
    key_type key = RANDOM(x) & (mask);                       \
    __u64 value = x;                                         \
    sum += bpf_map_update_elem(&map, &key, &value, BPF_ANY); \
  })

PROGRAM(base_loop, {
  __u64 key = RANDOM(x) & 1023;
  __u64* at = &key;
  asm volatile("" : "+r"(at)::"memory");
  sum += *at;
})

LOOKUP(array_lookup_1k, array_1k, __u32, 1023)
LOOKUP(array_lookup_1m, array_1m, __u32, (1 << 20) - 1)
LOOKUP(percpu_array_lookup_1k, percpu_array_1k, __u32, 1023)
LOOKUP(hash_lookup_1k, hash_1k, __u64, 1023)
LOOKUP(hash_lookup_64k, hash_64k, __u64, 65535)

PROGRAM(hash_lookup_miss, {
  __u64 key = (RANDOM(x) & 1023) + 5000000;
  __u64* value = bpf_map_lookup_elem(&hash_1k, &key);
  if (value) sum += *value;
})

PROGRAM(hash_lookup_key16, {
  struct key16 key = {RANDOM(x) & 1023, 99};
  __u64* value = bpf_map_lookup_elem(&hash_key16, &key);
  if (value) sum += *value;
})

UPDATE(array_update_1k, array_1k, __u32, 1023)
UPDATE(hash_update_1k, hash_1k, __u64, 1023)
UPDATE(hash_update_64k, hash_64k, __u64, 65535)

PROGRAM(hash_insert_delete, {
  __u64 key = RANDOM(x) & 1023;
  __u64 value = x;
  sum += bpf_map_update_elem(&hash_churn, &key, &value, BPF_ANY);
  sum += bpf_map_delete_elem(&hash_churn, &key);
})

char LICENSE[] SEC("license") = "Dual BSD/GPL";
