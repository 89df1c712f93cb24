// SPDX-License-Identifier: Apache-2.0
// Maps that hold maps or programs, some of their slots initialised.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct inner_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} inner_first SEC(".maps"), inner_second SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 8);
  __type(key, __u32);
  __array(values, struct inner_map);
} outer_array SEC(".maps") = {
    .values = {[1] = &inner_first, [5] = &inner_second},
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(
      values, struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 16);
        __type(key, __u64);
        __type(value, __u32);
      });
} outer_hash SEC(".maps");

SEC("xdp") int tail_first(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp") int tail_second(struct xdp_md *ctx) { return XDP_DROP; }

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 3);
  __uint(key_size, sizeof(__u32));
  __array(values, int(struct xdp_md *));
} programs SEC(".maps") = {
    .values = {[0] = (void *)&tail_second, [2] = (void *)&tail_first},
};

SEC("xdp") int entry(struct xdp_md *ctx) {
  __u32 key = 1;
  void *map = bpf_map_lookup_elem(&outer_array, &key);
  if (!map) return XDP_ABORTED;
  __u64 *value = bpf_map_lookup_elem(map, &key);
  bpf_tail_call(ctx, &programs, value ? 2 : 0);
  return XDP_TX;
}

char _license[] SEC("license") = "GPL";
