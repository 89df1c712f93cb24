// SPDX-License-Identifier: Apache-2.0
// Declares the map of link_second with more entries than it has.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 17);
  __type(key, int);
  __type(value, long);
} shared SEC(".maps");

SEC("xdp")
int clash(struct xdp_md* ctx) {
  int key = ctx->rx_queue_index;
  return bpf_map_lookup_elem(&shared, &key) ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
