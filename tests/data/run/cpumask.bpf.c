// SPDX-License-Identifier: Apache-2.0
// Sets of CPUs.
#include <linux/bpf.h>

#include "run.h"

struct cpumask {
} __attribute__((preserve_access_index));
struct bpf_cpumask {
} __attribute__((preserve_access_index));

#define CONST(mask) ((const struct cpumask*)(mask))
#define __kptr __attribute__((btf_type_tag("kptr")))

extern struct bpf_cpumask* bpf_cpumask_create(void) __ksym;
extern struct bpf_cpumask* bpf_cpumask_acquire(struct bpf_cpumask* mask) __ksym;
extern void bpf_cpumask_release(struct bpf_cpumask* mask) __ksym;
extern __u32 bpf_cpumask_first(const struct cpumask* mask) __ksym;
extern __u32 bpf_cpumask_first_zero(const struct cpumask* mask) __ksym;
extern __u32 bpf_cpumask_first_and(const struct cpumask* a, const struct cpumask* b) __ksym;
extern void bpf_cpumask_set_cpu(__u32 cpu, struct bpf_cpumask* mask) __ksym;
extern void bpf_cpumask_clear_cpu(__u32 cpu, struct bpf_cpumask* mask) __ksym;
extern _Bool bpf_cpumask_test_cpu(__u32 cpu, const struct cpumask* mask) __ksym;
extern _Bool bpf_cpumask_test_and_set_cpu(__u32 cpu, struct bpf_cpumask* mask) __ksym;
extern _Bool bpf_cpumask_test_and_clear_cpu(__u32 cpu, struct bpf_cpumask* mask) __ksym;
extern void bpf_cpumask_setall(struct bpf_cpumask* mask) __ksym;
extern void bpf_cpumask_clear(struct bpf_cpumask* mask) __ksym;
extern _Bool bpf_cpumask_and(struct bpf_cpumask* to, const struct cpumask* a,
                             const struct cpumask* b) __ksym;
extern void bpf_cpumask_or(struct bpf_cpumask* to, const struct cpumask* a,
                           const struct cpumask* b) __ksym;
extern void bpf_cpumask_xor(struct bpf_cpumask* to, const struct cpumask* a,
                            const struct cpumask* b) __ksym;
extern _Bool bpf_cpumask_equal(const struct cpumask* a, const struct cpumask* b) __ksym;
extern _Bool bpf_cpumask_intersects(const struct cpumask* a, const struct cpumask* b) __ksym;
extern _Bool bpf_cpumask_subset(const struct cpumask* a, const struct cpumask* b) __ksym;
extern _Bool bpf_cpumask_empty(const struct cpumask* mask) __ksym;
extern _Bool bpf_cpumask_full(const struct cpumask* mask) __ksym;
extern void bpf_cpumask_copy(struct bpf_cpumask* to, const struct cpumask* from) __ksym;
extern __u32 bpf_cpumask_any_distribute(const struct cpumask* mask) __ksym;
extern __u32 bpf_cpumask_any_and_distribute(const struct cpumask* a,
                                            const struct cpumask* b) __ksym;
extern __u32 bpf_cpumask_weight(const struct cpumask* mask) __ksym;
extern int bpf_cpumask_populate(struct bpf_cpumask* mask, void* from, unsigned long size) __ksym;

struct kept {
  struct bpf_cpumask __kptr* mask;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct kept);
} kept SEC(".maps");

static __u32 all_of(const struct cpumask* m) {
  __u32 out = 1;
  NOTE(out, bpf_cpumask_first(m));
  NOTE(out, bpf_cpumask_first_zero(m));
  NOTE(out, bpf_cpumask_weight(m));
  NOTE(out, bpf_cpumask_empty(m));
  NOTE(out, bpf_cpumask_full(m));
  NOTE(out, bpf_cpumask_test_cpu(0, m));
  NOTE(out, bpf_cpumask_test_cpu(1, m));
  NOTE(out, bpf_cpumask_test_cpu(100000, m));
  return out;
}

