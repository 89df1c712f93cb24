// SPDX-License-Identifier: Apache-2.0
// Two arenas, of which an object may have one.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, 33);  // BPF_MAP_TYPE_ARENA
  __uint(map_flags, 1 << 10);
  __uint(max_entries, 4);
} arena SEC(".maps"), other SEC(".maps");

SEC("syscall") int nothing(void *ctx) { return 0; }

char _license[] SEC("license") = "GPL";
