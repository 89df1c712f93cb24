// SPDX-License-Identifier: Apache-2.0
//
// Sends user space a record for each program start: who, which command, and a
// message that can be chosen per user. Twice: through a perf buffer (one ring a
// CPU, the record is copied in) and through a ring buffer (one ring for all
// CPUs, the record is written in place).

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define COMMAND_LENGTH 16
#define MESSAGE_LENGTH 12

struct event {
  __u32 pid;
  __u32 uid;
  char command[COMMAND_LENGTH];
  char message[MESSAGE_LENGTH];
};

struct message {
  char text[MESSAGE_LENGTH];
};

// User id to message; who is not in it gets `greeting`.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, struct message);
} messages SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} output SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 64 * 1024);
} ring SEC(".maps");

// Set before the program is loaded, constant from then on.
const volatile struct message greeting = {"Hello World"};

__u64 sent = 0;  // records handed to user space
__u64 lost = 0;  // records for which there was no room

static __always_inline void fill(struct event* event) {
  __u32 uid = (__u32)bpf_get_current_uid_gid();

  event->pid = (__u32)(bpf_get_current_pid_tgid() >> 32);
  event->uid = uid;
  bpf_get_current_comm(event->command, sizeof(event->command));

  const struct message* chosen = bpf_map_lookup_elem(&messages, &uid);
  if (chosen) {
    __builtin_memcpy(event->message, chosen->text, MESSAGE_LENGTH);
  } else {
    for (int i = 0; i < MESSAGE_LENGTH; ++i) event->message[i] = greeting.text[i];
  }
}

static __noinline void account(int failed) { __sync_fetch_and_add(failed ? &lost : &sent, 1); }

SEC("kprobe/__x64_sys_execve")
int hello_perf(void* ctx) {
  struct event event = {};

  fill(&event);
  account(bpf_perf_event_output(ctx, &output, BPF_F_CURRENT_CPU, &event, sizeof(event)) != 0);
  return 0;
}

SEC("kprobe/__x64_sys_execve")
int hello_ring(void* ctx) {
  struct event* event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
  if (!event) {
    account(1);
    return 0;
  }
  fill(event);
  bpf_ringbuf_submit(event, 0);
  account(0);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
