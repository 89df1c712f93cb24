// SPDX-License-Identifier: Apache-2.0
#include "model/packet_load.h"

#include <cstddef>

namespace skep::model {

uint64_t LoadPacket(const SkbContext* skb, int32_t offset, uint32_t bytes) noexcept {
  // Where the offset counts from, and how far from there it points.
  const std::byte* from = skb->data;
  int64_t at = offset;
  if (offset < 0) {
    if (offset < kLinkLayerOffset) return kPacketLoadFailed;
    const bool network = offset >= kNetworkOffset;
    from = network ? skb->network : skb->mac;
    at = int64_t{offset} - (network ? kNetworkOffset : kLinkLayerOffset);
  }
  if (at + int64_t{bytes} > skb->data_end - from) return kPacketLoadFailed;
  uint64_t value = 0;
  for (uint32_t i = 0; i < bytes; ++i) value = value << 8 | std::to_integer<uint64_t>(from[at + i]);
  return value;
}

}  // namespace skep::model
