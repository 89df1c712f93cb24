// SPDX-License-Identifier: Apache-2.0
// BPF_LD_ABS in functions: a load outside of the packet ends the function with 0.
#include "verify.h"

unsigned long long load_byte(void* packet, unsigned long long off) asm("llvm.bpf.load.byte");

#define SOCKET SEC("socket") int
#define STATIC static __attribute__((noinline))

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __uint(key_size, 4);
  __uint(value_size, 4);
} programs SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, int);
  __type(value, char[8]);
} values SEC(".maps");

STATIC int Low3(struct __sk_buff* skb) { return load_byte(skb, 100) & 7; }
STATIC long Low3Long(struct __sk_buff* skb) { return load_byte(skb, 100) & 7; }
STATIC void StoreLow3(struct __sk_buff* skb, long* to) { *to = load_byte(skb, 100) & 7; }
__attribute__((noinline)) int GlobalLow3(struct __sk_buff* skb) { return load_byte(skb, 100) & 7; }
STATIC void Leave(struct __sk_buff* skb) { bpf_tail_call(skb, &programs, 0); }

// One more than a bit of the packet, or 0 if there is no such byte.
STATIC int OneOrTwo(struct __sk_buff* skb) { return (load_byte(skb, 100) & 1) + 1; }

static int ValueAt(int index, int subtract) {
  int zero = 0;
  char* value = bpf_map_lookup_elem(&values, &zero);
  if (!value) return 0;
  asm volatile("%0 -= %1" : "+r"(index) : "i"(subtract));
  return value[index];
}

EXPECT_ACCEPT SOCKET static_function_loads(struct __sk_buff* skb) { return ValueAt(Low3(skb), 0); }

EXPECT_ACCEPT SOCKET static_function_returns_long(struct __sk_buff* skb) { return Low3Long(skb); }

EXPECT_ACCEPT SOCKET global_function_loads(struct __sk_buff* skb) {
  return GlobalLow3(skb) + GlobalLow3(skb);
}

EXPECT_REJECT("V076", "R0 min value is outside of the allowed memory range")
SOCKET result_is_taken_for_positive(struct __sk_buff* skb) { return ValueAt(OneOrTwo(skb), 1); }

EXPECT_REJECT("V030", "LD_ABS is only allowed in functions that return 'int'.")
SOCKET function_without_result_loads(struct __sk_buff* skb) {
  long low;
  StoreLow3(skb, &low);
  return low;
}

EXPECT_REJECT("V029", "tail_call is only allowed in functions that return 'int'.")
SOCKET function_without_result_calls_a_tail(struct __sk_buff* skb) {
  Leave(skb);
  return 0;
}
