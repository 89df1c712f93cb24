// SPDX-License-Identifier: Apache-2.0
//
// Counts how often each user starts a program: a hash map from user id to a
// counter, which user space reads while the program goes on counting.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);    // user id
  __type(value, __u64);  // programs started
} counter_table SEC(".maps");

SEC("kprobe/__x64_sys_execve")
int hello_map(void* ctx) {
  // The lower half is the user id, the upper half the group id.
  __u32 uid = (__u32)bpf_get_current_uid_gid();
  __u64 one = 1;

  __u64* count = bpf_map_lookup_elem(&counter_table, &uid);
  if (count) {
    // Another CPU may count for the same user at this moment.
    __sync_fetch_and_add(count, 1);
    return 0;
  }
  // BPF_NOEXIST: where two CPUs see a new user at once, one of them loses here
  // and adds to what the other put in.
  if (bpf_map_update_elem(&counter_table, &uid, &one, BPF_NOEXIST) != 0) {
    count = bpf_map_lookup_elem(&counter_table, &uid);
    if (count) __sync_fetch_and_add(count, 1);
  }
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
