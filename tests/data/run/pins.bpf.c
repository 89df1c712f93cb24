// SPDX-License-Identifier: Apache-2.0
// Maps that processes share by their names (tests/vm/pinned_maps_test.cc).
#include "run.h"

#define PINNED __uint(pinning, 1 /* LIBBPF_PIN_BY_NAME */)

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u64);
  __type(value, __u64);
  PINNED;
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
  PINNED;
} totals SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
  PINNED;
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} own SEC(".maps");

// Counts itself in every map; returns the count in the hash.
SEC("xdp")
int count(struct xdp_md* ctx) {
  __u64 key = 7, one = 1, *count = bpf_map_lookup_elem(&counts, &key);
  __u32 zero = 0, two = 2;
  if (!count) {
    if (bpf_map_update_elem(&counts, &key, &one, BPF_NOEXIST)) return -1;
    count = &one;
  } else {
    __sync_fetch_and_add(count, 1);
  }
  __u64* total = bpf_map_lookup_elem(&totals, &two);
  __u64* mine = bpf_map_lookup_elem(&own, &zero);
  if (!total || !mine) return -2;
  __sync_fetch_and_add(total, 1);
  __sync_fetch_and_add(mine, 1);
  __u64* event = bpf_ringbuf_reserve(&events, 16, 0);
  if (!event) return -3;
  event[0] = *count;
  event[1] = *mine;
  bpf_ringbuf_submit(event, 0);
  event = bpf_ringbuf_reserve(&events, 8, 0);
  if (!event) return -4;
  bpf_ringbuf_discard(event, 0);
  return *count;
}

SEC("xdp")
int forget(struct xdp_md* ctx) {
  __u64 key = 7;
  return bpf_map_delete_elem(&counts, &key);
}
