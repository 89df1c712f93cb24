// SPDX-License-Identifier: Apache-2.0
// What calls on timers return, without waiting for one; and programs that start
// timers for a host to watch.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define CLOCK_BOOTTIME 7

struct element {
  __u64 count;
  struct bpf_timer timer;
  __u64 last_key;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct element);
} array SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct element);
} hash SEC(".maps");

long seen[32];
long fired, in_callback[8];
int rearm;

static int tick(void* map, __u32* key, struct element* value) {
  value->count++;
  value->last_key = *key;
  __sync_fetch_and_add(&fired, 1);
  if (rearm) bpf_timer_start(&value->timer, 100000, 0);
  return 0;
}

SEC("tc")
int results(struct __sk_buff* skb) {
  __u32 key = 1, other = 2;
  struct element* e = bpf_map_lookup_elem(&array, &key);
  struct element* o = bpf_map_lookup_elem(&array, &other);
  if (!e || !o) return -1;
  seen[0] = bpf_timer_set_callback(&e->timer, tick);
  seen[1] = bpf_timer_start(&e->timer, 1000, 0);
  seen[2] = bpf_timer_cancel(&e->timer);
  seen[3] = bpf_timer_init(&e->timer, &array, 16);
  seen[4] = bpf_timer_init(&e->timer, &array, 2);
  seen[5] = bpf_timer_init(&e->timer, &array, CLOCK_MONOTONIC);
  seen[6] = bpf_timer_init(&e->timer, &array, CLOCK_MONOTONIC);
  seen[7] = bpf_timer_start(&e->timer, 1000, 0);
  seen[8] = bpf_timer_set_callback(&e->timer, tick);
  seen[9] = bpf_timer_start(&e->timer, 1000, 4);
  seen[10] = bpf_timer_cancel(&e->timer);
  seen[11] = bpf_timer_start(&e->timer, 1000, 0);
  seen[12] = bpf_timer_set_callback(&e->timer, tick);
  seen[13] = bpf_timer_start(&e->timer, 1ull << 50, 0);
  seen[14] = bpf_timer_start(&e->timer, 1ull << 51, 0);
  seen[15] = bpf_timer_cancel(&e->timer);
  seen[16] = bpf_timer_cancel(&e->timer);
  seen[17] = bpf_timer_init(&o->timer, &array, CLOCK_BOOTTIME);
  seen[18] = bpf_timer_set_callback(&o->timer, tick);
  seen[19] = bpf_timer_start(&o->timer, 1ull << 62, 1);
  seen[20] = bpf_timer_cancel(&o->timer);
  return 0;
}

SEC("tc")
int an_update_ends_the_timer(struct __sk_buff* skb) {
  __u32 key = 1;
  struct element fresh = {.count = 5};
  struct element* e = bpf_map_lookup_elem(&array, &key);
  if (!e) return -1;
  seen[0] = bpf_timer_init(&e->timer, &array, CLOCK_MONOTONIC);
  seen[1] = bpf_map_update_elem(&array, &key, &fresh, 0);
  seen[2] = bpf_timer_cancel(&e->timer);
  seen[3] = bpf_timer_init(&e->timer, &array, CLOCK_REALTIME);
  seen[4] = bpf_map_update_elem(&hash, &key, &fresh, 0);
  e = bpf_map_lookup_elem(&hash, &key);
  if (!e) return -1;
  seen[5] = bpf_timer_init(&e->timer, &hash, CLOCK_MONOTONIC);
  seen[6] = bpf_timer_set_callback(&e->timer, tick);
  seen[7] = bpf_timer_start(&e->timer, 1ull << 50, 0);
  seen[8] = bpf_map_update_elem(&hash, &key, &fresh, 0);
  e = bpf_map_lookup_elem(&hash, &key);
  if (!e) return -1;
  seen[9] = bpf_timer_init(&e->timer, &hash, CLOCK_MONOTONIC);
  seen[10] = bpf_map_delete_elem(&hash, &key);
  return e->count;
}

static int arm(void* map, __u32 key, __u64 nanoseconds, __u64 flags) {
  struct element* e = bpf_map_lookup_elem(&hash, &key);
  if (!e) {
    struct element fresh = {};
    bpf_map_update_elem(&hash, &key, &fresh, 0);
    e = bpf_map_lookup_elem(&hash, &key);
  }
  if (!e) return -1;
  bpf_timer_init(&e->timer, &hash, CLOCK_MONOTONIC);
  bpf_timer_set_callback(&e->timer, tick);
  return bpf_timer_start(&e->timer, nanoseconds, flags);
}

SEC("xdp")
int start(struct xdp_md* ctx) { return arm(&hash, 3, 1000000, 0); }

SEC("xdp")
int start_far_away(struct xdp_md* ctx) { return arm(&hash, 3, 1ull << 50, 0); }

SEC("xdp")
int start_in_array(struct xdp_md* ctx) {
  __u32 key = 2;
  struct element* e = bpf_map_lookup_elem(&array, &key);
  if (!e) return -1;
  bpf_timer_init(&e->timer, &array, CLOCK_MONOTONIC);
  bpf_timer_set_callback(&e->timer, tick);
  return bpf_timer_start(&e->timer, bpf_ktime_get_ns() + 1000000, 1);
}

SEC("xdp")
int stop(struct xdp_md* ctx) {
  __u32 key = 3;
  struct element* e = bpf_map_lookup_elem(&hash, &key);
  if (!e) return -2;
  return bpf_timer_cancel(&e->timer);
}

SEC("xdp")
int remove(struct xdp_md* ctx) {
  __u32 key = 3;
  return bpf_map_delete_elem(&hash, &key);
}

static int cancels_itself(void* map, __u32* key, struct element* value) {
  in_callback[0] = bpf_timer_cancel(&value->timer);
  in_callback[1] = bpf_timer_start(&value->timer, 1ull << 50, 0);
  in_callback[2] = bpf_map_delete_elem(&hash, key);
  __sync_fetch_and_add(&fired, 1);
  return 0;
}

SEC("xdp")
int start_self_cancel(struct xdp_md* ctx) {
  __u32 key = 3;
  struct element fresh = {};
  bpf_map_update_elem(&hash, &key, &fresh, 0);
  struct element* e = bpf_map_lookup_elem(&hash, &key);
  if (!e) return -1;
  bpf_timer_init(&e->timer, &hash, CLOCK_MONOTONIC);
  bpf_timer_set_callback(&e->timer, cancels_itself);
  return bpf_timer_start(&e->timer, 0, 0);
}
