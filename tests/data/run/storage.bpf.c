// SPDX-License-Identifier: Apache-2.0
// Values beside the current task, and the tunnel beside a packet.
#include <linux/bpf.h>

#include "run.h"

struct task_struct {
} __attribute__((preserve_access_index));

struct note {
  __u64 count;
  __u32 words[5];
};

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct note);
} notes SEC(".maps");

#define CREATE 1

// What older headers do not have.
static void* (*storage_get)(void* map, struct task_struct* task, void* value,
                            __u64 flags) = (void*)156;
static long (*storage_delete)(void* map, struct task_struct* task) = (void*)157;
static struct task_struct* (*current_task)(void) = (void*)158;
static long (*copy_from_user_task)(void* to, __u32 size, const void* from, struct task_struct* task,
                                   __u64 flags) = (void*)191;

TC starts_as_it_is_told(void* ctx) {
  struct note first = {.count = 40, .words = {1, 2, 3}};
  struct task_struct* task = current_task();
  __u32 out = 1;
  NOTE(out, storage_get(&notes, task, 0, 0) != 0);
  struct note* found = storage_get(&notes, task, &first, CREATE);
  if (!found) return 2;
  NOTE(out, found->count);
  NOTE(out, found->words[2]);
  found->count += 2;
  first.count = 7;
  found = storage_get(&notes, task, &first, CREATE);
  if (!found) return 3;
  NOTE(out, found->count);
  found = storage_get(&notes, task, 0, 0);
  if (!found) return 4;
  NOTE(out, found->words[1]);
  return out;
}

TC starts_as_zeroes(void* ctx) {
  struct task_struct* task = current_task();
  struct note* found = storage_get(&notes, task, 0, CREATE);
  if (!found) return 2;
  __u32 out = 1;
  NOTE(out, found->count);
  for (int i = 0; i < 5; ++i) NOTE(out, found->words[i]);
  return out;
}

TC ends_when_it_is_deleted(void* ctx) {
  struct task_struct* task = current_task();
  __u32 out = 1;
  NOTE(out, storage_delete(&notes, task));
  struct note* found = storage_get(&notes, task, 0, CREATE);
  if (!found) return 2;
  found->count = 9;
  NOTE(out, storage_delete(&notes, task));
  NOTE(out, storage_delete(&notes, task));
  NOTE(out, storage_get(&notes, task, 0, 0) != 0);
  found = storage_get(&notes, task, 0, CREATE);
  if (!found) return 3;
  NOTE(out, found->count);
  return out;
}

TC refuses_other_flags(void* ctx) {
  struct task_struct* task = current_task();
  __u32 out = 1;
  for (__u64 flags = 2; flags < 16; flags += 3) {
    NOTE(out, storage_get(&notes, task, 0, flags) != 0);
  }
  NOTE(out, storage_get(&notes, task, 0, CREATE | 1ull << 32) != 0);
  return out;
}

// Nothing is mapped at the address.
SEC("syscall")
int copies_memory_of_the_task(void* ctx) {
  struct task_struct* task = current_task();
  __u64 words[2] = {~0ull, ~0ull};
  __u32 out = 1;
  NOTE(out, copy_from_user_task(words, sizeof words, (void*)8, task, 0));
  NOTE(out, words[0]);
  NOTE(out, words[1] >> 32);
  NOTE(out, copy_from_user_task(words, sizeof words, (void*)8, task, 1));
  NOTE(out, copy_from_user_task(words, 0, (void*)8, task, 0));
  return out;
}

TC tunnel_comes_back(struct __sk_buff* skb) {
  struct bpf_tunnel_key key = {.tunnel_id = 77, .remote_ipv4 = 0x0a000001, .tunnel_ttl = 9};
  __u32 options[4] = {1, 2, 3, 4};
  __u32 out = 1;
  NOTE(out, bpf_skb_get_tunnel_key(skb, &key, sizeof key, 0));
  NOTE(out, bpf_skb_set_tunnel_opt(skb, options, sizeof options));
  key.tunnel_id = 77;
  key.remote_ipv4 = 0x0a000001;
  NOTE(out, bpf_skb_set_tunnel_key(skb, &key, sizeof key, BPF_F_ZERO_CSUM_TX));
  NOTE(out, bpf_skb_get_tunnel_opt(skb, options, sizeof options));
  options[1] = 5;
  NOTE(out, bpf_skb_set_tunnel_opt(skb, options, sizeof options));
  NOTE(out, bpf_skb_get_tunnel_opt(skb, options, 12));
  NOTE(out, bpf_skb_get_tunnel_opt(skb, options, sizeof options));
  NOTE(out, options[1]);
  NOTE(out, bpf_skb_get_tunnel_key(skb, &key, sizeof key, BPF_F_TUNINFO_IPV6));
  NOTE(out, bpf_skb_get_tunnel_key(skb, &key, sizeof key, 1 << 4));
  NOTE(out, key.tunnel_id);
  NOTE(out, key.remote_ipv4);
  NOTE(out, key.tunnel_ext);
  return out;
}
