// SPDX-License-Identifier: Apache-2.0
// The programs of bench/workloads as the harness sees them: object file, native
// twins and the packet that all of them run over.

#ifndef SKEP_BENCH_WORKLOAD_H_
#define SKEP_BENCH_WORKLOAD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "skep/program.h"
#include "skep/result.h"

namespace skep::bench {

// Linux's struct xdp_md, as the native twins take it.
struct NativeContext {
  uint32_t data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};
using NativeFunction = int (*)(NativeContext*);

struct Workload {
  const char* name;
  NativeFunction native;     // null if no clang was there to build it
  NativeFunction native_nv;  // the same without vectorisers
};

// `empty` first.
std::span<const Workload> Workloads();

// Opens <build>/bench/workloads/<name>.bpf.o and links its program.
Result<Program> OpenWorkload(const Workload& workload);

inline constexpr size_t kPacketSize = 1536;
using PacketBytes = std::array<std::byte, kPacketSize>;

// Pseudo-random bytes behind headers that the packet workloads accept:
// Ethernet, one 802.1Q tag, IPv4, TCP to port 443 with options.
PacketBytes MakePacket();

// A packet's memory below 4 GiB, where native code can follow 32-bit addresses.
// Threads: one at a time. Never freed.
std::span<std::byte, kPacketSize> LowPacket();
// The context of a native run over it.
NativeContext ContextOf(std::span<std::byte, kPacketSize> packet);

}  // namespace skep::bench

#endif  // SKEP_BENCH_WORKLOAD_H_
