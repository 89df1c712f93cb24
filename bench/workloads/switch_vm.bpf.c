// SPDX-License-Identifier: Apache-2.0
//
// Byte-code interpreter loop over 512 packet bytes, 12-way switch.

#include "bench.h"

ENTRY {
  HDR;
  u64 a = LD64(data + 32), b = LD64(data + 40);
  NOUNROLL for (int i = 0; i < 512; i++) {
    u8 op = data[64 + i] & 15;
    switch (op) {
      case 0:
        a += b;
        break;
      case 1:
        a -= b;
        break;
      case 2:
        b ^= a;
        break;
      case 3:
        a = (a << 7) | (a >> 57);
        break;
      case 4:
        b *= 0x9e3779b1u;
        break;
      case 5:
        a |= 0x1234;
        break;
      case 6:
        b += op + 77;
        break;
      case 7:
        a ^= a >> 13;
        break;
      case 8:
        b = ~b;
        break;
      case 9: {
        u64 t = a;
        a = b;
        b = t;
        break;
      }
      case 10:
        a = a * 3 + 1;
        break;
      case 11:
        b ^= b << 5;
        break;
      default:
        a += op;
        break;
    }
  }
  return fold(a ^ b);
}
