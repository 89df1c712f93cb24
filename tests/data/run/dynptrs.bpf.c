// SPDX-License-Identifier: Apache-2.0
// Dynptrs over memory and over records: every result and errno ends in `seen`.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64[16]);
} numbers SEC(".maps");

long seen[32];
unsigned long long bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8};

SEC("tc")
int local(struct __sk_buff* skb) {
  struct bpf_dynptr d;
  __u64 out[4] = {};
  seen[0] = bpf_dynptr_from_mem(bytes, sizeof(bytes), 0, &d);
  seen[1] = bpf_dynptr_read(out, sizeof(out), &d, 8, 0);
  seen[2] = out[0] * 1000 + out[3];
  seen[3] = bpf_dynptr_read(out, sizeof(out), &d, 97, 0);
  seen[4] = bpf_dynptr_read(out, sizeof(out), &d, 96, 0);
  seen[5] = bpf_dynptr_read(out, sizeof(out), &d, 0, 1);
  seen[6] = bpf_dynptr_read(out, 0, &d, 128, 0);
  seen[7] = bpf_dynptr_read(out, 0, &d, 129, 0);
  seen[8] = bpf_dynptr_read(out, 8, &d, 0xffffffff, 0);
  out[0] = 77;
  seen[9] = bpf_dynptr_write(&d, 3, out, 8, 0);
  seen[10] = bpf_dynptr_write(&d, 121, out, 8, 0);
  seen[11] = bpf_dynptr_write(&d, 0, out, 8, 4);
  __u64* slice = bpf_dynptr_data(&d, 16, 24);
  if (slice) {
    seen[12] = slice[0];
    slice[2] = 99;
  }
  seen[13] = bytes[4];
  seen[14] = bpf_dynptr_data(&d, 120, 9) != 0;
  seen[15] = bpf_dynptr_data(&d, 120, 8) != 0;
  return bytes[0] + bytes[1];
}

SEC("tc")
int overlapping(struct __sk_buff* skb) {
  struct bpf_dynptr d;
  bpf_dynptr_from_mem(bytes, sizeof(bytes), 0, &d);
  __u8* slice = bpf_dynptr_data(&d, 0, 61);
  if (!slice) return -1;
  seen[0] = bpf_dynptr_write(&d, 3, slice, 61, 0);
  seen[1] = bpf_dynptr_write(&d, 0, slice + 5, 40, 0);
  return 0;
}

SEC("tc")
int refused_memory(struct __sk_buff* skb) {
  struct bpf_dynptr d;
  __u64 out = 5;
  seen[0] = bpf_dynptr_from_mem(bytes, sizeof(bytes), 1, &d);
  seen[1] = bpf_dynptr_read(&out, 8, &d, 0, 0);
  seen[2] = bpf_dynptr_write(&d, 0, &out, 8, 0);
  seen[3] = bpf_dynptr_data(&d, 0, 8) != 0;
  return out;
}

SEC("tc")
int records(struct __sk_buff* skb) {
  struct bpf_dynptr d;
  __u64 out = 42, back = 0;
  seen[0] = bpf_ringbuf_reserve_dynptr(&ring, 40, 0, &d);
  seen[1] = bpf_dynptr_write(&d, 32, &out, 8, 0);
  seen[2] = bpf_dynptr_write(&d, 33, &out, 8, 0);
  seen[3] = bpf_dynptr_read(&back, 8, &d, 32, 0);
  seen[4] = back;
  __u64* slice = bpf_dynptr_data(&d, 0, 32);
  if (slice) slice[0] = slice[1] = slice[2] = slice[3] = 17;
  bpf_ringbuf_submit_dynptr(&d, 0);
  seen[5] = bpf_ringbuf_query(&ring, BPF_RB_PROD_POS);
  seen[6] = bpf_ringbuf_reserve_dynptr(&ring, 100, 0, &d);
  bpf_ringbuf_discard_dynptr(&d, 0);
  seen[7] = bpf_ringbuf_query(&ring, BPF_RB_PROD_POS);
  seen[8] = bpf_ringbuf_reserve_dynptr(&ring, 8192, 0, &d);
  seen[9] = bpf_dynptr_write(&d, 0, &out, 8, 0);
  bpf_ringbuf_submit_dynptr(&d, 0);
  seen[10] = bpf_ringbuf_reserve_dynptr(&ring, 1 << 24, 0, &d);
  bpf_ringbuf_discard_dynptr(&d, 0);
  seen[11] = bpf_ringbuf_reserve_dynptr(&ring, 16, 1, &d);
  bpf_ringbuf_discard_dynptr(&d, 0);
  seen[12] = bpf_ringbuf_query(&ring, BPF_RB_PROD_POS);
  return 1;
}

SEC("tc")
int of_a_map_value(struct __sk_buff* skb) {
  struct bpf_dynptr d;
  __u32 zero = 0;
  __u64* value = bpf_map_lookup_elem(&numbers, &zero);
  __u64 out = 3;
  if (!value) return -1;
  seen[0] = bpf_dynptr_from_mem(value, 128, 0, &d);
  seen[1] = bpf_dynptr_write(&d, 64, &out, 8, 0);
  return value[8];
}