SYSCALL one_mask(void* ctx) {
  struct bpf_cpumask* m = bpf_cpumask_create();
  if (!m) return 1;
  __u32 out = all_of(CONST(m));
  bpf_cpumask_set_cpu(0, m);
  NOTE(out, all_of(CONST(m)));
  NOTE(out, bpf_cpumask_test_and_set_cpu(0, m));
  NOTE(out, bpf_cpumask_test_and_clear_cpu(0, m));
  NOTE(out, bpf_cpumask_test_and_clear_cpu(0, m));
  NOTE(out, bpf_cpumask_any_distribute(CONST(m)));
  bpf_cpumask_set_cpu(100000, m);
  NOTE(out, all_of(CONST(m)));
  bpf_cpumask_setall(m);
  NOTE(out, all_of(CONST(m)));
  bpf_cpumask_clear_cpu(0, m);
  NOTE(out, all_of(CONST(m)));
  bpf_cpumask_clear(m);
  bpf_cpumask_set_cpu(0, m);
  NOTE(out, bpf_cpumask_any_distribute(CONST(m)));
  bpf_cpumask_release(m);
  return out;
}

SYSCALL two_masks(void* ctx) {
  struct bpf_cpumask* a = bpf_cpumask_create();
  if (!a) return 1;
  struct bpf_cpumask* b = bpf_cpumask_create();
  if (!b) {
    bpf_cpumask_release(a);
    return 2;
  }
  struct bpf_cpumask* to = bpf_cpumask_create();
  if (!to) {
    bpf_cpumask_release(a);
    bpf_cpumask_release(b);
    return 3;
  }
  __u32 out = 1;
  bpf_cpumask_set_cpu(0, a);
  bpf_cpumask_setall(b);
  NOTE(out, bpf_cpumask_and(to, CONST(a), CONST(b)));
  NOTE(out, all_of(CONST(to)));
  bpf_cpumask_xor(to, CONST(a), CONST(b));
  NOTE(out, all_of(CONST(to)));
  NOTE(out, bpf_cpumask_intersects(CONST(to), CONST(a)));
  NOTE(out, bpf_cpumask_first_and(CONST(to), CONST(a)));
  NOTE(out, bpf_cpumask_any_and_distribute(CONST(b), CONST(a)));
  bpf_cpumask_or(to, CONST(to), CONST(a));
  NOTE(out, bpf_cpumask_equal(CONST(to), CONST(b)));
  NOTE(out, bpf_cpumask_equal(CONST(to), CONST(a)));
  NOTE(out, bpf_cpumask_subset(CONST(a), CONST(b)));
  NOTE(out, bpf_cpumask_subset(CONST(b), CONST(a)));
  bpf_cpumask_copy(to, CONST(a));
  NOTE(out, all_of(CONST(to)));
  bpf_cpumask_release(a);
  bpf_cpumask_release(b);
  bpf_cpumask_release(to);
  return out;
}

SYSCALL takes_words(void* ctx) {
  struct bpf_cpumask* m = bpf_cpumask_create();
  if (!m) return 1;
  __u64 words[2] = {1, 0};
  __u32 out = 1;
  NOTE(out, bpf_cpumask_populate(m, words, 4));
  NOTE(out, all_of(CONST(m)));
  NOTE(out, bpf_cpumask_populate(m, words, sizeof words));
  NOTE(out, all_of(CONST(m)));
  words[0] = ~0ull;
  NOTE(out, bpf_cpumask_populate(m, words, sizeof words));
  NOTE(out, all_of(CONST(m)));
  bpf_cpumask_release(m);
  return out;
}

SYSCALL stays_in_a_map(void* ctx) {
  __u32 key = 0, out = 1;
  struct kept* value = bpf_map_lookup_elem(&kept, &key);
  struct bpf_cpumask* m = bpf_cpumask_create();
  if (!m) return 1;
  if (!value) {
    bpf_cpumask_release(m);
    return 2;
  }
  bpf_cpumask_set_cpu(0, m);
  struct bpf_cpumask* again = bpf_cpumask_acquire(m);
  m = bpf_kptr_xchg(&value->mask, m);
  NOTE(out, m != 0);
  if (m) bpf_cpumask_release(m);
  NOTE(out, all_of(CONST(again)));
  bpf_cpumask_release(again);
  m = bpf_kptr_xchg(&value->mask, 0);
  if (!m) return 3;
  NOTE(out, all_of(CONST(m)));
  m = bpf_kptr_xchg(&value->mask, m);
  if (m) bpf_cpumask_release(m);
  return out;
}
