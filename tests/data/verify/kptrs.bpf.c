// SPDX-License-Identifier: Apache-2.0
// Kernel pointers in map values: loads, stores and bpf_kptr_xchg.
#include "verify.h"

#define __kptr __attribute__((btf_type_tag("kptr")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))

struct object {
  __u64 number;
};
struct object example;  // else the compiler writes a forward declaration
struct value {
  struct object __kptr* owned;
  struct object __kptr_untrusted* seen;
  __u64 number;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct value);
} values SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} plain SEC(".maps");

static struct value* Find(void* map) {
  __u32 key = 7;
  return bpf_map_lookup_elem(map, &key);
}

EXPECT_ACCEPT XDP store_null(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  *(volatile __u64*)&v->seen = 0;
  return 1;
}

EXPECT_ACCEPT XDP load_and_look(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  struct object* o = v->owned;
  if (!o) return 0;
  return o->number & 1;
}

EXPECT_REJECT("V070", "or_null_")
XDP load_without_null_check(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  return ((volatile struct object*)v->owned)->number & 1;
}

EXPECT_REJECT("V435", "store to referenced kptr disallowed")
XDP store_to_owned(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  *(volatile __u64*)&v->owned = 0;
  return 1;
}

// *(u64 *)(r1 + 8) = 1: BPF_ST, which clang 14 does not make.
EXPECT_REJECT("V437", "BPF_ST imm must be 0 when storing to kptr at off=8")
XDP store_number_by_immediate(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  asm volatile("r1 = %[v]\n .8byte 0x10008017a" ::[v] "r"(v) : "r1");
  return 1;
}

EXPECT_REJECT("V438", "invalid kptr access, R")
XDP store_number(struct xdp_md* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  *(volatile __u64*)&v->seen = ctx->rx_queue_index;
  return 1;
}

EXPECT_REJECT("V433", "kptr access size must be BPF_DW")
XDP load_half(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  return *(volatile __u32*)&v->seen & 1;
}

EXPECT_REJECT("V432", "kptr access misaligned expected=8 off=12")
XDP load_other_half(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  return *((volatile __u32*)&v->seen + 1) & 1;
}

EXPECT_REJECT("V431", "kptr access cannot have variable offset")
XDP load_at_unknown_offset(struct xdp_md* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  return *(volatile __u64*)((void*)v + (ctx->rx_queue_index & 8)) & 1;
}

EXPECT_REJECT("V430", "kptr cannot be accessed indirectly by helper")
XDP read_by_helper(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  bpf_probe_read_kernel(v, sizeof(*v), ctx);
  return 0;
}

EXPECT_REJECT("V441", "off=8 kptr isn't referenced kptr")
XDP exchange_unowned(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  return bpf_kptr_xchg(&v->seen, 0) != 0;
}

EXPECT_REJECT("V440", "off=16 doesn't point to kptr")
XDP exchange_number(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  return bpf_kptr_xchg(&v->number, 0) != 0;
}

EXPECT_REJECT("V439", "R1 has no valid kptr")
XDP exchange_in_plain_value(void* ctx) {
  void* v = Find(&plain);
  if (!v) return 0;
  return bpf_kptr_xchg(v, 0) != 0;
}

EXPECT_REJECT("V152", "Unreleased reference")
XDP taken_and_lost(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  return bpf_kptr_xchg(&v->owned, 0) != 0;
}

EXPECT_REJECT("V152", "Unreleased reference")
XDP what_was_there_meanwhile_is_lost(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  struct object* o = bpf_kptr_xchg(&v->owned, 0);
  if (!o) return 0;
  bpf_kptr_xchg(&v->owned, o);
  return 1;
}

EXPECT_REJECT("V434", "kptr in map can only be accessed using BPF_MEM instruction mode")
XDP add_to_address(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  __sync_fetch_and_add((__u64*)&v->seen, 8);
  return 1;
}

EXPECT_REJECT("V444", "invalid PTR_TO_BTF_ID register for type match")
XDP may_be_null(void* ctx) {
  struct value* v = Find(&values);
  if (!v) return 0;
  struct object* o = bpf_kptr_xchg(&v->owned, 0);
  bpf_kptr_xchg(&v->owned, o);
  return 1;
}
