// SPDX-License-Identifier: Apache-2.0
#include "tests/support/packet_generator.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <sched.h>

namespace skep::test {

void PacketGenerator::Append(std::vector<std::byte>& to, uint32_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    to.push_back(static_cast<std::byte>(value >> shift));
  }
}

void PacketGenerator::Ipv4(std::vector<std::byte>& frame) {
  const uint32_t words = Below(4) == 0 ? 5 + Below(11) : 5;
  const size_t start = frame.size();
  Append(frame, 0x40 | words, 1);
  Append(frame, Below(2) == 0 ? Below(4) : Below(256), 1);
  Append(frame, 20 + Below(100), 2);
  Append(frame, Below(65536), 2);
  Append(frame, Below(4) == 0 ? Below(65536) : 0, 2);
  Append(frame, Below(3) == 0 ? 17 : Below(2) == 0 ? 6 : Below(256), 2);  // TTL 0
  Append(frame, Below(5) == 0 ? 0 : Below(65536), 2);
  frame.resize(start + words * 4, std::byte{1});
  const uint32_t addresses[2] = {Below(~0u), Below(~0u)};
  std::memcpy(frame.data() + start + 12, addresses, sizeof addresses);
}

void PacketGenerator::Ipv6(std::vector<std::byte>& frame) {
  Append(frame, 0x60000000 | Below(4) << 20 | Below(65536), 4);
  Append(frame, Below(100), 2);
  Append(frame, Below(2) == 0 ? 17 : 6, 1);
  Append(frame, 64, 1);
  for (int i = 0; i < 8; ++i) Append(frame, Below(~0u), 4);
}

std::vector<std::byte> PacketGenerator::Frame(size_t most) {
  std::vector<std::byte> frame;
  Append(frame, Below(3) == 0 ? 0 : Below(2) == 0 ? 0xffffffff : Below(~0u), 4);
  Append(frame, Below(3) == 0 ? 0xffff : 0, 2);
  for (int i = 0; i < 3; ++i) Append(frame, Below(65536), 2);
  const uint32_t tags = Below(4) == 0 ? 1 + Below(3) : 0;
  for (uint32_t i = 0; i < tags; ++i) {
    Append(frame, Below(2) == 0 ? 0x8100 : 0x88a8, 2);
    Append(frame, Below(65536), 2);
  }
  switch (Below(8)) {
    case 0:
    case 1:
    case 2:
      Append(frame, 0x0800, 2);
      Ipv4(frame);
      break;
    case 3:
    case 4:
    case 5:
      Append(frame, 0x86dd, 2);
      Ipv6(frame);
      break;
    case 6:
      Append(frame, 0x0806, 2);
      break;
    default:
      Append(frame, Below(2) == 0 ? Below(0x700) : Below(65536), 2);
      Append(frame, Below(2) == 0 ? 0xffff : Below(65536), 2);
  }
  const uint32_t payload = Below(8) == 0 ? Below(static_cast<uint32_t>(most)) : Below(80);
  for (uint32_t i = 0; i < payload; ++i) frame.push_back(static_cast<std::byte>(random_()));
  if (Below(10) == 0) frame.resize(std::min<size_t>(frame.size(), Below(80)));
  return frame;
}

void PacketGenerator::XdpInput(GeneratedPacket& packet) {
  packet.data = Frame(Below(3) == 0 ? 20000 : 3400);
  if (Below(100) == 0) packet.data.resize(3520 + 17 * 4096 + Below(2));
  if (Below(3) != 0) return;
  uint32_t md[6] = {};
  const auto size = static_cast<uint32_t>(packet.data.size());
  md[0] = Below(8) == 0 ? Below(300) : 4 * Below(12);               // data
  md[1] = Below(3) == 0 ? Below(size + 2) : std::min(size, 3520u);  // data_end
  if (Below(40) == 0) md[2] = 4;                                    // data_meta
  md[3] = Below(4) == 0 ? (Below(3) == 0 ? 77 : 1) : 0;             // ingress_ifindex
  if (Below(30) == 0) md[4] = 1;                                    // rx_queue_index
  if (Below(40) == 0) md[5] = 1;                                    // egress_ifindex
  packet.context.resize(sizeof md);
  std::memcpy(packet.context.data(), md, sizeof md);
}

void PacketGenerator::SkbInput(GeneratedPacket& packet) {
  packet.data = Frame(3800);
  if (Below(4) == 0) packet.flags = 4;  // BPF_F_TEST_SKB_CHECKSUM_COMPLETE
  if (Below(2) == 0) return;
  packet.context.resize(192);
  const auto put = [&](size_t offset, uint32_t value) {
    std::memcpy(packet.context.data() + offset, &value, sizeof value);
  };
  put(8, Below(1000));                                         // mark
  put(32, Below(1000));                                        // priority
  put(36, Below(8));                                           // ingress_ifindex
  put(40, Below(20) == 0 ? 77 : Below(2));                     // ifindex
  for (size_t i = 0; i < 5; ++i) put(48 + i * 4, Below(~0u));  // cb
  put(152, Below(3) == 0 ? Below(~0u) : 0);                    // tstamp
  if (Below(3) == 0)
    put(160, Below(8) == 0 ? 65537 : static_cast<uint32_t>(packet.data.size()) + Below(60000));
  if (Below(4) == 0) put(164, Below(8) == 0 ? 65536 : Below(20));  // gso_segs
  if (Below(6) == 0) put(176, 1 + Below(3000));                    // gso_size
  put(184, Below(~0u));                                            // hwtstamp
  if (Below(30) == 0) put(4 * Below(48), 1);
}

GeneratedPacket PacketGenerator::Make(bool xdp) {
  GeneratedPacket packet;
  packet.repeat = Below(5) == 0 ? 1 + Below(3) : 1;
  if (xdp) {
    XdpInput(packet);
  } else {
    SkbInput(packet);
  }
  return packet;
}

std::string EnterEmptyNetwork() {
  static const std::string why = []() -> std::string {
    if (unshare(CLONE_NEWNET) != 0) {
      return std::string("no network namespace: ") + std::strerror(errno);
    }
    std::ofstream("/proc/sys/net/ipv4/ip_forward") << "1";
    std::ofstream("/proc/sys/net/ipv6/conf/all/forwarding") << "1";
    return {};
  }();
  return why;
}

}  // namespace skep::test
