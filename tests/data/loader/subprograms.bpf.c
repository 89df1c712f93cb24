// SPDX-License-Identifier: Apache-2.0
// Static, global, hidden and weak subprograms; one that others call too; a
// callback; a program that others call; calls within one section.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define NOINLINE __attribute__((noinline))

static NOINLINE int leaf(__u32 x) { return (int)(x * 3 + bpf_get_prandom_u32()); }
static NOINLINE int middle(__u32 x) { return leaf(x) + leaf(x + 1); }
NOINLINE int global_function(__u32 x) { return leaf(x) ^ (int)bpf_ktime_get_ns(); }
__hidden NOINLINE int hidden_function(__u32 x) { return middle(x) | (int)bpf_ktime_get_ns(); }
__weak NOINLINE int weak_function(__u32 x) { return (int)x + (int)bpf_get_prandom_u32(); }
NOINLINE int unused_function(__u32 x) { return (int)x - (int)bpf_get_prandom_u32(); }

struct state {
  __u64 sum;
};
static long add(__u32 index, void *data) {
  struct state *state = data;
  state->sum += index;
  return 0;
}

SEC("xdp") int no_calls(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp") int static_calls(struct xdp_md *ctx) { return middle(ctx->ingress_ifindex); }
SEC("xdp") int all_calls(struct xdp_md *ctx) {
  return global_function(ctx->ingress_ifindex) + hidden_function(ctx->rx_queue_index) +
         weak_function(3) + middle(4);
}
SEC("tc") int callback(struct __sk_buff *skb) {
  struct state state = {};
  bpf_loop(10, add, &state, 0);
  return (int)state.sum;
}

char _license[] SEC("license") = "GPL";
