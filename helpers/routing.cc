// SPDX-License-Identifier: Apache-2.0
// check_mtu and fib_lookup: questions about devices and routes, which the host
// answers.
#include <cerrno>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/packet_registers.h"

namespace skep::helpers {
namespace {

// Linux's numbers (linux/bpf.h).
constexpr int32_t kMtuOk = 0, kMtuFragNeeded = 1, kMtuSegmentsTooBig = 2;
constexpr uint64_t kMtuSegments = 1;
constexpr uint32_t kFibFlags =
    (1u << 0) | (1u << 1) | (1u << 2) | (1u << 3) | (1u << 4) | (1u << 5);
constexpr size_t kFibParams = 64;  // sizeof(struct bpf_fib_lookup)
constexpr int64_t kFibNotForwarded = 4;
constexpr uint8_t kInet = 2, kInet6 = 10;
constexpr uint32_t kLoopback = 1;

std::optional<PacketDevice> DeviceOf(uint32_t ifindex, ExecutionContext& context) {
  const PacketHooks& hooks = PacketHooksOf(context);
  if (hooks.device) return hooks.device(ifindex);
  if (ifindex != kLoopback) return std::nullopt;
  return PacketDevice{.mtu = 65536, .hard_header_len = model::kEthernetHeader};
}

// Whether a packet of `length` bytes, or one that the program describes in
// `mtu_len` (its length without link-layer header), may leave by the device.
int64_t CheckMtu(uint32_t own_ifindex, uint32_t ifindex, uint32_t length, bool segments,
                 uint64_t mtu_len, int32_t difference, uint64_t flags, ExecutionContext& context) {
  uint32_t given;
  std::memcpy(&given, AsBytes(mtu_len), sizeof given);
  const auto device = DeviceOf(ifindex == 0 ? own_ifindex : ifindex, context);
  if (!device) return -ENODEV;
  if (given != 0) length = given + device->hard_header_len;
  length += static_cast<uint32_t>(difference);
  std::memcpy(AsBytes(mtu_len), &device->mtu, sizeof device->mtu);
  const auto limit = static_cast<int32_t>(device->mtu + device->hard_header_len);
  if (static_cast<int32_t>(length) <= limit) return kMtuOk;
  if (!segments) return kMtuFragNeeded;
  return (flags & kMtuSegments) != 0 ? kMtuSegmentsTooBig : kMtuOk;
}

// Whether an IPv6 address is multicast, link-local or the loopback's: Linux
// forwards none of these and asks no device.
bool StaysOnLink(const std::byte* address) {
  constexpr uint8_t kLoopbackAddress[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const auto first = std::to_integer<uint8_t>(address[0]);
  const auto second = std::to_integer<uint8_t>(address[1]);
  return first == 0xff || (first == 0xfe && (second & 0xc0) == 0x80) ||
         std::memcmp(address, kLoopbackAddress, sizeof kLoopbackAddress) == 0;
}

int64_t Ask(uint64_t params, uint64_t size, uint64_t r4, ExecutionContext& context) {
  const auto flags = static_cast<uint32_t>(r4);
  if (static_cast<int32_t>(size) < static_cast<int32_t>(kFibParams)) return -EINVAL;
  if ((flags & ~kFibFlags) != 0) return -EINVAL;
  const std::span<std::byte, kFibParams> block(AsBytes(params), kFibParams);
  const auto family = std::to_integer<uint8_t>(block[0]);
  if (family != kInet && family != kInet6) return -EAFNOSUPPORT;
  if (family == kInet6 && (StaysOnLink(block.data() + 16) || StaysOnLink(block.data() + 32))) {
    return kFibNotForwarded;
  }
  uint32_t ifindex;
  std::memcpy(&ifindex, block.data() + 8, sizeof ifindex);
  if (!DeviceOf(ifindex, context)) return -ENODEV;
  const PacketHooks& hooks = PacketHooksOf(context);
  return hooks.fib_lookup ? hooks.fib_lookup(block, flags) : kFibNotForwarded;
}

}  // namespace

uint64_t CheckMtuSkb(uint64_t r1, uint64_t ifindex, uint64_t mtu_len, uint64_t difference,
                     uint64_t flags, ExecutionContext& context) noexcept {
  const model::SkbContext& skb = AsSkb(r1);
  uint32_t given;
  std::memcpy(&given, AsBytes(mtu_len), sizeof given);
  if ((flags & ~kMtuSegments) != 0) return FromResult(-EINVAL);
  if (flags != 0 && (static_cast<int32_t>(difference) != 0 || given != 0)) {
    return FromResult(-EINVAL);
  }
  return FromResult(CheckMtu(skb.ifindex, static_cast<uint32_t>(ifindex), skb.len,
                             skb.gso_size != 0, mtu_len, static_cast<int32_t>(difference), flags,
                             context));
}

uint64_t CheckMtuXdp(uint64_t r1, uint64_t ifindex, uint64_t mtu_len, uint64_t difference,
                     uint64_t flags, ExecutionContext& context) noexcept {
  const model::XdpContext& xdp = AsXdp(r1);
  if (flags != 0) return FromResult(-EINVAL);
  return FromResult(CheckMtu(xdp.ingress_ifindex, static_cast<uint32_t>(ifindex),
                             static_cast<uint32_t>(xdp.data_end - xdp.data), false, mtu_len,
                             static_cast<int32_t>(difference), flags, context));
}

uint64_t FibLookup(uint64_t, uint64_t params, uint64_t size, uint64_t flags, uint64_t,
                   ExecutionContext& context) noexcept {
  return FromResult(Ask(params, size, flags, context));
}

}  // namespace skep::helpers
