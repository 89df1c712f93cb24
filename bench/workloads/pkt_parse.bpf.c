// SPDX-License-Identifier: Apache-2.0
//
// One packet: Ethernet, up to 2 VLAN tags, IPv4 with options / IPv6, TCP options walk.

#include "bench.h"

ENTRY {
  u8 *p = P(ctx->data), *end = P(ctx->data_end);
  if (p + 14 > end) return 1;
  u16 proto = LD16(p + 12);
  p += 14;
  NOUNROLL for (int i = 0; i < 2; i++) {
    if (proto != 0x0081 && proto != 0xa888) break;
    if (p + 4 > end) return 1;
    proto = LD16(p + 2);
    p += 4;
  }
  u32 h = proto;
  u8 l4;
  if (proto == 0x0008) {
    if (p + 20 > end) return 1;
    u32 ihl = (p[0] & 15) * 4;
    if (ihl < 20) return 1;
    h = h * 31 + LD32(p + 12);
    h = h * 31 + LD32(p + 16);
    l4 = p[9];
    p += ihl;
  } else if (proto == 0xdd86) {
    if (p + 40 > end) return 1;
    NOUNROLL for (int i = 8; i < 40; i += 4) h = h * 31 + LD32(p + i);
    l4 = p[6];
    p += 40;
  } else
    return 2;
  if (l4 == 6) {
    if (p + 20 > end) return 1;
    h = h * 31 + LD32(p);
    u32 doff = (p[12] >> 4) * 4;
    if (doff < 20) return 1;
    u32 off = 20;
    u8* o = p + 20;
    NOUNROLL for (int i = 0; i < 10; i++) {
      if (off >= doff) break;
      if (o + 1 > end) return 1;
      u8 k = o[0];
      if (k == 0) break;
      if (k == 1) {
        o += 1;
        off += 1;
        continue;
      }
      if (o + 2 > end) return 1;
      u8 l = o[1];
      if (l < 2 || l > 40) return 1;
      if (k == 8) {
        if (o + 10 > end) return 1;
        h = h * 31 + LD32(o + 2);
        h ^= LD32(o + 6);
      } else if (k == 2) {
        if (o + 4 > end) return 1;
        h += LD16(o + 2);
      }
      o += l;
      off += l;
    }
  } else if (l4 == 17) {
    if (p + 8 > end) return 1;
    h = h * 31 + LD32(p);
  }
  return h;
}
