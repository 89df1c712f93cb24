// SPDX-License-Identifier: Apache-2.0
//
// FNV-1a 64 of 1500 bytes: byte loads on a multiply chain.

#include "bench.h"

ENTRY {
  HDR;
  u64 h = 0xcbf29ce484222325ULL;
  NOUNROLL for (int i = 0; i < 1500; i++) {
    h ^= data[14 + i];
    h *= 0x100000001b3ULL;
  }
  return fold(h);
}
