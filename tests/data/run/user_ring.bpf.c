// SPDX-License-Identifier: Apache-2.0
// Takes samples out of a ring that the host fills.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
  __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

struct totals {
  __u64 samples, sum, stop_at;
};

struct totals totals;
long refused;

static long take(struct bpf_dynptr* sample, void* unused) {
  __u64 number = 0;
  if (bpf_dynptr_read(&number, sizeof(number), sample, 0, 0)) refused++;
  __u64* data = bpf_dynptr_data(sample, 0, sizeof(number));
  if (data && *data != number) refused += 100;
  totals.samples++;
  totals.sum += number;
  return number == totals.stop_at;
}

SEC("xdp")
int drain(struct xdp_md* ctx) { return bpf_user_ringbuf_drain(&ring, take, 0, 0); }

SEC("xdp")
int drain_with_unknown_flags(struct xdp_md* ctx) {
  return bpf_user_ringbuf_drain(&ring, take, 0, 4);
}
