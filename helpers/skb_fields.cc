// SPDX-License-Identifier: Apache-2.0
// What is known of an skb packet beside its bytes: type, hash, time stamp,
// congestion mark, and the socket it belongs to.
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "helpers/functions.h"
#include "helpers/packet_registers.h"
#include "helpers/siphash.h"
#include "model/internet_checksum.h"

namespace skep::helpers {
namespace {

using model::SkbContext;

uint32_t Load32(const std::byte* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
uint16_t Load16(const std::byte* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The protocol behind all VLAN tags; 0 if the packet ends before.
uint32_t ProtocolBehindTags(const SkbContext& skb) {
  uint32_t protocol = skb.protocol;
  if (!IsVlan(protocol)) return protocol;
  constexpr int kMaxTags = 8;
  if (skb.mac_len != 0 && skb.mac_len < kVlanHeader) return 0;
  // From `data` on, wherever that is, as Linux does.
  uint64_t at = skb.mac_len != 0 ? skb.mac_len - kVlanHeader : model::kEthernetHeader;
  for (int tags = 1; IsVlan(protocol); ++tags) {
    if (!Holds(skb, at, kVlanHeader) || tags == kMaxTags) return 0;
    protocol = Load16(skb.data + at + 2);
    at += kVlanHeader;
  }
  return protocol;
}

bool HasNetworkHeader(const SkbContext& skb, uint32_t size) {
  return skb.data_end - skb.network >= static_cast<ptrdiff_t>(size);
}

constexpr uint8_t kCongestion = 3;

// Both return whether the packet says now that there is congestion.
uint64_t MarkIpv4(SkbContext& skb) {
  std::byte* header = skb.network;
  const auto ecn = (std::to_integer<uint32_t>(header[1]) + 1) & kCongestion;
  // 0: marked already. 1: the sender does not take part.
  if ((ecn & 2) == 0) return ecn == 0 ? 1 : 0;
  const auto add =
      static_cast<uint32_t>(NetworkOrder(0xfffb)) + NetworkOrder(static_cast<uint16_t>(ecn));
  const uint32_t sum = Load16(header + 10) + (add & 0xffff);
  const auto checksum = static_cast<uint16_t>(sum + (sum >> 16));
  std::memcpy(header + 10, &checksum, sizeof checksum);
  header[1] |= std::byte{kCongestion};
  return 1;
}

uint64_t MarkIpv6(SkbContext& skb) {
  const uint32_t from = Load32(skb.network);
  const uint32_t mask = __builtin_bswap32(uint32_t{kCongestion} << 20);
  if ((from & mask) == 0) return 0;
  const uint32_t to = from | mask;
  std::memcpy(skb.network, &to, sizeof to);
  if (skb.checksum == model::Checksum::kComplete) {
    skb.csum = model::AddSums(model::SubtractSums(skb.csum, from), to);
  }
  return 1;
}

// What tells flows apart: addresses, protocol and ports. Both directions of a
// flow give the same, as in Linux.
struct FlowKeys {
  std::array<std::byte, 32> addresses{};
  uint32_t ports = 0;
  uint32_t protocol = 0;
  uint32_t ethertype = 0;
  uint32_t padding = 0;
};

void TakeAddresses(const std::byte* from, size_t size, FlowKeys& keys, bool& swapped) {
  swapped = std::memcmp(from, from + size, size) > 0;
  std::memcpy(keys.addresses.data(), swapped ? from + size : from, size);
  std::memcpy(keys.addresses.data() + 16, swapped ? from : from + size, size);
}

FlowKeys KeysOf(const SkbContext& skb) {
  FlowKeys keys;
  keys.ethertype = ProtocolBehindTags(skb);
  bool swapped = false;
  const std::byte* transport = nullptr;
  if (keys.ethertype == kProtocolIpv4 && HasNetworkHeader(skb, kIpv4Header)) {
    TakeAddresses(skb.network + 12, 4, keys, swapped);
    keys.protocol = std::to_integer<uint32_t>(skb.network[9]);
    const bool fragment = (Load16(skb.network + 6) & NetworkOrder(0x3fff)) != 0;
    if (!fragment) transport = skb.network + 4 * (std::to_integer<uint32_t>(skb.network[0]) & 15);
  } else if (keys.ethertype == kProtocolIpv6 && HasNetworkHeader(skb, kIpv6Header)) {
    TakeAddresses(skb.network + 8, 16, keys, swapped);
    keys.protocol = std::to_integer<uint32_t>(skb.network[6]);
    transport = skb.network + kIpv6Header;
  }
  constexpr uint32_t kTcp = 6, kUdp = 17, kSctp = 132;
  const bool has_ports = keys.protocol == kTcp || keys.protocol == kUdp || keys.protocol == kSctp;
  if (has_ports && transport != nullptr && skb.data_end - transport >= 4) {
    uint32_t from = Load16(transport), to = Load16(transport + 2);
    if (swapped) std::swap(from, to);
    keys.ports = from << 16 | to;
  }
  return keys;
}

}  // namespace

uint64_t SkbChangeType(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                       ExecutionContext&) noexcept {
  SkbContext& skb = AsSkb(r1);
  constexpr uint32_t kOtherHost = 3;
  const auto type = static_cast<uint32_t>(r2);
  if (skb.pkt_type > kOtherHost || type > kOtherHost) return FromResult(-EINVAL);
  skb.pkt_type = type;
  return 0;
}

uint64_t GetHashRecalc(uint64_t r1, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  SkbContext& skb = AsSkb(r1);
  if (!skb.has_hash) {
    const FlowKeys keys = KeysOf(skb);
    const PacketHooks& hooks = PacketHooksOf(context);
    const bool own = hooks.secret == std::array<uint64_t, 2>{};
    const auto bytes = std::as_bytes(std::span(&keys, 1));
    skb.hash = static_cast<uint32_t>(SipHash(own ? PacketOf(context).secret : hooks.secret, bytes));
    if (skb.hash == 0) skb.hash = 1;  // 0 means that there is none
    skb.has_hash = true;
  }
  return skb.hash;
}

uint64_t SetHashInvalid(uint64_t r1, uint64_t, uint64_t, uint64_t, uint64_t,
                        ExecutionContext&) noexcept {
  AsSkb(r1).hash = 0;
  AsSkb(r1).has_hash = false;
  return 0;
}

uint64_t SetHash(uint64_t r1, uint64_t hash, uint64_t, uint64_t, uint64_t,
                 ExecutionContext&) noexcept {
  AsSkb(r1).hash = static_cast<uint32_t>(hash);
  AsSkb(r1).has_hash = true;
  return 0;
}

uint64_t SkbEcnSetCe(uint64_t r1, uint64_t, uint64_t, uint64_t, uint64_t,
                     ExecutionContext&) noexcept {
  SkbContext& skb = AsSkb(r1);
  const uint32_t protocol = ProtocolBehindTags(skb);
  if (protocol == kProtocolIpv4) return HasNetworkHeader(skb, kIpv4Header) ? MarkIpv4(skb) : 0;
  if (protocol == kProtocolIpv6) return HasNetworkHeader(skb, kIpv6Header) ? MarkIpv6(skb) : 0;
  return 0;
}

uint64_t SkbSetTstamp(uint64_t r1, uint64_t time, uint64_t r3, uint64_t, uint64_t,
                      ExecutionContext&) noexcept {
  SkbContext& skb = AsSkb(r1);
  const auto clock = static_cast<uint32_t>(r3);
  if (skb.protocol != kProtocolIpv4 && skb.protocol != kProtocolIpv6) {
    return FromResult(-EOPNOTSUPP);
  }
  constexpr uint32_t kRealtime = 0, kTai = 2;
  if (clock > kTai || (clock != kRealtime && time == 0)) return FromResult(-EINVAL);
  skb.tstamp = time;
  skb.tstamp_type = static_cast<uint8_t>(clock);
  return 0;
}

uint64_t GetSocketCookie(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                         ExecutionContext& context) noexcept {
  return PacketHooksOf(context).socket_cookie;
}

uint64_t GetSocketUid(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  return PacketHooksOf(context).socket_uid;
}

// The socket of a packet is in the class of who runs.
uint64_t SkbCgroupClassid(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                          ExecutionContext& context) noexcept {
  return GetCgroupClassid(0, 0, 0, 0, 0, context);
}

uint64_t GetRouteRealm(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  return PacketHooksOf(context).route_realm;
}

}  // namespace skep::helpers
