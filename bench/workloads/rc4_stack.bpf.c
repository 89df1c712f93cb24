// SPDX-License-Identifier: Apache-2.0
//
// RC4 KSA on a 256-byte stack array: variable-index byte loads and stores.

#include "bench.h"

ENTRY {
  HDR;
  u8 S[256];
  NOUNROLL for (int i = 0; i < 256; i += 8) LD64(&S[i]) =
      0x0706050403020100ULL + 0x0101010101010101ULL * (u64)i;
  u32 j = 0;
  NOUNROLL for (u32 i = 0; i < 256; i++) {
    u8 t = S[i];
    j = (j + t + data[64 + (i & 15)]) & 255;
    u8 v = S[j];
    S[i] = v;
    S[j] = t;
  }
  u64 h = 0;
  NOUNROLL for (int i = 0; i < 256; i += 8) h = h * 31 + LD64(&S[i]);
  return fold(h);
}
