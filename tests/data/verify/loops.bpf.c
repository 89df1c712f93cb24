// SPDX-License-Identifier: Apache-2.0
// Loops that end because their states come round: what a later path of a round
// needs must hold for what an earlier path of it left behind.
#include "verify.h"

#define NAKED __attribute__((naked, noinline, used))

// The rounds share the number at r2. One path makes it large, another, followed
// later, uses it as an offset into the stack.
NAKED static long left_large_used_later(void) {
  asm volatile(
      "r6 = r2;"
      "call 7;"
      "if r0 == 0 goto 3f;"
      "call 7;"
      "if r0 == 0 goto 2f;"
      "goto 1f;"
      "2: r1 = 100000;"
      "*(u64*)(r6 + 0) = r1;"
      "goto 1f;"
      "3: r1 = *(u64*)(r6 + 0);"
      "r6 += -32;"
      "r6 += r1;"
      "r1 = 0;"
      "*(u8*)(r6 + 0) = r1;"
      "1: r0 = 0;"
      "exit;" ::
          : "memory");
}

// The same, but the number stays small.
NAKED static long left_small_used_later(void) {
  asm volatile(
      "r6 = r2;"
      "call 7;"
      "if r0 == 0 goto 3f;"
      "call 7;"
      "if r0 == 0 goto 2f;"
      "goto 1f;"
      "2: r1 = 3;"
      "*(u64*)(r6 + 0) = r1;"
      "goto 1f;"
      "3: r1 = *(u64*)(r6 + 0);"
      "r6 += -32;"
      "r6 += r1;"
      "r1 = 0;"
      "*(u8*)(r6 + 0) = r1;"
      "1: r0 = 0;"
      "exit;" ::
          : "memory");
}

#define SHARE_A_NUMBER(callback) \
  asm volatile(                  \
      "r1 = 0;"                  \
      "*(u64*)(r10 - 16) = r1;"  \
      "*(u64*)(r10 - 24) = r1;"  \
      "*(u64*)(r10 - 32) = r1;"  \
      "*(u64*)(r10 - 40) = r1;"  \
      "call 7;"                  \
      "r0 &= 7;"                 \
      "*(u64*)(r10 - 8) = r0;"   \
      "r1 = 600;"                \
      "r2 = %[cb] ll;"           \
      "r3 = r10;"                \
      "r3 += -8;"                \
      "r4 = 0;"                  \
      "call 181;"                \
      "r0 = 0;"                  \
      "exit;" ::[cb] "i"(callback) : "memory")

EXPECT_STRICTER("V058",
                "math between fp pointer and register with unbounded min value is not allowed")
XDP NAKED callback_leaves_large_number(void) { SHARE_A_NUMBER(left_large_used_later); }

EXPECT_ACCEPT XDP NAKED callback_leaves_small_number(void) {
  SHARE_A_NUMBER(left_small_used_later);
}

static long Count(__u32 index, __u64* sum) {
  *sum += index;
  return *sum > 1000;
}

EXPECT_ACCEPT XDP callback_counts(void* ctx) {
  __u64 sum = 0;
  bpf_loop(1 << 20, Count, &sum, 0);
  return sum & 1;
}

static long CountTwice(__u32 index, __u64* sum) {
  bpf_loop(1 << 10, Count, sum, 0);
  return 0;
}

EXPECT_ACCEPT XDP callback_in_callback(void* ctx) {
  __u64 sum = 0;
  bpf_loop(1 << 10, CountTwice, &sum, 0);
  return sum & 1;
}

// How often is a pointer; Linux fails an assertion of its own.
EXPECT_REJECT("V881", "verifier bug: backtracking misuse")
XDP NAKED callback_count_is_pointer(void) {
  asm volatile(
      "r1 = r10;"
      "r2 = %[cb] ll;"
      "r3 = r10;"
      "r4 = 0;"
      "call 181;"
      "r0 = 0;"
      "exit;" ::[cb] "i"(Count)
      : "memory");
}

EXPECT_ACCEPT XDP callback_never_runs(void* ctx) {
  __u64 sum = 0;
  bpf_loop(0, Count, &sum, 0);
  return sum & 1;
}

static long Twice(__u32 index, __u64* sum) {
  *sum += *sum;
  return 0;
}

EXPECT_ACCEPT XDP first_callback_never_runs(void* ctx) {
  __u64 sum = 1;
  bpf_loop(0, Count, &sum, 0);
  bpf_loop(4, Twice, &sum, 0);
  return sum & 1;
}

// Linux removes the last function as dead code, then misses it.
EXPECT_REJECT("V882", "No program to jit at insn")
XDP last_callback_never_runs(void* ctx) {
  __u64 sum = 1;
  bpf_loop(4, Count, &sum, 0);
  bpf_loop(0, Twice, &sum, 0);
  return sum & 1;
}
