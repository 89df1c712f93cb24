// SPDX-License-Identifier: Apache-2.0
// skb_change_head, skb_change_tail, skb_change_proto, skb_adjust_room.
#include "helpers/skb_ends.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "helpers/functions.h"
#include "helpers/packet_registers.h"
#include "model/internet_checksum.h"

namespace skep::helpers {

using model::Checksum;
using model::SkbContext;

bool PushFront(SkbContext& skb, uint32_t size, ExecutionContext& context) {
  if (!PacketOf(context).GiveRoom(skb, size, 0)) return false;
  if (skb.headroom < size) {
    constexpr uint32_t kUnit = 64;
    const uint32_t more = (size - skb.headroom + kUnit - 1) / kUnit * kUnit;
    skb.headroom += more;
    skb.transport = static_cast<uint16_t>(skb.transport + more);
  }
  skb.headroom -= size;
  skb.data -= size;
  skb.data_meta = skb.data;
  skb.len += size;
  return true;
}

void PullFront(SkbContext& skb, uint32_t size) {
  skb.headroom += size;
  skb.data += size;
  skb.data_meta = skb.data;
  skb.len -= size;
}

void RemoveFromSum(SkbContext& skb, const std::byte* at, uint32_t bytes) {
  if (skb.checksum != Checksum::kComplete) return;
  skb.csum = ~model::InternetSum({at, bytes}, ~skb.csum);
}

void AddToSum(SkbContext& skb, const std::byte* at, uint32_t bytes) {
  if (skb.checksum != Checksum::kComplete) return;
  skb.csum = model::AddSums(skb.csum, model::InternetSum({at, bytes}, 0));
}

namespace {

// Linux's mode and flags of skb_adjust_room (linux/bpf.h).
constexpr uint32_t kRoomNet = 0, kRoomMac = 1;
constexpr uint64_t kFixedGso = 1u << 0;
constexpr uint64_t kEncapIpv4 = 1u << 1;
constexpr uint64_t kEncapIpv6 = 1u << 2;
constexpr uint64_t kEncapGre = 1u << 3;
constexpr uint64_t kEncapUdp = 1u << 4;
constexpr uint64_t kNoChecksumReset = 1u << 5;
constexpr uint64_t kEncapEthernet = 1u << 6;
constexpr uint64_t kDecapIpv4 = 1u << 7;
constexpr uint64_t kDecapIpv6 = 1u << 8;
constexpr int kEncapL2Shift = 56;
constexpr uint64_t kEncapL2Mask = uint64_t{0xff} << kEncapL2Shift;
constexpr uint64_t kShrinkFlags = kFixedGso | kDecapIpv4 | kDecapIpv6 | kNoChecksumReset;
constexpr uint64_t kRoomFlags =
    kShrinkFlags | kEncapIpv4 | kEncapIpv6 | kEncapGre | kEncapUdp | kEncapEthernet | kEncapL2Mask;
constexpr uint32_t kMaxRoom = 0xfff;

bool IsGso(const SkbContext& skb) { return skb.gso_size != 0; }

uint32_t MacHeader(const SkbContext& skb) { return static_cast<uint32_t>(skb.network - skb.mac); }

// The network header's offset in Linux's buffer.
uint16_t NetworkOffset(const SkbContext& skb) {
  return static_cast<uint16_t>(skb.headroom + static_cast<uint32_t>(skb.network - skb.data));
}

// Opens or closes `size` bytes at `offset`; what is in front of them moves. Header
// offsets move along.
int64_t OpenGap(SkbContext& skb, uint32_t offset, uint32_t size, ExecutionContext& context) {
  const bool same = skb.transport == NetworkOffset(skb);
  if (!PushFront(skb, size, context)) return -ENOMEM;
  std::memmove(skb.data, skb.data + size, offset);
  std::memset(skb.data + offset, 0, size);
  skb.mac -= size;
  skb.network -= size;
  if (same) skb.transport = NetworkOffset(skb);
  return 0;
}

int64_t CloseGap(SkbContext& skb, uint32_t offset, uint32_t size) {
  if (!Holds(skb, offset, size)) return -ENOMEM;
  const bool same = skb.transport == NetworkOffset(skb);
  const std::byte* old = skb.data;
  PullFront(skb, size);
  RemoveFromSum(skb, old + offset, size);
  std::memmove(skb.data, old, offset);
  skb.mac += size;
  skb.network += size;
  if (same) skb.transport = NetworkOffset(skb);
  return 0;
}

void ClearHash(SkbContext& skb) {
  skb.hash = 0;
  skb.has_hash = false;
}

// The least length that header offsets allow.
uint32_t LeastLength(const SkbContext& skb) {
  ptrdiff_t least = std::max<ptrdiff_t>(skb.network - skb.data, 0);
  if (skb.transport != model::kNoTransport && skb.transport > skb.headroom) {
    least = skb.transport - static_cast<ptrdiff_t>(skb.headroom);
  }
  return static_cast<uint32_t>(least);
}

int64_t CheckEncapsulation(const SkbContext& skb, uint32_t size, uint64_t flags) {
  const auto inner_mac = static_cast<uint32_t>(flags >> kEncapL2Shift);
  if ((flags & kEncapIpv4) != 0 && (flags & kEncapIpv6) != 0) return -EINVAL;
  if ((flags & kEncapGre) != 0 && (flags & kEncapUdp) != 0) return -EINVAL;
  if ((flags & kEncapEthernet) != 0 && inner_mac < model::kEthernetHeader) return -EINVAL;
  if (skb.encapsulated) return -EALREADY;
  return inner_mac > size ? -EINVAL : 0;
}

int64_t GrowRoom(SkbContext& skb, uint32_t offset, uint32_t size, uint64_t flags,
                 ExecutionContext& context) {
  // Only TCP segments may grow, and test runs know no kind of segment.
  if (IsGso(skb)) return -kNotSupported;
  const bool encap = (flags & (kEncapIpv4 | kEncapIpv6)) != 0;
  if (encap) {
    if (const int64_t error = CheckEncapsulation(skb, size, flags); error != 0) return error;
  }
  const uint32_t mac = MacHeader(skb);
  if (const int64_t error = OpenGap(skb, offset, size, context); error != 0) return error;
  if (!encap) return 0;
  skb.encapsulated = true;
  skb.network = skb.data + mac;
  if ((flags & (kEncapGre | kEncapUdp)) != 0) {
    const uint32_t network = (flags & kEncapIpv6) != 0 ? kIpv6Header : kIpv4Header;
    skb.transport = static_cast<uint16_t>(skb.headroom + mac + network);
  }
  skb.protocol = (flags & kEncapIpv6) != 0 ? kProtocolIpv6 : kProtocolIpv4;
  return 0;
}

int64_t ShrinkRoom(SkbContext& skb, uint32_t offset, uint32_t size, uint64_t flags) {
  if ((flags & ~kShrinkFlags) != 0) return -EINVAL;
  if (IsGso(skb)) return -kNotSupported;
  if (const int64_t error = CloseGap(skb, offset, size); error != 0) return error;
  if ((flags & kDecapIpv6) != 0) skb.protocol = kProtocolIpv6;
  if ((flags & kDecapIpv4) != 0) skb.protocol = kProtocolIpv4;
  return 0;
}

// The shortest network header that must stay, or 0 if the flags make no sense.
uint32_t LeastNetwork(uint32_t base, bool shrink, uint64_t flags) {
  switch (flags & (kDecapIpv4 | kDecapIpv6)) {
    case 0:
      return base;
    case kDecapIpv4:
      return shrink ? kIpv4Header : 0;
    case kDecapIpv6:
      return shrink ? kIpv6Header : 0;
    default:
      return 0;
  }
}

int64_t AdjustRoom(SkbContext& skb, int32_t delta, uint32_t mode, uint64_t flags,
                   ExecutionContext& context) {
  const auto size = static_cast<uint32_t>(std::abs(int64_t{delta}));
  if ((flags & ~kRoomFlags) != 0) return -EINVAL;
  if (size > kMaxRoom) return -EFAULT;
  if (skb.protocol != kProtocolIpv4 && skb.protocol != kProtocolIpv6) return -kNotSupported;
  const uint32_t base = skb.protocol == kProtocolIpv4 ? kIpv4Header : kIpv6Header;
  if (mode != kRoomNet && mode != kRoomMac) return -kNotSupported;
  const uint32_t offset = MacHeader(skb) + (mode == kRoomNet ? base : 0);
  const bool shrink = delta < 0;
  const uint32_t least = LeastNetwork(base, shrink, flags);
  if (least == 0) return -EINVAL;
  const auto current = skb.len - static_cast<uint32_t>(skb.network - skb.data);
  if (shrink && (size >= current || current - size < least)) return -kNotSupported;
  if (!shrink && skb.len + size > kSkbMaxLength && !IsGso(skb)) return -kNotSupported;
  return shrink ? ShrinkRoom(skb, offset, size, flags)
                : GrowRoom(skb, offset, size, flags, context);
}

}  // namespace

uint64_t SkbAdjustRoom(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t flags, uint64_t,
                       ExecutionContext& context) noexcept {
  SkbContext& skb = AsSkb(r1);
  const int64_t error =
      AdjustRoom(skb, static_cast<int32_t>(r2), static_cast<uint32_t>(r3), flags, context);
  if (error == 0 && (flags & kNoChecksumReset) == 0 && skb.checksum == Checksum::kUnnecessary) {
    skb.checksum = Checksum::kNone;
    skb.checksum_level = 0;
  }
  return FromResult(error);
}

uint64_t SkbChangeProto(uint64_t r1, uint64_t r2, uint64_t flags, uint64_t, uint64_t,
                        ExecutionContext& context) noexcept {
  SkbContext& skb = AsSkb(r1);
  const auto to = static_cast<uint16_t>(r2);
  if (flags != 0) return FromResult(-EINVAL);
  constexpr uint32_t kDifference = kIpv6Header - kIpv4Header;
  int64_t error = -kNotSupported;
  if (skb.protocol == kProtocolIpv4 && to == kProtocolIpv6) {
    error = OpenGap(skb, MacHeader(skb), kDifference, context);
  } else if (skb.protocol == kProtocolIpv6 && to == kProtocolIpv4) {
    error = CloseGap(skb, MacHeader(skb), kDifference);
  }
  if (error != 0) return FromResult(error);
  skb.protocol = to;
  ClearHash(skb);
  return 0;
}

uint64_t SkbChangeTail(uint64_t r1, uint64_t r2, uint64_t flags, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  SkbContext& skb = AsSkb(r1);
  const auto length = static_cast<uint32_t>(r2);
  if (flags != 0 || length > kSkbMaxLength || length < LeastLength(skb)) {
    return FromResult(-EINVAL);
  }
  if (skb.encapsulated) return FromResult(-kNotSupported);
  if (length > skb.len) {
    const uint32_t more = length - skb.len;
    if (!PacketOf(context).GiveRoom(skb, 0, more)) return FromResult(-ENOMEM);
    std::memset(skb.data_end, 0, more);
  }
  if (length != skb.len && skb.checksum == Checksum::kComplete) skb.checksum = Checksum::kNone;
  skb.data_end = skb.data + length;
  skb.len = length;
  if (IsGso(skb)) skb.gso_size = skb.gso_segs = 0;
  return 0;
}

uint64_t SkbChangeHead(uint64_t r1, uint64_t r2, uint64_t flags, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  SkbContext& skb = AsSkb(r1);
  const auto more = static_cast<uint32_t>(r2);
  // Segments may be longer than packets, up to what Linux can allocate.
  constexpr uint32_t kMostSegments = 1u << 21;
  if (flags != 0 || more > std::numeric_limits<int32_t>::max() ||
      (!IsGso(skb) && skb.len + more > kSkbMaxLength)) {
    return FromResult(-EINVAL);
  }
  if (more > kMostSegments) return FromResult(-ENOMEM);
  if (!PushFront(skb, more, context)) return FromResult(-ENOMEM);
  std::memset(skb.data, 0, more);
  skb.mac = skb.data;
  skb.mac_len = MacHeader(skb);
  return 0;
}

}  // namespace skep::helpers
