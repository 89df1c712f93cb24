// SPDX-License-Identifier: Apache-2.0
//
// What the workloads share. Each <name>.bpf.c is one program and is built twice: as
// a BPF program (clang -target bpf, section xdp) and as its native twin
//
//   int nat_<name>(struct xdp_md *ctx)      -DNPFX=nat_ -DPNAME=<name>
//
// from the same source, so that machine code of an engine is compared with what
// a compiler makes of the same computation. The fields of xdp_md are 32 bits
// wide, so the native packet has to lie below 4 GiB (MAP_32BIT).

#ifndef SKEP_BENCH_WORKLOADS_BENCH_H_
#define SKEP_BENCH_WORKLOADS_BENCH_H_

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

struct xdp_md {
  u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

#define PKT 1536     // bytes of a packet
#define EMPTY_RET 2  // XDP_PASS

#define noinline static __attribute__((noinline))
#define inl static inline __attribute__((always_inline))
#define P(x) ((u8*)(unsigned long)(x))

#ifdef __bpf__
#define NOUNROLL _Pragma("clang loop unroll(disable)")
#define ENTRY __attribute__((section("xdp"), used)) int prog(struct xdp_md* ctx)
// bpf_get_numa_node_id(): a helper that does next to nothing.
#define HELPER42() (((u64(*)(void))42)())
#else
#define NOUNROLL
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define ENTRY int CAT(NPFX, PNAME)(struct xdp_md * ctx)
// In another file, so that it is called as a helper is.
u64 native_helper42(u64, u64, u64, u64, u64);
#define HELPER42() native_helper42(0, 0, 0, 0, 0)
#endif

#define LD64(p) (*(u64*)(p))
#define LD32(p) (*(u32*)(p))
#define LD16(p) (*(u16*)(p))

// The whole packet, or nothing.
#define HDR                                         \
  u8 *data = P(ctx->data), *end = P(ctx->data_end); \
  if (data + PKT > end) return 0

inl u32 fold(u64 h) { return (u32)(h ^ (h >> 32)); }
inl u32 rol32(u32 x, int r) { return (x << r) | (x >> (32 - r)); }

#endif  // SKEP_BENCH_WORKLOADS_BENCH_H_
