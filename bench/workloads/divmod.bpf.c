// SPDX-License-Identifier: Apache-2.0
//
// 300 rounds: 64-bit div, 64-bit mod, 32-bit div, 32-bit mod, unknown divisors.

#include "bench.h"

ENTRY {
  HDR;
  u64 x = LD64(data + 32), acc = 0;
  NOUNROLL for (u32 i = 0; i < 300; i++) {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    u64 d = (x >> 41) | 1;
    u32 e = (u32)(x >> 50) | 1;
    acc += x / d;
    acc ^= (acc + x) % (d + 2);
    acc += (u32)x / e;
    acc += (u32)(x >> 17) % (e + 4);
  }
  return fold(acc);
}
