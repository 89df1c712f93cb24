// SPDX-License-Identifier: Apache-2.0
#include "bench/workload.h"

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>

#ifdef SKEP_NATIVE_WORKLOADS
extern "C" {
#define SKEP_WORKLOAD(name)                        \
  int nat_##name(skep::bench::NativeContext* ctx); \
  int nat_nv_##name(skep::bench::NativeContext* ctx);
#include "bench/workloads.inc"

// The twin of bpf_get_numa_node_id() on a machine of one node. Its arguments
// are there because helper calls pass five.
[[gnu::noinline]] uint64_t native_helper42(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
  asm volatile("");  // or the compiler would know the result at the call
  return 0;
}
}
#endif

namespace skep::bench {
namespace {

constexpr Workload kWorkloads[] = {
#ifdef SKEP_NATIVE_WORKLOADS
#define SKEP_WORKLOAD(name) {#name, nat_##name, nat_nv_##name},
#else
#define SKEP_WORKLOAD(name) {#name, nullptr, nullptr},
#endif
#include "bench/workloads.inc"
};

// Ethernet, 802.1Q, IPv4 (TTL 64, TCP) and a TCP header of 60 bytes, ports 40000
// -> 443, with the options of a busy connection.
// clang-format off
constexpr uint8_t kHeaders[] = {
    0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x81, 0x00,
    0x00, 0x64, 0x08, 0x00,
    0x45, 0x00, 0x05, 0xee, 0x12, 0x34, 0x40, 0x00, 0x40, 0x06, 0xa0, 0x9b,
    0xc0, 0x00, 0x02, 0x0a, 0xc0, 0x00, 0x02, 0x01,
    0x9c, 0x40, 0x01, 0xbb, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0,
    0xf0, 0x10, 0x01, 0xf6, 0x00, 0x00, 0x00, 0x00,
    2, 4, 0x05, 0xb4,                                                  // maximum segment size
    4, 2,                                                              // SACK permitted
    8, 10, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,             // timestamps
    1,                                                                 // no operation
    3, 3, 7,                                                           // window scale
    1, 1,                                                              // no operation, twice
    5, 18, 0x9a, 0xbc, 0xe0, 0x00, 0x9a, 0xbc, 0xe5, 0xb4,             // SACK, two blocks
           0x9a, 0xbc, 0xf0, 0x00, 0x9a, 0xbc, 0xf5, 0xb4,
};
// clang-format on

}  // namespace

std::span<const Workload> Workloads() { return kWorkloads; }

Result<Program> OpenWorkload(const Workload& workload) {
  const std::string path =
      std::string(SKEP_BINARY_DIR "/bench/workloads/") + workload.name + ".bpf.o";
  SKEP_TRY(const Object object, Object::Open(path));
  return object.FindProgram("prog").At(path);
}

PacketBytes MakePacket() {
  PacketBytes packet;
  uint64_t x = 0x5eed;
  for (std::byte& byte : packet) {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<std::byte>(x >> 56);
  }
  std::memcpy(packet.data(), kHeaders, sizeof(kHeaders));
  return packet;
}

std::span<std::byte, kPacketSize> LowPacket() {
#ifdef MAP_32BIT
  constexpr int kLow = MAP_32BIT;
  void* const hint = nullptr;
#else
  // arm64 has no such flag; a hint is honoured where the space is free.
  constexpr int kLow = 0;
  void* const hint = std::bit_cast<void*>(uintptr_t{1} << 28);
#endif
  void* memory =
      mmap(hint, kPacketSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | kLow, -1, 0);
  if (memory == MAP_FAILED || std::bit_cast<uintptr_t>(memory) >> 32 != 0) {
    std::fputs("no memory below 4 GiB for the packet\n", stderr);
    std::exit(1);
  }
  return std::span<std::byte, kPacketSize>(static_cast<std::byte*>(memory), kPacketSize);
}

NativeContext ContextOf(std::span<std::byte, kPacketSize> packet) {
  const auto start = static_cast<uint32_t>(std::bit_cast<uintptr_t>(packet.data()));
  const auto end = static_cast<uint32_t>(start + kPacketSize);
  return {.data = start,
          .data_end = end,
          .data_meta = start,
          .ingress_ifindex = 1,
          .rx_queue_index = 0,
          .egress_ifindex = 0};
}

}  // namespace skep::bench
