// SPDX-License-Identifier: Apache-2.0
// Programs that follow pointers into objects of the host, laid out as the kernel's
// types say; tests/vm/host_objects_test.cc is that host.
#include <linux/bpf.h>

#include "run.h"

struct seq_file;
struct task_struct {
  int pid, tgid;
  unsigned char policy_low;
  struct task_struct* group_leader;
} __attribute__((preserve_access_index));
struct bpf_iter_meta {
  struct seq_file* seq;
  __u64 session_id;
  __u64 seq_num;
} __attribute__((preserve_access_index));
struct bpf_iter__task {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
} __attribute__((preserve_access_index));

SEC("iter/task")
int print_task(struct bpf_iter__task* ctx) {
  struct seq_file* seq = ctx->meta->seq;
  struct task_struct* task = ctx->task;
  static const char first[] = "%d: pid %d of %d\n", last[] = "end\n";
  if (!task) {
    bpf_seq_write(seq, last, sizeof last - 1);
    return 0;
  }
  __u64 arguments[] = {ctx->meta->seq_num, task->pid, task->group_leader->pid};
  return bpf_seq_printf(seq, first, sizeof first, arguments, sizeof arguments) != 0;
}

// The packet is no object of the host: what is behind the pointer is laid out
// otherwise than the kernel's struct sk_buff.
struct sk_buff {
  unsigned int len;
} __attribute__((preserve_access_index));
struct bpf_nf_ctx {
  const void* state;
  struct sk_buff* skb;
} __attribute__((preserve_access_index));
extern void* bpf_cast_to_kern_ctx(void* context) __ksym;

SEC("netfilter")
int reads_the_packet(struct bpf_nf_ctx* ctx) { return ctx->skb->len > 100; }

struct xdp_buff {
  unsigned int frame_sz;
} __attribute__((preserve_access_index));

SEC("xdp")
int reads_its_own_context(struct xdp_md* xdp) {
  struct xdp_buff* kernel = bpf_cast_to_kern_ctx(xdp);
  return kernel->frame_sz > 100;
}

SEC("iter/task")
int fill(struct bpf_iter__task* ctx) {
  static const char bytes[1000];
  __u32 written = 0;
  for (int i = 0; i < 50; ++i) {
    if (bpf_seq_write(ctx->meta->seq, bytes, sizeof bytes)) break;
    written += sizeof bytes;
  }
  return written > 40000;
}

// A negative pid keeps its sign, and r1 .. r5 and what is on the stack stay over
// the loads.
SEC("tp_btf/sched_wakeup")
int reads_fields(__u64* ctx) {
  struct task_struct* task = (void*)ctx[0];
  volatile __u64 kept = 11;
  long pid = task->pid;
  long leader = task->group_leader->pid;
  return pid < 0 ? pid + leader + kept : pid * 1000 + leader + kept;
}
