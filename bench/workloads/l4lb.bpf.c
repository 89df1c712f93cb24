// SPDX-License-Identifier: Apache-2.0
//
// A layer 4 load balancer: parses, hashes the flow (the mixing steps are those of
// Jenkins' lookup3, public domain), picks a backend, rewrites MAC and IP address, computes the
// IPv4 checksum anew and corrects the TCP checksum. Running it twice changes nothing: the hash
// leaves out what is rewritten.

#include "bench.h"

#define JMIX(a, b, c)  \
  do {                 \
    a -= c;            \
    a ^= rol32(c, 4);  \
    c += b;            \
    b -= a;            \
    b ^= rol32(a, 6);  \
    a += c;            \
    c -= b;            \
    c ^= rol32(b, 8);  \
    b += a;            \
    a -= c;            \
    a ^= rol32(c, 16); \
    c += b;            \
    b -= a;            \
    b ^= rol32(a, 19); \
    a += c;            \
    c -= b;            \
    c ^= rol32(b, 4);  \
    b += a;            \
  } while (0)
#define JFINAL(a, b, c) \
  do {                  \
    c ^= b;             \
    c -= rol32(b, 14);  \
    a ^= c;             \
    a -= rol32(c, 11);  \
    b ^= a;             \
    b -= rol32(a, 25);  \
    c ^= b;             \
    c -= rol32(b, 16);  \
    a ^= c;             \
    a -= rol32(c, 4);   \
    b ^= a;             \
    b -= rol32(a, 14);  \
    c ^= b;             \
    c -= rol32(b, 24);  \
  } while (0)
noinline u32 flow_hash(u32 saddr, u32 ports, u32 proto) {
  u32 a = 0xdeadbeef + 12 + 42, b = a, c = a;
  a += saddr;
  b += ports;
  c += proto;
  JMIX(a, b, c);
  a += 0x5bd1e995;
  JFINAL(a, b, c);
  return c;
}
ENTRY {
  u8 *d = P(ctx->data), *end = P(ctx->data_end);
  if (d + 14 + 4 + 20 + 20 > end) return 1;
  u8* ip = d + 14;
  u16 et = LD16(d + 12);
  if (et == 0x0081) {
    et = LD16(d + 16);
    ip += 4;
  }
  if (et != 0x0008) return 2;
  if (ip[0] != 0x45) return 2;
  if (ip[8] < 2) return 1;
  if (LD16(ip + 6) & 0xff3f) return 2;
  u8 pr = ip[9];
  if (pr != 6 && pr != 17) return 2;
  u8* l4 = ip + 20;
  u32 ports = LD32(l4);
  u16 dport = __builtin_bswap16((u16)(ports >> 16));
  if (dport != 443 && dport != 80 && dport != 53 && (dport < 8000 || dport > 8100)) return 2;
  u32 h = flow_hash(LD32(ip + 12), ports, pr);
  u32 slot = h % 65537u;                     // consistent-hash ring size
  u32 backend = (slot * 2654435761u) >> 24;  // 256 backends
  u32 nip = 0x0000000a | (backend << 24) | ((backend & 7) << 16);
  u32 oip = 0x0100a8c0;  // the VIP the packet came with
  LD32(ip + 16) = nip;
  LD32(d) = 0x12005452u;
  LD16(d + 4) = (u16)(0x3400 | backend);
  LD16(ip + 10) = 0;
  u32 s = 0;
  NOUNROLL for (int i = 0; i < 20; i += 2) s += LD16(ip + i);
  s = (s & 0xffff) + (s >> 16);
  s = (s & 0xffff) + (s >> 16);
  LD16(ip + 10) = (u16)~s;
  u32 c = 0x1d0f;  // pretend old TCP checksum
  c = (u16)~c;
  c += (u16) ~(oip & 0xffff);
  c += (u16) ~(oip >> 16);
  c += nip & 0xffff;
  c += nip >> 16;
  c = (c & 0xffff) + (c >> 16);
  c = (c & 0xffff) + (c >> 16);
  LD16(l4 + 16) = (u16)~c;
  return h ^ nip ^ c;
}
