// SPDX-License-Identifier: Apache-2.0
//
// 300 x (f -> g) bpf-to-bpf calls, 2 deep, small bodies.

#include "bench.h"

noinline u64 g(u64 a, u64 b) { return (a ^ (b << 3)) + (a >> 5); }
noinline u64 f(u64 a, u64 b, u32 c) {
  u64 t = g(a + c, b);
  return t * 31 + g(b, t);
}
ENTRY {
  HDR;
  u64 x = LD64(data + 32), y = LD64(data + 40);
  NOUNROLL for (u32 i = 0; i < 300; i++) {
    u64 t = f(x, y, i);
    x = y;
    y = t;
  }
  return fold(x ^ y);
}
