// SPDX-License-Identifier: Apache-2.0
#include "tools/compare_inputs.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <random>
#include <utility>

#include "model/test_input.h"

namespace skep::tools {
namespace {

using Bytes = std::vector<std::byte>;
using Random = std::mt19937_64;

constexpr size_t kEthernet = 14, kIpv4 = 20, kIpv6 = 40;
constexpr uint8_t kTcp = 6, kUdp = 17;
// The kernel's test runs take frames up to a page less what it keeps for itself.
constexpr size_t kShortest = 64, kLongest = 1500;

void Put(Bytes& bytes, size_t at, std::initializer_list<int> values) {
  for (const int value : values) bytes[at++] = static_cast<std::byte>(value);
}

void PutNumber16(Bytes& bytes, size_t at, size_t value) {
  Put(bytes, at, {static_cast<int>(value >> 8 & 0xff), static_cast<int>(value & 0xff)});
}

Bytes Noise(size_t size, Random& random) {
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0xff);
  return bytes;
}

// Ports 4660 and 80; the rest of the frame counts up.
void PutPorts(Bytes& frame, size_t at, uint8_t protocol) {
  for (size_t i = at; i < frame.size(); ++i) frame[i] = static_cast<std::byte>(i & 0xff);
  PutNumber16(frame, at, 0x1234);
  PutNumber16(frame, at + 2, 80);
  if (protocol == kUdp) PutNumber16(frame, at + 4, frame.size() - at);
  if (protocol == kTcp) Put(frame, at + 12, {0x50, 0x02});  // no options, SYN
}

void PutEthernet(Bytes& frame, int type_high, int type_low) {
  Put(frame, 0, {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, type_high, type_low});
}

Bytes Ipv4(size_t size, uint8_t protocol) {
  Bytes frame(size);
  PutEthernet(frame, 0x08, 0x00);
  PutPorts(frame, kEthernet + kIpv4, protocol);
  Put(frame, kEthernet, {0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol, 0, 0});
  PutNumber16(frame, kEthernet + 2, size - kEthernet);
  Put(frame, kEthernet + 12, {192, 0, 2, 1, 198, 51, 100, 2});
  uint32_t sum = 0;
  for (size_t i = kEthernet; i < kEthernet + kIpv4; i += 2)
    sum += static_cast<uint32_t>(frame[i]) << 8 | static_cast<uint32_t>(frame[i + 1]);
  sum = (sum & 0xffff) + (sum >> 16);
  PutNumber16(frame, kEthernet + 10, ~(sum + (sum >> 16)) & 0xffff);
  return frame;
}

Bytes Ipv6(size_t size, uint8_t protocol) {
  Bytes frame(size);
  PutEthernet(frame, 0x86, 0xdd);
  PutPorts(frame, kEthernet + kIpv6, protocol);
  Put(frame, kEthernet, {0x60, 0, 0, 0, 0, 0, protocol, 64});
  PutNumber16(frame, kEthernet + 4, size - kEthernet - kIpv6);
  for (const size_t at : {kEthernet + 8, kEthernet + 24}) {
    Put(frame, at, {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  }
  frame[kEthernet + 39] = std::byte{2};
  return frame;
}

// A frame that starts sensibly, with noise somewhere behind.
Bytes RandomFrame(Random& random) {
  const size_t size = kShortest + random() % (kLongest - kShortest);
  const uint8_t protocol = (random() & 1) != 0 ? kTcp : kUdp;
  Bytes frame = (random() & 1) != 0 ? Ipv4(size, protocol) : Ipv6(size, protocol);
  const size_t from = kEthernet + kIpv4 + random() % 64;
  for (size_t i = from; i < frame.size(); ++i) frame[i] = static_cast<std::byte>(random() & 0xff);
  return frame;
}

std::vector<CompareInput> Packets(uint32_t count, Random& random) {
  std::vector<CompareInput> inputs = {
      {"zero-64", Bytes(kShortest)},           {"tcp4-64", Ipv4(kShortest, kTcp)},
      {"random-64", Noise(kShortest, random)}, {"udp4-1500", Ipv4(kLongest, kUdp)},
      {"tcp6-1500", Ipv6(kLongest, kTcp)},     {"random-1500", Noise(kLongest, random)},
  };
  // Noise must not claim to be of a protocol whose header is checked on the way in.
  for (CompareInput& input : inputs)
    if (input.name.starts_with("random")) PutNumber16(input.bytes, 12, 0x88b5);
  for (uint32_t i = 0; i < count; ++i)
    inputs.push_back({"random-" + std::to_string(i + 1), RandomFrame(random)});
  return inputs;
}

std::vector<CompareInput> Blocks(size_t size, uint32_t count, Random& random) {
  Bytes counting(size);
  for (size_t i = 0; i < size; i += 8) counting[i] = static_cast<std::byte>(i / 8 + 1);
  std::vector<CompareInput> inputs = {{"zeroes", Bytes(size)}, {"numbers", std::move(counting)}};
  for (uint32_t i = 0; i < count; ++i)
    inputs.push_back({"random-" + std::to_string(i + 1), Noise(size, random)});
  return inputs;
}

// struct bpf_sk_lookup: a look-up of 192.0.2.1:4660 -> 198.51.100.2:80, and alike.
Bytes SocketLookup(bool ipv6, uint8_t protocol) {
  constexpr size_t kSize = 72;
  Bytes context(kSize);
  Put(context, 8, {ipv6 ? 10 : 2});  // AF_INET6, AF_INET
  Put(context, 12, {protocol});
  if (ipv6) {
    Put(context, 20, {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    Put(context, 44, {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2});
  } else {
    Put(context, 16, {192, 0, 2, 1});
    Put(context, 40, {198, 51, 100, 2});
  }
  PutNumber16(context, 36, 0x1234);
  Put(context, 60, {80});  // in host order
  return context;
}

}  // namespace

std::vector<CompareInput> MakeInputs(ProgramTypeId type, uint32_t context_bytes, uint32_t random,
                                     uint64_t seed) {
  constexpr size_t kRawTracepoint = 12 * sizeof(uint64_t), kLeast = 64, kMost = 65535;
  Random source(seed);
  if (model::TestInputOf(type) == model::TestInput::kPacket) return Packets(random, source);
  if (type == ProgramTypeId::kSkLookup) {
    return {{"tcp4", SocketLookup(false, kTcp)},
            {"udp4", SocketLookup(false, kUdp)},
            {"tcp6", SocketLookup(true, kTcp)},
            {"udp6", SocketLookup(true, kUdp)}};
  }
  if (type == ProgramTypeId::kRawTracepoint) return Blocks(kRawTracepoint, random, source);
  return Blocks(std::clamp(size_t{context_bytes}, kLeast, kMost), random, source);
}

}  // namespace skep::tools
