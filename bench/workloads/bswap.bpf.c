// SPDX-License-Identifier: Apache-2.0
//
// 1024 packet bytes as be64 + be32 + be16.

#include "bench.h"

ENTRY {
  HDR;
  u64 acc = 0;
  NOUNROLL for (int i = 0; i < 1024; i += 16) {
    acc += __builtin_bswap64(LD64(data + 64 + i));
    acc ^= __builtin_bswap32(LD32(data + 72 + i));
    acc += __builtin_bswap16(LD16(data + 76 + i));
    acc ^= __builtin_bswap16(LD16(data + 78 + i));
  }
  return fold(acc);
}
