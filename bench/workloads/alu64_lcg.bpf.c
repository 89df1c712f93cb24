// SPDX-License-Identifier: Apache-2.0
//
// Dependent 64-bit chain: LCG step + xorshift, 1000 rounds.

#include "bench.h"

ENTRY {
  HDR;
  u64 x = LD64(data + 32);
  NOUNROLL for (int i = 0; i < 1000; i++) {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    x ^= x >> 29;
  }
  return fold(x);
}
