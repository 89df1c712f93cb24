// SPDX-License-Identifier: Apache-2.0
// Timers: bound to the map they are in; their callbacks run later, on a stack of
// their own, and return 0.
#include "verify.h"

struct value {
  struct bpf_timer timer;
  __u64 count;
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct value);
} values SEC(".maps"), others SEC(".maps");
struct inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct value);
} inner SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 2);
  __type(key, __u32);
  __array(values, struct inner);
} outer SEC(".maps") = {.values = {&inner}};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} plain SEC(".maps");

static void* Find(void* map, __u32 key) { return bpf_map_lookup_elem(map, &key); }

static int Count(void* map, __u32* key, struct value* v) {
  v->count += *key;
  return 0;
}

EXPECT_ACCEPT XDP start(void* ctx) {
  struct value* v = Find(&values, 1);
  if (!v) return 0;
  bpf_timer_init(&v->timer, &values, 1);
  bpf_timer_set_callback(&v->timer, Count);
  bpf_timer_start(&v->timer, 1000, 0);
  return bpf_timer_cancel(&v->timer) & 1;
}

static int Again(void* map, __u32* key, struct value* v) {
  bpf_timer_set_callback(&v->timer, Again);
  bpf_timer_start(&v->timer, 1000, 0);
  return 0;
}

EXPECT_ACCEPT XDP callback_that_asks_for_itself(void* ctx) {
  struct value* v = Find(&values, 1);
  if (!v) return 0;
  bpf_timer_set_callback(&v->timer, Again);
  return 1;
}

static int ReturnsOne(void* map, __u32* key, struct value* v) { return 1; }

EXPECT_REJECT("V156", "At async callback return the register R0 has smin=1 smax=1 should have been in [0, 0]")
XDP callback_returns_one(void* ctx) {
  struct value* v = Find(&values, 1);
  if (!v) return 0;
  bpf_timer_set_callback(&v->timer, ReturnsOne);
  return 1;
}

EXPECT_REJECT("V417", "timer pointer in R1 map_uid=0 doesn't match map pointer in R2 map_uid=0")
XDP timer_of_other_map(void* ctx) {
  struct value* v = Find(&values, 1);
  if (!v) return 0;
  return bpf_timer_init(&v->timer, &others, 1) & 1;
}

EXPECT_ACCEPT XDP timer_of_inner_map(void* ctx) {
  void* map = Find(&outer, 0);
  if (!map) return 0;
  struct value* v = Find(map, 0);
  if (!v) return 0;
  return bpf_timer_init(&v->timer, map, 1) & 1;
}

EXPECT_REJECT("V417", "doesn't match map pointer in R2")
XDP timer_of_other_inner_map(void* ctx) {
  void* map = Find(&outer, 0);
  void* other = Find(&outer, 1);
  if (!map || !other) return 0;
  struct value* v = Find(map, 0);
  if (!v) return 0;
  return bpf_timer_init(&v->timer, other, 1) & 1;
}

EXPECT_REJECT("V405", "map 'plain' has no valid bpf_timer")
XDP value_without_timer(void* ctx) {
  void* v = Find(&plain, 1);
  if (!v) return 0;
  return bpf_timer_cancel(v) & 1;
}

EXPECT_REJECT("V406", "off 8 doesn't point to 'struct bpf_timer' that is at 0")
XDP timer_at_wrong_offset(void* ctx) {
  struct value* v = Find(&values, 1);
  if (!v) return 0;
  return bpf_timer_cancel((void*)v + 8) & 1;
}

// 300 bytes each: too much for one stack, not for two.
static int LargeFrame(void* map, __u32* key, struct value* v) {
  volatile char buffer[300] = {};
  return buffer[*key & 255] & 0;
}

EXPECT_ACCEPT XDP callback_has_its_own_stack(void* ctx) {
  volatile char buffer[300] = {};
  struct value* v = Find(&values, 1);
  if (!v) return 0;
  bpf_timer_set_callback(&v->timer, LargeFrame);
  return buffer[0];
}

static __attribute__((noinline)) int Deeper(__u32 i) {
  volatile char buffer[300] = {};
  return buffer[i & 255];
}
static int TooLarge(void* map, __u32* key, struct value* v) {
  volatile char buffer[300] = {};
  return (buffer[*key & 255] + Deeper(*key)) & 0;
}

EXPECT_REJECT("V017", "Too large")
XDP callback_needs_too_much_stack(void* ctx) {
  struct value* v = Find(&values, 1);
  if (!v) return 0;
  bpf_timer_set_callback(&v->timer, TooLarge);
  return 1;
}
