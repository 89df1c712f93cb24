// SPDX-License-Identifier: Apache-2.0
// Variables of every data section, and strings.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

const volatile __u32 limit = 42;
const volatile char greeting[16] = "hello";
volatile __u64 total;
volatile __u32 histogram[100];
volatile __u32 threshold = 7;
static volatile __u16 state = 9;
static volatile __u32 calls;
volatile __u32 tuned SEC(".data.tuning") = 5;
volatile __u32 cold SEC(".bss.cold");
const volatile __u64 fixed SEC(".rodata.fixed") = 0x1122334455667788;

SEC("tc") int count(struct __sk_buff *skb) {
  total += skb->len;
  calls++;
  histogram[99] += state;
  if (skb->len > limit) return greeting[1];
  cold += tuned;
  bpf_printk("length %d of %s", skb->len, "packet");
  return (int)(threshold + fixed);
}

SEC("tc") int no_globals(struct __sk_buff *skb) { return 0; }

char _license[] SEC("license") = "GPL";
