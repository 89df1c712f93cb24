// SPDX-License-Identifier: Apache-2.0
//
// Internet checksum of 1500 bytes, 16-bit loads.

#include "bench.h"

ENTRY {
  HDR;
  u32 s = 0;
  NOUNROLL for (int i = 0; i < 1500; i += 2) s += LD16(data + 14 + i);
  s = (s & 0xffff) + (s >> 16);
  s = (s & 0xffff) + (s >> 16);
  return (u16)~s;
}
