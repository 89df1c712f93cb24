// SPDX-License-Identifier: Apache-2.0
// Random packets with the contexts of test runs, and a network to run in that
// has the loopback device alone.
//
// Threads: one.

#ifndef SKEP_TESTS_SUPPORT_PACKET_GENERATOR_H_
#define SKEP_TESTS_SUPPORT_PACKET_GENERATOR_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace skep::test {

struct GeneratedPacket {
  std::vector<std::byte> data;
  std::vector<std::byte> context;  // struct xdp_md or __sk_buff; may be empty
  uint32_t repeat = 1;
  uint32_t flags = 0;
};

class PacketGenerator {
 public:
  explicit PacketGenerator(uint64_t seed) : random_(seed) {}

  // Mostly valid input; some of it is refused.
  GeneratedPacket Make(bool xdp);

 private:
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  void Append(std::vector<std::byte>& to, uint32_t value, int bytes);  // big endian
  void Ipv4(std::vector<std::byte>& frame);
  void Ipv6(std::vector<std::byte>& frame);
  std::vector<std::byte> Frame(size_t most);
  void XdpInput(GeneratedPacket& packet);
  void SkbInput(GeneratedPacket& packet);

  std::mt19937_64 random_;
};

// Puts the process into a network namespace of its own in which packets are
// forwarded. Why not, or empty.
std::string EnterEmptyNetwork();

}  // namespace skep::test

#endif  // SKEP_TESTS_SUPPORT_PACKET_GENERATOR_H_
