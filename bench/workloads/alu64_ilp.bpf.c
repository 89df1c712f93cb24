// SPDX-License-Identifier: Apache-2.0
//
// Four independent xorshift64 lanes, 500 rounds.

#include "bench.h"

ENTRY {
  HDR;
  u64 a = LD64(data + 32) | 1, b = LD64(data + 40) | 1, c = LD64(data + 48) | 1,
      d = LD64(data + 56) | 1;
  NOUNROLL for (int i = 0; i < 500; i++) {
    a ^= a << 13;
    b ^= b << 13;
    c ^= c << 13;
    d ^= d << 13;
    a ^= a >> 7;
    b ^= b >> 7;
    c ^= c >> 7;
    d ^= d >> 7;
    a ^= a << 17;
    b ^= b << 17;
    c ^= c << 17;
    d ^= d << 17;
  }
  return fold(a + b * 3 + c * 5 + d * 7);
}
