// SPDX-License-Identifier: Apache-2.0
// Kernel functions on dynptrs, over memory and over packets.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

extern int bpf_dynptr_adjust(const struct bpf_dynptr* p, __u32 start, __u32 end) __ksym;
extern _Bool bpf_dynptr_is_null(const struct bpf_dynptr* p) __ksym;
extern _Bool bpf_dynptr_is_rdonly(const struct bpf_dynptr* p) __ksym;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr* p) __ksym;
extern int bpf_dynptr_clone(const struct bpf_dynptr* p, struct bpf_dynptr* clone) __ksym;
extern int bpf_dynptr_copy(struct bpf_dynptr* dst, __u32 dst_off, struct bpf_dynptr* src,
                           __u32 src_off, __u32 size) __ksym;
extern int bpf_dynptr_memset(struct bpf_dynptr* p, __u32 offset, __u32 size, __u8 value) __ksym;
extern void* bpf_dynptr_slice(const struct bpf_dynptr* p, __u32 offset, void* buffer,
                              __u32 size) __ksym;
extern void* bpf_dynptr_slice_rdwr(const struct bpf_dynptr* p, __u32 offset, void* buffer,
                                   __u32 size) __ksym;
extern int bpf_dynptr_from_skb(struct __sk_buff* skb, __u64 flags, struct bpf_dynptr* p) __ksym;

long seen[40];
unsigned char bytes[64] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
unsigned char other[300];

SEC("tc")
int of_memory(struct __sk_buff* skb) {
  struct bpf_dynptr d, c;
  bpf_dynptr_from_mem(bytes, sizeof(bytes), 0, &d);
  seen[0] = bpf_dynptr_size(&d);
  seen[1] = bpf_dynptr_adjust(&d, 4, 40);
  seen[2] = bpf_dynptr_size(&d);
  seen[3] = bpf_dynptr_adjust(&d, 5, 4);
  seen[4] = bpf_dynptr_adjust(&d, 0, 37);
  seen[5] = bpf_dynptr_adjust(&d, 37, 37);
  seen[6] = bpf_dynptr_clone(&d, &c);
  seen[7] = bpf_dynptr_adjust(&c, 1, 3);
  seen[8] = bpf_dynptr_size(&c) * 100 + bpf_dynptr_size(&d);
  unsigned char* s = bpf_dynptr_slice(&c, 0, 0, 2);
  if (s) seen[9] = s[0] * 256 + s[1];
  s = bpf_dynptr_slice(&c, 0, 0, 3);
  seen[10] = s != 0;
  s = bpf_dynptr_slice_rdwr(&d, 0, 0, 8);
  if (s) s[7] = 77;
  seen[11] = bytes[11];
  seen[12] = bpf_dynptr_is_null(&d) * 10 + bpf_dynptr_is_rdonly(&d);
  return 0;
}

SEC("tc")
int null(struct __sk_buff* skb) {
  struct bpf_dynptr d, c;
  bpf_dynptr_from_mem(bytes, sizeof(bytes), 1, &d);
  seen[0] = bpf_dynptr_is_null(&d);
  seen[1] = bpf_dynptr_is_rdonly(&d);
  seen[2] = bpf_dynptr_size(&d);
  seen[3] = bpf_dynptr_adjust(&d, 0, 0);
  seen[4] = bpf_dynptr_clone(&d, &c);
  seen[5] = bpf_dynptr_is_null(&c);
  seen[6] = bpf_dynptr_slice(&d, 0, 0, 1) != 0;
  seen[7] = bpf_dynptr_memset(&d, 0, 1, 0);
  seen[8] = bpf_dynptr_memset(&d, 0, 0, 0);
  bpf_dynptr_from_mem(other, sizeof(other), 0, &c);
  seen[9] = bpf_dynptr_copy(&c, 0, &d, 0, 1);
  seen[10] = bpf_dynptr_copy(&c, 0, &d, 0, 0);
  seen[11] = bpf_dynptr_copy(&d, 0, &c, 0, 1);
  seen[12] = bpf_dynptr_copy(&d, 0, &c, 0, 0);
  seen[13] = bpf_dynptr_copy(&d, 0, &d, 0, 0);
  return 0;
}

SEC("tc")
int copies(struct __sk_buff* skb) {
  struct bpf_dynptr d, c;
  bpf_dynptr_from_mem(bytes, sizeof(bytes), 0, &d);
  bpf_dynptr_from_mem(other, sizeof(other), 0, &c);
  seen[0] = bpf_dynptr_copy(&c, 3, &d, 1, 8);
  seen[1] = bpf_dynptr_copy(&c, 299, &d, 0, 2);
  seen[2] = bpf_dynptr_copy(&c, 0, &d, 63, 2);
  seen[3] = bpf_dynptr_copy(&c, 299, &d, 63, 2);
  seen[4] = bpf_dynptr_copy(&c, 5, &c, 3, 200);
  seen[5] = bpf_dynptr_memset(&c, 290, 10, 0xab);
  seen[6] = bpf_dynptr_memset(&c, 290, 11, 0xab);
  seen[7] = bpf_dynptr_memset(&c, 20, 7, 0x12);
  return 0;
}

SEC("tc")
int of_a_packet(struct __sk_buff* skb) {
  struct bpf_dynptr d, c;
  unsigned char buffer[8] = {};
  seen[0] = bpf_dynptr_from_skb(skb, 1, &d);
  seen[1] = bpf_dynptr_is_null(&d);
  seen[2] = bpf_dynptr_from_skb(skb, 0, &d);
  seen[3] = bpf_dynptr_size(&d) == skb->len;
  seen[4] = bpf_dynptr_is_rdonly(&d);
  seen[5] = bpf_dynptr_write(&d, 30, &seen[0], 8, 0);
  seen[6] = bpf_dynptr_write(&d, 30, &seen[3], 2, BPF_F_INVALIDATE_HASH);
  seen[7] = bpf_dynptr_write(&d, 30, &seen[3], 2, 16);
  seen[8] = bpf_dynptr_read(buffer, 8, &d, 28, 0);
  seen[9] = buffer[0] * 256 + buffer[2];
  seen[10] = bpf_dynptr_read(buffer, 8, &d, skb->len - 7, 0);
  unsigned char* s = bpf_dynptr_slice(&d, 28, buffer, 8);
  if (s) seen[11] = s[1] * 256 + s[2];
  s = bpf_dynptr_slice_rdwr(&d, 28, buffer, 8);
  if (s) s[0] = 99;
  seen[12] = bpf_dynptr_data(&d, 0, 8) != 0;
  seen[13] = bpf_dynptr_clone(&d, &c);
  seen[14] = bpf_dynptr_adjust(&c, 28, 36);
  s = bpf_dynptr_slice(&c, 0, buffer, 8);
  if (s) seen[15] = s[0];
  seen[16] = bpf_dynptr_memset(&c, 2, 4, 0x55);
  return 0;
}
