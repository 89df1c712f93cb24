// SPDX-License-Identifier: Apache-2.0
// An arena and globals in it. The section is named by hand: only later compilers
// know the address space.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, 33);  // BPF_MAP_TYPE_ARENA
  __uint(map_flags, 1 << 10);
  __uint(max_entries, 4);
} arena SEC(".maps");

SEC(".addr_space.1") long first = 0x1122334455667788;
SEC(".addr_space.1") long second = 7;

SEC("syscall") int touch(void *ctx) {
  first = second;
  return 0;
}

char _license[] SEC("license") = "GPL";
