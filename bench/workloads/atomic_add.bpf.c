// SPDX-License-Identifier: Apache-2.0
//
// 400 plain atomic adds (v1 XADD, no fetch), the only form every peer has.

#include "bench.h"

ENTRY {
  HDR;
  volatile u64 cell[2];
  cell[0] = LD64(data + 32);
  cell[1] = 1;
  volatile u64* p = cell;
  NOUNROLL for (u32 i = 0; i < 200; i++) {
    __sync_fetch_and_add(p, 3 + i);
    __sync_fetch_and_add(p + 1, i);
  }
  return fold(cell[0] + cell[1] * 7);
}
