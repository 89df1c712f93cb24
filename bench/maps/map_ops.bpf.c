// SPDX-License-Identifier: Apache-2.0
//
// Programs that do nothing but map operations and helper calls, OPERATIONS of them a run:
//
//   skep bench build/bench/maps/map_ops.bpf.o --setup bench/maps/setup.json
//
// Keys are pseudo-random. Their stream goes on from run to run, so that caches and branch
// predictors see what a busy program shows them; compiled with -DHOT (map_ops_hot.bpf.c)
// it starts anew, and each run uses the same 128 keys. `base_loop` makes keys and does
// nothing with them: what to subtract.

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define OPERATIONS 128
#define MAP_WITH(name, map_type, entries, key_type, value_type, flags) \
  struct {                                                             \
    __uint(type, map_type);                                            \
    __uint(max_entries, entries);                                      \
    __uint(map_flags, flags);                                          \
    __type(key, key_type);                                             \
    __type(value, value_type);                                         \
  } name SEC(".maps")
#define MAP(name, map_type, entries, key_type, value_type) \
  MAP_WITH(name, map_type, entries, key_type, value_type, 0)
#define KEYLESS(name, map_type, entries) \
  struct {                               \
    __uint(type, map_type);              \
    __uint(max_entries, entries);        \
    __type(value, __u64);                \
  } name SEC(".maps")

struct key16 {
  __u64 a, b;
};
struct prefix {
  __u32 length, address;
};
struct event {
  __u64 words[8];
};

MAP(array_1k, BPF_MAP_TYPE_ARRAY, 1024, __u32, __u64);
MAP(array_1m, BPF_MAP_TYPE_ARRAY, 1 << 20, __u32, __u64);
MAP(percpu_array_1k, BPF_MAP_TYPE_PERCPU_ARRAY, 1024, __u32, __u64);
MAP(hash_1k, BPF_MAP_TYPE_HASH, 1024, __u64, __u64);
MAP(hash_64k, BPF_MAP_TYPE_HASH, 65536, __u64, __u64);
MAP(hash_key16, BPF_MAP_TYPE_HASH, 1024, struct key16, __u64);
MAP(hash_1m, BPF_MAP_TYPE_HASH, 1 << 20, __u64, __u64);
MAP(hash_churn, BPF_MAP_TYPE_HASH, 4096, __u64, __u64);
MAP_WITH(hash_lazy, BPF_MAP_TYPE_HASH, 4096, __u64, __u64, BPF_F_NO_PREALLOC);
MAP(percpu_hash_1k, BPF_MAP_TYPE_PERCPU_HASH, 1024, __u64, __u64);
MAP(lru_1k, BPF_MAP_TYPE_LRU_HASH, 1024, __u64, __u64);
MAP(lru_full, BPF_MAP_TYPE_LRU_HASH, 16384, __u64, __u64);
MAP_WITH(routes_2k, BPF_MAP_TYPE_LPM_TRIE, 4096, struct prefix, __u64, BPF_F_NO_PREALLOC);
MAP_WITH(routes_1m, BPF_MAP_TYPE_LPM_TRIE, 1 << 20, struct prefix, __u64, BPF_F_NO_PREALLOC);
KEYLESS(queue, BPF_MAP_TYPE_QUEUE, 1024);
KEYLESS(filter, BPF_MAP_TYPE_BLOOM_FILTER, 1024);
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 64 << 20);
} events SEC(".maps");
MAP(jumps, BPF_MAP_TYPE_PROG_ARRAY, 1, __u32, __u32);

#define START 12345
__u64 stream = START;
__u64 next_key;

#ifdef HOT
#define FIRST START
#else
#define FIRST stream
#endif

#define LOOP _Pragma("clang loop unroll(disable)") for (__u32 i = 0; i < OPERATIONS; ++i)
#define RANDOM(x) (x = x * 6364136223846793005ULL + 1442695040888963407ULL, x >> 33)

