// SPDX-License-Identifier: Apache-2.0
// BTF-defined maps with each attribute that libbpf knows, and no program but
// one that uses three of them.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct flow {
  __u32 source, destination;
  __u16 ports[2];
};
typedef struct flow flow_t;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, const flow_t);
  __type(value, __u64);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(key_size, 4);
  __uint(value_size, 100);
  __uint(max_entries, 7);
  __uint(numa_node, 0);
} sized SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __uint(key_size, 4);
  __type(value, struct { __u64 packets; __u64 bytes; });
  __uint(max_entries, 2);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

// 5000 is no size for a ring buffer; libbpf makes it 8192.
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 5000);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, 4);
  __uint(value_size, 4);
} perf_events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
  __type(value, __u32);
  __uint(max_entries, 100);
  __uint(map_extra, 3);
} seen SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(key_size, 8);
  __uint(value_size, 4);
  __uint(max_entries, 16);
  __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
} routes SEC(".maps");

SEC("socket") int count(struct __sk_buff *skb) {
  __u32 zero = 0;
  flow_t flow = {.source = skb->len};
  __u64 one = 1;
  void *counter = bpf_map_lookup_elem(&counters, &zero);
  if (counter) *(__u64 *)counter += 1;
  bpf_map_update_elem(&flows, &flow, &one, BPF_ANY);
  bpf_ringbuf_output(&events, &one, sizeof(one), 0);
  return 0;
}

char _license[] SEC("license") = "GPL";
