// SPDX-License-Identifier: Apache-2.0
//
// One program for each system call worth a word, reached by tail call: the
// number of the system call is the index into an array of programs. A tail call
// does not return; it does return, so to speak, when the slot is empty, and the
// code after it is then the default.
//
//   skep run hello_tail.bpf.o -p hello --ctx-hex 00000000000000003b00000000000000

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

// System call numbers of x86-64.
#define SYS_READ 0
#define SYS_WRITE 1
#define SYS_EXECVE 59
#define SYS_TIMER_CREATE 222
#define SYS_TIMER_SETTIME 223
#define SYS_TIMER_GETTIME 224
#define SYS_TIMER_GETOVERRUN 225
#define SYS_TIMER_DELETE 226
#define SYSCALLS 512

int ignore_syscall(struct bpf_raw_tracepoint_args* ctx);
int hello_exec(struct bpf_raw_tracepoint_args* ctx);
int hello_timer(struct bpf_raw_tracepoint_args* ctx);

// The loader fills the slots; user space may change them while programs run.
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, SYSCALLS);
  __uint(key_size, sizeof(__u32));
  __array(values, int(struct bpf_raw_tracepoint_args*));
} syscalls SEC(".maps") = {
    .values =
        {
            [SYS_READ] = &ignore_syscall,
            [SYS_WRITE] = &ignore_syscall,
            [SYS_EXECVE] = &hello_exec,
            [SYS_TIMER_CREATE] = &hello_timer,
            [SYS_TIMER_SETTIME] = &hello_timer,
            [SYS_TIMER_GETTIME] = &hello_timer,
            [SYS_TIMER_GETOVERRUN] = &hello_timer,
            [SYS_TIMER_DELETE] = &hello_timer,
        },
};

enum { kIgnored, kExecuted, kTimer, kOther, kPaths };

// How often each path was taken.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, kPaths);
  __type(key, __u32);
  __type(value, __u64);
} paths SEC(".maps");

static __always_inline void took(__u32 path) {
  __u64* count = bpf_map_lookup_elem(&paths, &path);
  if (count) __sync_fetch_and_add(count, 1);
}

SEC("raw_tp/sys_enter")
int hello(struct bpf_raw_tracepoint_args* ctx) {
  // args[0] points to the registers of the caller, args[1] is the number.
  long number = (long)ctx->args[1];

  bpf_tail_call(ctx, &syscalls, number);
  // Still here: the slot is empty, or there is no such slot.
  bpf_printk("Another syscall: %ld", number);
  took(kOther);
  return 0;
}

SEC("raw_tp/sys_enter")
int ignore_syscall(struct bpf_raw_tracepoint_args* ctx) {
  took(kIgnored);
  return 0;
}

SEC("raw_tp/sys_enter")
int hello_exec(struct bpf_raw_tracepoint_args* ctx) {
  bpf_printk("Executing a program");
  took(kExecuted);
  return 0;
}

SEC("raw_tp/sys_enter")
int hello_timer(struct bpf_raw_tracepoint_args* ctx) {
  switch (ctx->args[1]) {
    case SYS_TIMER_CREATE:
      bpf_printk("Creating a timer");
      break;
    case SYS_TIMER_DELETE:
      bpf_printk("Deleting a timer");
      break;
    default:
      bpf_printk("Some other timer operation");
      break;
  }
  took(kTimer);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
