// SPDX-License-Identifier: Apache-2.0
// Dynptrs: made in 16 bytes of stack, used while they live, released once.
#include "verify.h"

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
  __uint(max_entries, 4096);
} orders SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64[8]);
} values SEC(".maps");

static void* Value(void) {
  __u32 key = 0;
  return bpf_map_lookup_elem(&values, &key);
}

EXPECT_ACCEPT XDP reserve_write_submit(void* ctx) {
  struct bpf_dynptr d;
  __u64 number = 7;
  bpf_ringbuf_reserve_dynptr(&ring, 64, 0, &d);
  bpf_dynptr_write(&d, 0, &number, sizeof(number), 0);
  bpf_ringbuf_submit_dynptr(&d, 0);
  return 0;
}

EXPECT_ACCEPT XDP slice_of_record(void* ctx) {
  struct bpf_dynptr d;
  bpf_ringbuf_reserve_dynptr(&ring, 64, 0, &d);
  __u64* slice = bpf_dynptr_data(&d, 0, 16);
  if (slice) slice[1] = 3;
  bpf_ringbuf_discard_dynptr(&d, 0);
  return 0;
}

EXPECT_REJECT("V152", "Unreleased reference")
XDP record_is_lost(void* ctx) {
  struct bpf_dynptr d;
  bpf_ringbuf_reserve_dynptr(&ring, 64, 0, &d);
  return 0;
}

EXPECT_REJECT("V425", "arg 1 is an unacquired reference")
XDP submitted_twice(void* ctx) {
  struct bpf_dynptr d;
  bpf_ringbuf_reserve_dynptr(&ring, 64, 0, &d);
  bpf_ringbuf_submit_dynptr(&d, 0);
  bpf_ringbuf_submit_dynptr(&d, 0);
  return 0;
}

EXPECT_REJECT("V070", "invalid mem access 'scalar'")
XDP slice_after_submit(void* ctx) {
  struct bpf_dynptr d;
  bpf_ringbuf_reserve_dynptr(&ring, 64, 0, &d);
  __u64* slice = bpf_dynptr_data(&d, 0, 16);
  if (!slice) {
    bpf_ringbuf_discard_dynptr(&d, 0);
    return 0;
  }
  bpf_ringbuf_submit_dynptr(&d, 0);
  return slice[0] & 1;
}

EXPECT_REJECT("V421", "Expected an initialized dynptr as arg #2")
XDP never_initialised(void* ctx) {
  struct bpf_dynptr d;
  char buffer[8];
  bpf_dynptr_read(buffer, sizeof(buffer), &d, 0, 0);
  return buffer[0] & 1;
}

EXPECT_REJECT("V426", "cannot overwrite referenced dynptr")
XDP record_overwritten(void* ctx) {
  struct bpf_dynptr d;
  bpf_ringbuf_reserve_dynptr(&ring, 64, 0, &d);
  *(volatile __u64*)&d = 0;
  bpf_ringbuf_submit_dynptr(&d, 0);
  return 0;
}

EXPECT_REJECT("V421", "Expected an initialized dynptr as arg #0")
XDP destroyed_by_a_store(void* ctx) {
  struct bpf_dynptr d;
  void* value = Value();
  if (!value) return 0;
  bpf_dynptr_from_mem(value, 64, 0, &d);
  *((volatile __u8*)&d + 9) = 0;
  return bpf_dynptr_data(&d, 0, 8) != 0;
}

EXPECT_REJECT("V070", "invalid mem access 'scalar'")
XDP slice_of_a_destroyed_one(void* ctx) {
  struct bpf_dynptr d;
  void* value = Value();
  if (!value) return 0;
  bpf_dynptr_from_mem(value, 64, 0, &d);
  __u64* slice = bpf_dynptr_data(&d, 0, 8);
  if (!slice) return 0;
  *(volatile __u64*)&d = 0;
  return *slice & 1;
}

EXPECT_REJECT("V428", "Unsupported reg type fp for bpf_dynptr_from_mem data")
XDP of_stack_memory(void* ctx) {
  struct bpf_dynptr d;
  __u64 number = 0;
  bpf_dynptr_from_mem(&number, 8, 0, &d);
  return 0;
}

EXPECT_REJECT("V420", "Dynptr has to be an uninitialized dynptr")
XDP not_aligned(void* ctx) {
  __u64 space[4];
  void* value = Value();
  if (!value) return 0;
  bpf_dynptr_from_mem(value, 64, 0, (void*)space + 4);
  return 0;
}

EXPECT_REJECT("V427", "potential write to dynptr")
XDP written_by_a_helper(void* ctx) {
  struct bpf_dynptr d;
  void* value = Value();
  if (!value) return 0;
  bpf_dynptr_from_mem(value, 64, 0, &d);
  bpf_dynptr_read(&d, 16, &d, 0, 0);
  return 0;
}

EXPECT_REJECT("V425", "arg 1 is an unacquired reference")
XDP local_one_submitted(void* ctx) {
  struct bpf_dynptr d;
  void* value = Value();
  if (!value) return 0;
  bpf_dynptr_from_mem(value, 64, 0, &d);
  bpf_ringbuf_submit_dynptr(&d, 0);
  return 0;
}

static long Read(struct bpf_dynptr* d, __u64* sum) {
  __u64 number = 0;
  bpf_dynptr_read(&number, sizeof(number), d, 0, 0);
  *sum += number;
  return 0;
}

EXPECT_ACCEPT XDP drain(void* ctx) {
  __u64 sum = 0;
  bpf_user_ringbuf_drain(&orders, Read, &sum, 0);
  return sum & 1;
}

static long Submit(struct bpf_dynptr* d, void* unused) {
  bpf_ringbuf_submit_dynptr(d, 0);
  return 0;
}

EXPECT_REJECT("V424", "cannot release unowned const bpf_dynptr")
XDP submits_what_it_drains(void* ctx) {
  bpf_user_ringbuf_drain(&orders, Submit, 0, 0);
  return 0;
}

static long Reuse(struct bpf_dynptr* d, void** value) {
  bpf_dynptr_from_mem(*value, 8, 0, d);
  return 0;
}

EXPECT_REJECT("V420", "Dynptr has to be an uninitialized dynptr")
XDP makes_one_of_what_it_drains(void* ctx) {
  void* value = Value();
  if (!value) return 0;
  bpf_user_ringbuf_drain(&orders, Reuse, &value, 0);
  return 0;
}

EXPECT_REJECT("V626", "more than one arg with ref_obj_id")
XDP two_records_in_one_call(void* ctx) {
  static const char format[] = "%d";
  __u64* a = bpf_ringbuf_reserve(&ring, 64, 0);
  if (!a) return 0;
  __u64* b = bpf_ringbuf_reserve(&ring, 64, 0);
  if (b) {
    *b = 1;
    bpf_snprintf((char*)a, 64, format, b, 8);
    bpf_ringbuf_discard(b, 0);
  }
  bpf_ringbuf_discard(a, 0);
  return 0;
}
