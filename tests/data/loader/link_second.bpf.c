// SPDX-License-Identifier: Apache-2.0
// Linked with link_first, which see.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct value {
  long count;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, int);
  __type(value, struct value);
} shared SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, int);
  __type(value, int);
} own SEC(".maps");

extern const volatile int limit;
int total = 5;
static volatile int calls;

int choose(void) { return 2; }

int add(int a, int b) { return a + b + limit; }

static __noinline int twice(int x) { return 3 * x + calls; }

SEC("xdp")
int second(struct xdp_md* ctx) {
  int key = 0;
  int* value = bpf_map_lookup_elem(&own, &key);
  if (value) *value = twice(total);
  calls += 2;
  return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
