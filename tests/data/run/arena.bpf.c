// SPDX-License-Identifier: Apache-2.0
// Memory of an arena.
#include <linux/bpf.h>

#include "run.h"

#define ARENA __attribute__((address_space(1)))

struct {
  __uint(type, BPF_MAP_TYPE_ARENA);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 100);
} arena SEC(".maps");

extern void ARENA* bpf_arena_alloc_pages(void* map, void ARENA* address, __u32 pages, int node,
                                         __u64 flags) __ksym;
extern void bpf_arena_free_pages(void* map, void ARENA* address, __u32 pages) __ksym;

#define PAGE 4096

SYSCALL pages_are_zero_and_keep(void* ctx) {
  int ARENA* page = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
  if (!page) return 1;
  __u32 out = page[0] + page[1023];
  page[0] = 5;
  page[1023] = 7;
  NOTE(out, page[0]);
  NOTE(out, page[1023]);
  *(char ARENA*)(page + 7) = -3;
  NOTE(out, page[7]);
  bpf_arena_free_pages(&arena, page, 1);
  return out;
}

SYSCALL freed_pages_read_as_zero(void* ctx) {
  int ARENA* page = bpf_arena_alloc_pages(&arena, 0, 2, -1, 0);
  if (!page) return 1;
  page[0] = 5;
  page[1024] = 6;
  bpf_arena_free_pages(&arena, page, 1);
  __u32 out = page[0];
  page[0] = 9;
  NOTE(out, page[0]);
  NOTE(out, page[1024]);
  bpf_arena_free_pages(&arena, page + 1024, 1);
  NOTE(out, page[1024]);
  int ARENA* again = bpf_arena_alloc_pages(&arena, page, 1, -1, 0);
  if (again != page) return 2;
  NOTE(out, again[0]);
  bpf_arena_free_pages(&arena, again, 1);
  return out;
}

SYSCALL pages_run_out(void* ctx) {
  __u32 out = 0;
  void ARENA* all = bpf_arena_alloc_pages(&arena, 0, 100, -1, 0);
  NOTE(out, all != 0);
  NOTE(out, bpf_arena_alloc_pages(&arena, 0, 1, -1, 0) != 0);
  bpf_arena_free_pages(&arena, all + 10 * PAGE, 3);
  NOTE(out, bpf_arena_alloc_pages(&arena, 0, 4, -1, 0) != 0);
  void ARENA* three = bpf_arena_alloc_pages(&arena, 0, 3, -1, 0);
  NOTE(out, three == all + 10 * PAGE);
  NOTE(out, bpf_arena_alloc_pages(&arena, all, 1, -1, 0) != 0);
  NOTE(out, bpf_arena_alloc_pages(&arena, 0, 0, -1, 0) != 0);
  NOTE(out, bpf_arena_alloc_pages(&arena, 0, 101, -1, 0) != 0);
  NOTE(out, bpf_arena_alloc_pages(&arena, 0, 1, -1, 1) != 0);
  bpf_arena_free_pages(&arena, all, 200);
  NOTE(out, bpf_arena_alloc_pages(&arena, all + 99 * PAGE, 1, -1, 0) != 0);
  NOTE(out, bpf_arena_alloc_pages(&arena, all + 99 * PAGE + 8, 1, -1, 0) != 0);
  NOTE(out, bpf_arena_alloc_pages(&arena, all + 100 * PAGE, 1, -1, 0) != 0);
  bpf_arena_free_pages(&arena, all, 100);
  return out;
}

struct Node {
  struct Node ARENA* next;
  __u64 value;
};

SYSCALL lists(void* ctx) {
  struct Node ARENA* nodes = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
  if (!nodes) return 1;
  struct Node ARENA* head = 0;
  for (int i = 0; i < 50; ++i) {
    nodes[i].value = i * 3;
    nodes[i].next = head;
    head = &nodes[i];
  }
  __u32 out = 0;
  struct Node ARENA* n = head;
  for (int i = 0; i < 60 && n; ++i) {
    NOTE(out, n->value);
    n = n->next;
  }
  bpf_arena_free_pages(&arena, nodes, 1);
  return out;
}

SYSCALL atomics(void* ctx) {
  __u64 ARENA* page = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
  if (!page) return 1;
  __u32 out = 0;
  page[1] = 10;
  NOTE(out, __sync_fetch_and_add(&page[1], 5));
  NOTE(out, page[1]);
  NOTE(out, __sync_val_compare_and_swap(&page[1], 15, 20));
  NOTE(out, __sync_val_compare_and_swap(&page[1], 15, 21));
  NOTE(out, page[1]);
  NOTE(out, __sync_lock_test_and_set(&page[2], 8));
  NOTE(out, page[2]);
  bpf_arena_free_pages(&arena, page, 1);
  return out;
}

// Any number is an address inside the arena's 4 GiB.
SYSCALL wild_pointers(void* ctx) {
  __u32 out = bpf_arena_alloc_pages(&arena, 0, 101, -1, 0) != 0;
  for (__u64 i = 0; i < 64; ++i) {
    __u64 address = 0x123456789abcdefull * (i * 2 + 1);
    HIDE(address);
    __u64 ARENA* p = (__u64 ARENA*)address;
    *p = 5;
    NOTE(out, *p);
    p[2] = 6;
    NOTE(out, p[-2]);
  }
  return out;
}
