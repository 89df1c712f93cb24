// SPDX-License-Identifier: Apache-2.0
// Packet contexts out of registers, and what several packet helpers ask of them.

#ifndef SKEP_HELPERS_PACKET_REGISTERS_H_
#define SKEP_HELPERS_PACKET_REGISTERS_H_

#include <cstddef>
#include <cstdint>

#include "helpers/registers.h"
#include "model/execution_layout.h"
#include "model/host_context.h"
#include "model/packet_state.h"

namespace skep::helpers {

// Linux's ENOTSUPP, which errno.h does not have.
inline constexpr int kNotSupported = 524;

// EtherTypes as packets and __sk_buff.protocol hold them: network byte order.
constexpr uint16_t NetworkOrder(uint16_t host) { return __builtin_bswap16(host); }
inline constexpr uint16_t kProtocolIpv4 = NetworkOrder(0x0800);
inline constexpr uint16_t kProtocolIpv6 = NetworkOrder(0x86dd);
inline constexpr uint16_t kProtocolVlan = NetworkOrder(0x8100);
inline constexpr uint16_t kProtocolServiceVlan = NetworkOrder(0x88a8);
inline bool IsVlan(uint32_t protocol) {
  return protocol == kProtocolVlan || protocol == kProtocolServiceVlan;
}

inline constexpr uint32_t kVlanHeader = 4;
inline constexpr uint32_t kIpv4Header = 20;
inline constexpr uint32_t kIpv6Header = 40;
inline constexpr uint32_t kTcpHeader = 20;

// The largest packet that skb helpers make.
inline constexpr uint32_t kSkbMaxLength = 4 * 4096 - model::kSharedInfo;

inline model::XdpContext& AsXdp(uint64_t r) { return *reinterpret_cast<model::XdpContext*>(r); }
inline model::SkbContext& AsSkb(uint64_t r) { return *reinterpret_cast<model::SkbContext*>(r); }

inline model::PacketState& PacketOf(ExecutionContext& context) {
  return *model::ExecutionLayout::extras(context).packet;
}
inline const PacketHooks& PacketHooksOf(ExecutionContext& context) {
  return PacketOf(context).hooks;
}

// Whether the packet has `size` bytes from `offset` on. Neither sum overflows.
inline bool Holds(const model::SkbContext& skb, uint64_t offset, uint64_t size) {
  return offset + size <= skb.len;
}

}  // namespace skep::helpers

#endif  // SKEP_HELPERS_PACKET_REGISTERS_H_
