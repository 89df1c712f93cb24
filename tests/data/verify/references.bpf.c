// SPDX-License-Identifier: Apache-2.0
// References: released once, on every path, by whoever has a copy.
#include "verify.h"

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __uint(key_size, 4);
  __uint(value_size, 4);
} programs SEC(".maps");

static __attribute__((noinline)) void* Reserve(void) { return bpf_ringbuf_reserve(&ring, 8, 0); }
static __attribute__((noinline)) int Discard(void* record) {
  bpf_ringbuf_discard(record, 0);
  return 0;
}

EXPECT_ACCEPT XDP functions_acquire_and_release(void* ctx) {
  void* record = Reserve();
  if (record) Discard(record);
  return 0;
}

EXPECT_REJECT("V152", "BPF_EXIT instruction in main prog would lead to reference leak")
XDP one_path_leaks(struct xdp_md* ctx) {
  void* record = bpf_ringbuf_reserve(&ring, 8, 0);
  if (!record) return 0;
  if (ctx->rx_queue_index) bpf_ringbuf_discard(record, 0);
  return 0;
}

EXPECT_REJECT("V134", "R1 type=scalar expected=ringbuf_mem")
XDP released_twice(void* ctx) {
  void* record = bpf_ringbuf_reserve(&ring, 8, 0);
  if (!record) return 0;
  Discard(record);
  bpf_ringbuf_submit(record, 0);
  return 0;
}

EXPECT_REJECT("V149", "R1 must have zero offset when passed to release func")
XDP released_in_the_middle(void* ctx) {
  void* record = bpf_ringbuf_reserve(&ring, 8, 0);
  if (!record) return 0;
  bpf_ringbuf_submit(record + 4, 0);
  return 0;
}

EXPECT_REJECT("V152", "tail_call would lead to reference leak")
XDP tail_call_leaks(void* ctx) {
  void* record = bpf_ringbuf_reserve(&ring, 8, 0);
  bpf_tail_call(ctx, &programs, 0);
  if (record) bpf_ringbuf_discard(record, 0);
  return 0;
}

static long Release(__u32 i, void** record) {
  if (*record) bpf_ringbuf_discard(*record, 0);
  *record = 0;
  return 0;
}

EXPECT_ACCEPT XDP callback_releases(void* ctx) {
  void* record = bpf_ringbuf_reserve(&ring, 8, 0);
  bpf_loop(3, Release, &record, 0);
  if (record) bpf_ringbuf_discard(record, 0);
  return 0;
}

static long Keep(__u32 i, void** record) {
  void* more = bpf_ringbuf_reserve(&ring, 8, 0);
  if (more) bpf_ringbuf_discard(more, 0);
  return more != *record;
}

EXPECT_ACCEPT XDP callback_runs_with_one_held(void* ctx) {
  void* record = bpf_ringbuf_reserve(&ring, 8, 0);
  if (!record) return 0;
  bpf_loop(3, Keep, &record, 0);
  bpf_ringbuf_discard(record, 0);
  return 0;
}
