// SPDX-License-Identifier: Apache-2.0
//
// 200 rounds: fetch_add, add (no result), xchg, cmpxchg, fetch_or on a stack cell.

#include "bench.h"

ENTRY {
  HDR;
  volatile u64 cell[2];
  cell[0] = LD64(data + 32);
  cell[1] = 1;
  u64 acc = 0;
  volatile u64* p = cell;
  NOUNROLL for (u32 i = 0; i < 200; i++) {
    acc += __sync_fetch_and_add(p, 3 + i);
    __sync_fetch_and_add(p + 1, acc);
    acc ^= __sync_lock_test_and_set(p, acc);
    acc += __sync_val_compare_and_swap(p + 1, acc, 7);
    acc ^= __sync_fetch_and_or(p, 0x10);
  }
  return fold(acc + cell[0] + cell[1]);
}
