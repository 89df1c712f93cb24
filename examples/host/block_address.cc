// SPDX-License-Identifier: Apache-2.0
//
// A host program with a packet filter as its plugin: loads firewall.bpf.o, runs
// it, changes its blocklist while it is loaded, runs it again.
//
//   block_address build/examples/firewall.bpf.o

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>

#include <skep/skep.h>

namespace {

constexpr uint64_t kXdpDrop = 1, kXdpPass = 2;
constexpr std::array<uint8_t, 4> kSender = {203, 0, 113, 99};

// An Ethernet frame with an IPv4 header and a UDP header, from kSender.
std::array<std::byte, 60> MakePacket() {
  std::array<std::byte, 60> packet{};
  const auto put = [&](size_t at, uint8_t value) { packet[at] = std::byte{value}; };
  put(12, 0x08);  // Ethernet: IPv4
  put(14, 0x45);  // version 4, header of 20 bytes
  put(17, 46);    // total length
  put(22, 64);    // time to live
  put(23, 17);    // UDP
  for (size_t i = 0; i < kSender.size(); ++i) put(26 + i, kSender[i]);
  put(34, 0x9c);  // from port 40000
  put(35, 0x40);
  put(37, 80);  // to port 80
  put(39, 26);  // UDP length
  return packet;
}

int Fail(const char* what, const skep::Error& error) {
  std::fprintf(stderr, "%s: %s\n", what, error.message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s firewall.bpf.o\n", argv[0]);
    return 2;
  }
  const auto object = skep::Object::Open(argv[1]);
  if (!object) return Fail("object", object.error());
  const auto runtime = skep::Runtime::Create({});
  if (!runtime) return Fail("runtime", runtime.error());
  const auto instance = (*runtime)->Instantiate(*object);
  if (!instance) return Fail("maps", instance.error());
  const auto firewall = (*instance)->Load("firewall", {});
  if (!firewall) return Fail("firewall", firewall.error());
  if (!firewall->executable) {
    std::fprintf(stderr, "rejected: %s\n", firewall->report.findings.front().message.c_str());
    return 1;
  }
  const auto context = (*runtime)->NewContext();  // one per thread
  if (!context) return Fail("context", context.error());

  auto packet = MakePacket();
  const auto run = [&] {
    return firewall->executable->RunPacket(**context, {.data = packet}).value;
  };
  const uint64_t before = run();

  // The map's key is the address in network order, its value counts.
  const std::shared_ptr<skep::Map> blocked = (*instance)->FindMap("blocked_addresses");
  const uint64_t zero = 0;
  const int status = blocked->HostUpdate(std::as_bytes(std::span(kSender)).data(),
                                         std::as_bytes(std::span(&zero, 1)).data(), 0);
  const uint64_t after = run();
  std::printf("before: %s, after blocking the sender: %s\n", before == kXdpPass ? "pass" : "drop",
              after == kXdpDrop ? "drop" : "pass");
  return status == 0 && before == kXdpPass && after == kXdpDrop ? 0 : 1;
}
