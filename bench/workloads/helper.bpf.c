// SPDX-License-Identifier: Apache-2.0
//
// 300 calls of a trivial helper (id 42, bpf_get_numa_node_id: returns 0 here).

#include "bench.h"

ENTRY {
  HDR;
  u64 x = LD64(data + 32);
  NOUNROLL for (u32 i = 0; i < 300; i++) x = x * 31 + HELPER42() + i;
  return fold(x);
}
