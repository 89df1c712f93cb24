// SPDX-License-Identifier: Apache-2.0
// What LD_ABS and LD_IND read (RFC 9669, section 5.5): packet bytes in network
// byte order, at an offset from the packet's start or, if it is negative, from
// one of Linux's two anchors.
//
// Threads: a pure function.

#ifndef SKEP_MODEL_PACKET_LOAD_H_
#define SKEP_MODEL_PACKET_LOAD_H_

#include <cstdint>

#include "model/host_context.h"

namespace skep::model {

// No packet bytes have this value: at most 32 bits are read.
inline constexpr uint64_t kPacketLoadFailed = ~uint64_t{0};

// Linux's anchors (SKF_LL_OFF, SKF_NET_OFF): offsets from the link-layer and
// from the network header.
inline constexpr int32_t kLinkLayerOffset = -0x200000;
inline constexpr int32_t kNetworkOffset = -0x100000;

// Returns the `bytes` (1, 2 or 4) at `offset` as a number, kPacketLoadFailed if
// they do not all lie inside the packet: the function that asked then returns 0.
uint64_t LoadPacket(const SkbContext* skb, int32_t offset, uint32_t bytes) noexcept;

}  // namespace skep::model

#endif  // SKEP_MODEL_PACKET_LOAD_H_
