// SPDX-License-Identifier: Apache-2.0
//
// 64 binary searches in a 128-entry table of u32 inside the packet: data-dependent branches.

#include "bench.h"

ENTRY {
  HDR;
  u64 acc = 0;
  u32 x = LD32(data + 32);
  NOUNROLL for (int r = 0; r < 64; r++) {
    x = x * 1664525u + 1013904223u;
    u32 key = x, lo = 0;
    NOUNROLL for (u32 step = 64; step; step >>= 1) {
      u32 m = (lo + step) & 127;
      u32 v = LD32(data + 1024 + m * 4);
      if (v <= key) {
        lo = m;
        acc += 3;
      } else
        acc ^= step;
    }
    acc = acc * 31 + lo;
  }
  return fold(acc);
}
