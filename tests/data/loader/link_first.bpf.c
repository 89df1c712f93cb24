// SPDX-License-Identifier: Apache-2.0
// Linked with link_second: refers to its function, variable and map, and has a
// weak function that the other replaces. `calls` and `twice` are static in both.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct value {
  long count;
};

extern struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, int);
  __type(value, struct value);
} shared SEC(".maps");

extern int total;
extern int add(int a, int b);

const volatile int limit = 10;
static volatile int calls;

__weak int choose(void) { return 1; }

static __noinline int twice(int x) { return x + x + calls; }

SEC("xdp")
int first(struct xdp_md* ctx) {
  int key = ctx->rx_queue_index;
  struct value* value = bpf_map_lookup_elem(&shared, &key);
  if (value) value->count += limit;
  calls++;
  total += add(twice(3), choose());
  return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
