// SPDX-License-Identifier: Apache-2.0
//
// A host program over a skeleton: packet_counter.skel.h was made of
// packet_counter.bpf.o by `skep gen skeleton` and holds the object. Its global
// variables are members of a struct here: a constant is set before the program is
// verified, a counter is read after it ran.
//
//   count_packets

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <utility>

#include "examples/packet_counter.skel.h"

namespace {

// An Ethernet frame with this type in it, and the first byte of an IP header.
template <size_t kSize>
std::array<std::byte, kSize> MakeFrame(uint8_t type_high, uint8_t type_low, uint8_t version) {
  std::array<std::byte, kSize> frame{};
  frame[12] = std::byte{type_high};
  frame[13] = std::byte{type_low};
  frame[14] = std::byte{version};
  return frame;
}

int Fail(const char* what, const skep::Error& error) {
  std::fprintf(stderr, "%s: %s\n", what, error.message.c_str());
  return 1;
}

}  // namespace

int main() {
  const auto runtime = skep::Runtime::Create({});
  if (!runtime) return Fail("runtime", runtime.error());
  auto counter = packet_counter_bpf::Open();
  if (!counter) return Fail("object", counter.error());

  // What was compiled in, and what this host wants instead.
  const bool counts_ipv6 = counter->rodata->count_ipv6 != 0;
  counter->rodata->count_ipv6 = 0;
  // A program of the host's own, which may compute with addresses as root's may in Linux.
  skep::LoadOptions options;
  options.verify.rights = skep::Rights::kRoot;
  if (const auto loaded = counter->Load(**runtime, options); !loaded) {
    return Fail("load", loaded.error());
  }

  const auto context = (*runtime)->NewContext();
  if (!context) return Fail("context", context.error());
  auto ipv4 = MakeFrame<60>(0x08, 0x00, 0x45);
  ipv4[17] = std::byte{46};  // total length
  ipv4[23] = std::byte{17};  // UDP
  auto ipv6 = MakeFrame<90>(0x86, 0xdd, 0x60);
  ipv6[20] = std::byte{17};
  counter->programs.packet_counter->RunPacket(**context, {.data = ipv4});
  counter->programs.packet_counter->RunPacket(**context, {.data = ipv6});

  // Each service that was counted, by the types of the program.
  using Services = packet_counter_bpf::Maps;
  Services::services_key service{}, next{};
  Services::services_value traffic{};
  const auto bytes = [](auto& object) { return reinterpret_cast<std::byte*>(&object); };
  int services = 0;
  for (const std::byte* key = nullptr; counter->maps.services->NextKey(key, bytes(next)) == 0;
       ++services) {
    service = next;
    key = bytes(service);
    counter->maps.services->HostLookup(key, bytes(traffic));
    std::printf("IPv%u protocol %u port %u: %llu packets\n", unsigned{service.family},
                unsigned{service.protocol}, unsigned{service.port},
                static_cast<unsigned long long>(traffic.packets));
  }
  std::printf("largest packet: %llu bytes\n",
              static_cast<unsigned long long>(counter->bss->largest_packet));
  const bool as_expected = counts_ipv6 && services == 1 && service.family == 4 &&
                           traffic.packets == 1 && counter->bss->largest_packet == ipv6.size() &&
                           counter->bss->services_lost == 0;
  return as_expected ? 0 : 1;
}
