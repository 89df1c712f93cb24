// SPDX-License-Identifier: Apache-2.0
// Where a packet shall go. A redirect is written down for the host, which finds
// it in PacketOutput::redirect; a clone is handed to the host at once.
#include <cerrno>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/packet_registers.h"

namespace skep::helpers {
namespace {

// Linux's verdicts and flags (linux/bpf.h, linux/pkt_cls.h).
constexpr uint64_t kXdpAborted = 0, kXdpRedirect = 4, kXdpVerdicts = 3;
constexpr uint64_t kTcShot = 2, kTcRedirect = 7;
constexpr uint64_t kIngress = 1u << 0;
constexpr uint64_t kBroadcast = 1u << 3, kExcludeIngress = 1u << 4;

}  // namespace

uint64_t RedirectXdp(uint64_t ifindex, uint64_t flags, uint64_t, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  if (flags != 0) return kXdpAborted;
  PacketOf(context).redirect = {.kind = RedirectKind::kDevice,
                                .ifindex = static_cast<uint32_t>(ifindex)};
  return kXdpRedirect;
}

uint64_t RedirectSkb(uint64_t ifindex, uint64_t flags, uint64_t, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  if ((flags & ~kIngress) != 0) return kTcShot;
  PacketOf(context).redirect = {
      .kind = RedirectKind::kDevice, .ifindex = static_cast<uint32_t>(ifindex), .flags = flags};
  return kTcRedirect;
}

uint64_t RedirectPeer(uint64_t ifindex, uint64_t flags, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  if (flags != 0) return kTcShot;
  PacketOf(context).redirect = {.kind = RedirectKind::kPeer,
                                .ifindex = static_cast<uint32_t>(ifindex)};
  return kTcRedirect;
}

uint64_t RedirectNeigh(uint64_t ifindex, uint64_t params, uint64_t r3, uint64_t flags, uint64_t,
                       ExecutionContext& context) noexcept {
  PacketRedirect redirect{.kind = RedirectKind::kNeighbour,
                          .ifindex = static_cast<uint32_t>(ifindex)};
  const auto size = static_cast<int32_t>(r3);
  const auto needed = static_cast<int32_t>(redirect.next_hop.size());
  if ((size != 0 && size < needed) || flags != 0) return kTcShot;
  redirect.has_next_hop = size != 0;
  if (size != 0) std::memcpy(redirect.next_hop.data(), AsBytes(params), redirect.next_hop.size());
  PacketOf(context).redirect = redirect;
  return kTcRedirect;
}

uint64_t RedirectMap(uint64_t r1, uint64_t r2, uint64_t flags, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  Map& map = AsMap(r1);
  const bool devices = map.type() == MapType::kDevmap || map.type() == MapType::kDevmapHash;
  const uint64_t known = kXdpVerdicts | (devices ? kBroadcast | kExcludeIngress : 0);
  if ((flags & ~known) != 0) return kXdpAborted;
  const auto slot = static_cast<uint32_t>(r2);
  const bool empty =
      map.Lookup(reinterpret_cast<const std::byte*>(&slot), context.cpu()) == nullptr;
  if (empty && (flags & kBroadcast) == 0) {
    PacketOf(context).redirect = {};
    return flags & kXdpVerdicts;
  }
  PacketOf(context).redirect = {.kind = RedirectKind::kMap,
                                .flags = (flags & kBroadcast) != 0 ? flags : 0,
                                .map = &map,
                                .slot = slot};
  return kXdpRedirect;
}

uint64_t CloneRedirect(uint64_t r1, uint64_t ifindex, uint64_t flags, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  const model::SkbContext& skb = AsSkb(r1);
  if ((flags & ~kIngress) != 0) return FromResult(-EINVAL);
  // A segment of no kind, which is the only sort here, cannot be sent.
  if (skb.gso_size != 0) return FromResult(-EBADMSG);
  const PacketHooks& hooks = PacketHooksOf(context);
  if (!hooks.clone_redirect) return FromResult(-EINVAL);  // no such device
  return FromResult(
      hooks.clone_redirect({skb.data, skb.data_end}, static_cast<uint32_t>(ifindex), flags));
}

}  // namespace skep::helpers
