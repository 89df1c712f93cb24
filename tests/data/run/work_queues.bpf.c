// SPDX-License-Identifier: Apache-2.0
// Work queues: what the calls return, and programs that start work for a host to
// watch.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct bpf_wq {
  __u64 opaque[2];
} __attribute__((aligned(8)));

extern int bpf_wq_init(struct bpf_wq* wq, void* map, unsigned int flags) __ksym;
extern int bpf_wq_start(struct bpf_wq* wq, unsigned int flags) __ksym;
extern int bpf_wq_set_callback_impl(struct bpf_wq* wq,
                                    int(callback)(void* map, int* key, void* value),
                                    unsigned int flags, void* aux) __ksym;

struct element {
  __u64 count;
  struct bpf_wq work;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, int);
  __type(value, struct element);
} array SEC(".maps");

long fired;
long seen[16];

static int work(void* map, int* key, void* value) {
  ((struct element*)value)->count += *key;
  __sync_fetch_and_add(&fired, 1);
  return 0;
}

SEC("tc")
int results(struct __sk_buff* skb) {
  int key = 1;
  struct element* e = bpf_map_lookup_elem(&array, &key);
  if (!e) return -1;
  seen[0] = bpf_wq_start(&e->work, 0);
  seen[1] = bpf_wq_set_callback_impl(&e->work, work, 0, 0);
  seen[2] = bpf_wq_init(&e->work, &array, 1);
  seen[3] = bpf_wq_init(&e->work, &array, 0);
  seen[4] = bpf_wq_init(&e->work, &array, 0);
  seen[5] = bpf_wq_start(&e->work, 0);
  seen[6] = bpf_wq_set_callback_impl(&e->work, work, 1, 0);
  seen[7] = bpf_wq_start(&e->work, 1);
  return 0;
}

SEC("xdp")
int start(struct xdp_md* ctx) {
  int key = 1;
  struct element* e = bpf_map_lookup_elem(&array, &key);
  if (!e) return -1;
  bpf_wq_init(&e->work, &array, 0);
  bpf_wq_set_callback_impl(&e->work, work, 0, 0);
  return bpf_wq_start(&e->work, 0);
}
