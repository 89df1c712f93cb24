// SPDX-License-Identifier: Apache-2.0
// What the kernel and its configuration supply. Without them given, each
// program that needs one is refused; tests/loader/externs_test.cc gives them.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

// ---- .kconfig
extern int LINUX_KERNEL_VERSION __kconfig;
extern const _Bool LINUX_HAS_BPF_COOKIE __kconfig;
extern _Bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;
extern int LINUX_HAS_LATER_THINGS __kconfig __weak;
extern _Bool CONFIG_BOOL __kconfig;
extern enum libbpf_tristate CONFIG_TRISTATE __kconfig;
extern char CONFIG_CHAR __kconfig;
extern short CONFIG_SHORT __kconfig;
extern unsigned CONFIG_HZ __kconfig;
extern unsigned long CONFIG_LONG __kconfig;
extern char CONFIG_TEXT[8] __kconfig;
extern int CONFIG_MISSING __kconfig __weak;

SEC("raw_tp") int version(void *ctx) { return LINUX_KERNEL_VERSION; }
SEC("raw_tp") int kconfig(void *ctx) {
  return LINUX_HAS_BPF_COOKIE + LINUX_HAS_SYSCALL_WRAPPER + LINUX_HAS_LATER_THINGS + CONFIG_BOOL +
         CONFIG_TRISTATE + CONFIG_CHAR + CONFIG_SHORT + CONFIG_HZ + CONFIG_LONG + CONFIG_TEXT[3] +
         CONFIG_MISSING;
}

// ---- .ksyms
struct bpf_iter_num {
  __u64 opaque;
} __attribute__((aligned(8)));
struct runqueue {
  int clock;
};
struct elsewhere;
extern const void init_task __ksym;
extern const void nowhere_to_be_found __ksym __weak;
extern const struct runqueue runqueues __ksym;
extern const struct runqueue old_runqueues __ksym __weak;
extern const struct elsewhere jiffies __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int bpf_iter_num_new___old(struct bpf_iter_num *it) __ksym __weak;
extern int bpf_iter_num_new___same(struct bpf_iter_num *iterator, int a, int b) __ksym __weak;
extern void bpf_later(void) __ksym __weak;

SEC("raw_tp") int symbol(void *ctx) { return &init_task == ctx; }
SEC("raw_tp") int missing_symbol(void *ctx) { return &nowhere_to_be_found == ctx; }
SEC("raw_tp") int variable(void *ctx) { return (const void *)&runqueues == ctx; }
SEC("raw_tp") int missing_variable(void *ctx) { return (const void *)&old_runqueues == ctx; }
SEC("raw_tp") int other_variable(void *ctx) { return (const void *)&jiffies == ctx; }
SEC("raw_tp") int kfunc(void *ctx) {
  bpf_rcu_read_lock();
  return 0;
}
SEC("raw_tp") int flavours(void *ctx) {
  struct bpf_iter_num *it = ctx;
  if (bpf_iter_num_new___same) return bpf_iter_num_new___same(it, 0, 3);
  if (bpf_iter_num_new___old) return bpf_iter_num_new___old(it);
  return bpf_iter_num_new(it, 0, 3);
}
SEC("raw_tp") int missing_kfunc(void *ctx) {
  bpf_later();
  return 0;
}

char _license[] SEC("license") = "GPL";