// The body may declare and use `x`, and adds to `sum` what must not be optimised away.
#define PROGRAM(name, ...)        \
  SEC("xdp")                      \
  int name(struct xdp_md* ctx) {  \
    __u64 x = FIRST, sum = 0;     \
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

SEC("xdp")
int does_nothing(struct xdp_md* ctx) { return XDP_PASS; }

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

LOOKUP(hash_lookup_1m, hash_1m, __u64, (1 << 20) - 1)
LOOKUP(percpu_hash_lookup_1k, percpu_hash_1k, __u64, 1023)
LOOKUP(lru_lookup_1k, lru_1k, __u64, 1023)

#define ROUTE(name, map)                            \
  PROGRAM(name, {                                   \
    struct prefix key = {32, (__u32)RANDOM(x)};     \
    __u64* value = bpf_map_lookup_elem(&map, &key); \
    if (value) sum += *value;                       \
  })
ROUTE(lpm_lookup_2k, routes_2k)
ROUTE(lpm_lookup_1m, routes_1m)

UPDATE(array_update_1k, array_1k, __u32, 1023)
UPDATE(hash_update_1k, hash_1k, __u64, 1023)
UPDATE(hash_update_64k, hash_64k, __u64, 65535)

UPDATE(hash_update_1m, hash_1m, __u64, (1 << 20) - 1)
UPDATE(hash_update_lazy, hash_lazy, __u64, 1023)
UPDATE(percpu_hash_update_1k, percpu_hash_1k, __u64, 1023)
UPDATE(lru_update_1k, lru_1k, __u64, 1023)

PROGRAM(hash_add_in_place, {
  __u64 key = RANDOM(x) & 1023;
  __u64* value = bpf_map_lookup_elem(&hash_1k, &key);
  if (value) __sync_fetch_and_add(value, 1);
})

PROGRAM(lru_insert_evict, {
  __u64 key = next_key++;
  sum += bpf_map_update_elem(&lru_full, &key, &key, BPF_ANY);
})

PROGRAM(hash_insert_delete, {
  __u64 key = RANDOM(x) & 1023;
  __u64 value = x;
  sum += bpf_map_update_elem(&hash_churn, &key, &value, BPF_ANY);
  sum += bpf_map_delete_elem(&hash_churn, &key);
})

PROGRAM(queue_push_pop, {
  __u64 value = RANDOM(x);
  sum += bpf_map_push_elem(&queue, &value, 0);
  sum += bpf_map_pop_elem(&queue, &value);
})

PROGRAM(bloom_peek, {
  __u64 value = RANDOM(x) & 2047;
  sum += bpf_map_peek_elem(&filter, &value);
})

PROGRAM(ringbuf_output_64, {
  struct event event = {{RANDOM(x)}};
  sum += bpf_ringbuf_output(&events, &event, sizeof event, BPF_RB_NO_WAKEUP);
})

PROGRAM(ringbuf_output_64_wake, {
  struct event event = {{RANDOM(x)}};
  sum += bpf_ringbuf_output(&events, &event, sizeof event, 0);
})

PROGRAM(ringbuf_reserve_64, {
  struct event* event = bpf_ringbuf_reserve(&events, sizeof *event, 0);
  if (!event) {
    ++sum;
    continue;
  }
  event->words[0] = RANDOM(x);
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
})

PROGRAM(helper_ktime, { sum += bpf_ktime_get_ns(); })
PROGRAM(helper_prandom, { sum += bpf_get_prandom_u32(); })
PROGRAM(helper_cpu_id, { sum += bpf_get_smp_processor_id(); })
PROGRAM(helper_numa_node, { sum += bpf_get_numa_node_id(); })

static long add(__u32 i, void* sum) {
  *(__u64*)sum += i;
  return 0;
}

SEC("xdp")
int loop_iteration(struct xdp_md* ctx) {
  __u64 sum = 0;
  bpf_loop(OPERATIONS, add, &sum, 0);
  return (int)sum;
}

// Calls itself until the limit of 33 calls.
SEC("xdp")
int tail_call(struct xdp_md* ctx) {
  bpf_tail_call(ctx, &jumps, 0);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
