// SPDX-License-Identifier: Apache-2.0
// The map definitions of before BTF, in the section `maps`.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct bpf_map_def {
  unsigned int type;
  unsigned int key_size;
  unsigned int value_size;
  unsigned int max_entries;
  unsigned int map_flags;
};

struct bpf_map_def SEC("maps") first = {
    .type = BPF_MAP_TYPE_HASH,
    .key_size = 4,
    .value_size = 8,
    .max_entries = 16,
    .map_flags = BPF_F_NO_PREALLOC,
};
struct bpf_map_def SEC("maps") second = {
    .type = BPF_MAP_TYPE_ARRAY,
    .key_size = 4,
    .value_size = 16,
    .max_entries = 2,
};

SEC("socket") int use_second(struct __sk_buff *skb) {
  __u32 key = 1;
  return bpf_map_lookup_elem(&second, &key) != 0;
}

char _license[] SEC("license") = "GPL";
