// SPDX-License-Identifier: Apache-2.0
// The tunnel that a packet came through or is to be sent through: its key and its
// options, which lie beside the packet (PacketTunnel).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/packet_registers.h"

namespace skep::helpers {
namespace {

using model::TunnelOf;

// struct bpf_tunnel_key, which has grown over time: programs may give the sizes
// that it once had.
struct Key {
  uint32_t id;
  uint32_t remote[4];  // IPv4: the first word, in host order
  uint8_t tos, ttl;
  uint16_t flags;
  uint32_t label;
  uint32_t local[4];
};
constexpr uint32_t kKeySizes[] = {28, 24, 22};  // up to local, label, flags
constexpr uint32_t kOldestKey = 8;              // IPv4 alone
static_assert(sizeof(Key) == 44);

constexpr uint64_t kIpv6 = 1u << 0, kZeroChecksum = 1u << 1, kDontFragment = 1u << 2,
                   kSequence = 1u << 3, kTellFlags = 1u << 4, kNoKey = 1u << 4;
constexpr uint32_t kFlowLabel = 0xfffff;

bool IsOldSize(uint32_t size) {
  return std::find(std::begin(kKeySizes), std::end(kKeySizes), size) != std::end(kKeySizes);
}

uint64_t Fail(uint64_t buffer, uint32_t size, int error) {
  std::memset(AsBytes(buffer), 0, size);
  return FromResult(error);
}

void PutAddress(bool ipv6, const std::array<std::byte, 16>& from, uint32_t (&to)[4]) {
  std::memset(to, 0, sizeof to);
  std::memcpy(to, from.data(), ipv6 ? 16 : 4);
  if (!ipv6) to[0] = __builtin_bswap32(to[0]);
}

void TakeAddress(bool ipv6, const uint32_t (&from)[4], std::array<std::byte, 16>& to) {
  to = {};
  const uint32_t first = ipv6 ? from[0] : __builtin_bswap32(from[0]);
  std::memcpy(to.data(), from, ipv6 ? 16 : 4);
  std::memcpy(to.data(), &first, sizeof first);
}

}  // namespace

uint64_t SkbGetTunnelKey(uint64_t r1, uint64_t to, uint64_t r3, uint64_t flags, uint64_t,
                         ExecutionContext& context) noexcept {
  const auto size = static_cast<uint32_t>(r3);
  const PacketTunnel* tunnel = TunnelOf(AsSkb(r1), PacketOf(context));
  if (tunnel == nullptr || (flags & ~(kIpv6 | kTellFlags)) != 0) return Fail(to, size, -EINVAL);
  const bool ipv6 = (flags & kIpv6) != 0;
  if (tunnel->ipv6 != ipv6) return Fail(to, size, -EPROTO);
  const bool known =
      size == sizeof(Key) || IsOldSize(size) || (size == kOldestKey && !tunnel->ipv6);
  if (!known) return Fail(to, size, -EINVAL);
  Key key{};
  key.id = static_cast<uint32_t>(tunnel->id);
  key.tos = tunnel->tos;
  key.ttl = tunnel->ttl;
  if ((flags & kTellFlags) != 0) key.flags = NetworkOrder(tunnel->flags);
  PutAddress(ipv6, tunnel->source, key.remote);
  PutAddress(ipv6, tunnel->destination, key.local);
  if (ipv6) key.label = tunnel->label;
  std::memcpy(AsBytes(to), &key, size);
  return 0;
}

uint64_t SkbSetTunnelKey(uint64_t r1, uint64_t from, uint64_t r3, uint64_t flags, uint64_t,
                         ExecutionContext& context) noexcept {
  const auto size = static_cast<uint32_t>(r3);
  const uint64_t known = kIpv6 | kZeroChecksum | kDontFragment | kSequence | kNoKey;
  if ((flags & ~known) != 0) return FromResult(-EINVAL);
  if (size != sizeof(Key) && !IsOldSize(size) && size != kOldestKey) return FromResult(-EINVAL);
  Key key{};
  std::memcpy(&key, AsBytes(from), size);
  const bool ipv6 = (flags & kIpv6) != 0;
  if ((!ipv6 && key.label != 0) || key.flags != 0) return FromResult(-EINVAL);
  PacketTunnel& tunnel = PacketOf(context).tunnel;
  tunnel = {};
  tunnel.id = key.id;
  tunnel.ipv6 = ipv6;
  tunnel.tos = key.tos;
  tunnel.ttl = key.ttl;
  tunnel.flags = kTunnelNoCache;
  if ((flags & kZeroChecksum) == 0) tunnel.flags |= kTunnelChecksum;
  if ((flags & kDontFragment) != 0) tunnel.flags |= kTunnelDontFragment;
  if ((flags & kSequence) != 0) tunnel.flags |= kTunnelSequence;
  if ((flags & kNoKey) == 0) tunnel.flags |= kTunnelKey;
  TakeAddress(ipv6, key.remote, tunnel.destination);
  TakeAddress(ipv6, key.local, tunnel.source);
  if (ipv6) tunnel.label = key.label & kFlowLabel;
  AsSkb(r1).tunnel = model::TunnelState::kOfProgram;
  return 0;
}

uint64_t SkbGetTunnelOpt(uint64_t r1, uint64_t to, uint64_t r3, uint64_t, uint64_t,
                         ExecutionContext& context) noexcept {
  const auto size = static_cast<uint32_t>(r3);
  const PacketTunnel* tunnel = TunnelOf(AsSkb(r1), PacketOf(context));
  if (tunnel == nullptr || (tunnel->flags & kTunnelOptions) == 0) return Fail(to, size, -ENOENT);
  if (size < tunnel->option_bytes) return Fail(to, size, -ENOMEM);
  std::memset(AsBytes(to), 0, size);
  std::memcpy(AsBytes(to), tunnel->options.data(), tunnel->option_bytes);
  return tunnel->option_bytes;
}

// Only beside a key that a program has set.
uint64_t SkbSetTunnelOpt(uint64_t r1, uint64_t from, uint64_t r3, uint64_t, uint64_t,
                         ExecutionContext& context) noexcept {
  const auto size = static_cast<uint32_t>(r3);
  if (AsSkb(r1).tunnel != model::TunnelState::kOfProgram || size % 4 != 0) {
    return FromResult(-EINVAL);
  }
  PacketTunnel& tunnel = PacketOf(context).tunnel;
  if (size > tunnel.options.size()) return FromResult(-ENOMEM);
  std::memcpy(tunnel.options.data(), AsBytes(from), size);
  tunnel.option_bytes = static_cast<uint8_t>(size);
  if (size != 0) tunnel.flags |= kTunnelOptions;
  return 0;
}

}  // namespace skep::helpers
