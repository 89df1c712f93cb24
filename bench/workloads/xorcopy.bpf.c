// SPDX-License-Identifier: Apache-2.0
//
// Read 64 words, transform, write 64 words in the packet (store bandwidth), x4.

#include "bench.h"

ENTRY {
  HDR;
  u64 acc = 0;
  NOUNROLL for (int r = 0; r < 4; r++) {
    NOUNROLL for (int i = 0; i < 512; i += 8) {
      u64 v = LD64(data + 64 + i) ^ (0x9e3779b97f4a7c15ULL + (u64)r);
      LD64(data + 640 + i) = v;
      acc += v;
    }
  }
  return fold(acc);
}
