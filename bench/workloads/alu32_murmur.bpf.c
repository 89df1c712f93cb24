// SPDX-License-Identifier: Apache-2.0
//
// 32-bit multiply/rotate (murmur3 rounds), 1000 rounds.

#include "bench.h"

ENTRY {
  HDR;
  u32 h = LD32(data + 32), s = LD32(data + 36);
  NOUNROLL for (u32 i = 0; i < 1000; i++) {
    u32 k = (s + i) * 0xcc9e2d51u;
    k = rol32(k, 15);
    k *= 0x1b873593u;
    h ^= k;
    h = rol32(h, 13);
    h = h * 5 + 0xe6546b64u;
    s ^= h;
  }
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  h ^= h >> 16;
  return h;
}
