// SPDX-License-Identifier: Apache-2.0
// Helpers that call functions of the program, and what those may do.
#include "verify.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} array SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} records SEC(".maps");

static long Sum(void* map, __u32* key, __u64* value, __u64* sum) {
  *sum += *value + *key;
  return 0;
}

EXPECT_ACCEPT XDP sum_of_elements(void* ctx) {
  __u64 sum = 0;
  bpf_for_each_map_elem(&array, Sum, &sum, 0);
  return sum & 1;
}

EXPECT_REJECT("V416", "callback function not allowed for map")
XDP elements_of_ring(void* ctx) {
  __u64 sum = 0;
  bpf_for_each_map_elem(&records, Sum, &sum, 0);
  return sum & 1;
}

__attribute__((noinline)) int sleeps(int x) {
  char buffer[8];
  bpf_copy_from_user(buffer, sizeof(buffer), (void*)8);
  return buffer[x & 7];
}

EXPECT_REJECT("V590", "global functions that may sleep are not allowed in non-sleepable context")
XDP global_function_that_sleeps(void* ctx) { return sleeps(3) & 1; }
