// SPDX-License-Identifier: Apache-2.0
// Globals for an arena that is not there.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC(".addr_space.1") long first = 1;

SEC("syscall") int touch(void *ctx) { return first; }

char _license[] SEC("license") = "GPL";
