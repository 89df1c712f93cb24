// SPDX-License-Identifier: Apache-2.0
// The ends of an xdp packet, and bytes of packets in fragments.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "helpers/functions.h"
#include "helpers/packet_registers.h"

namespace skep::helpers {
namespace {

using model::XdpContext;

constexpr ptrdiff_t kShortest = model::kEthernetHeader;
constexpr ptrdiff_t kMaxMeta = 255;  // Linux counts metadata in a byte

uint32_t Length(const XdpContext& xdp) {
  const auto linear = static_cast<uint32_t>(xdp.data_end - xdp.data);
  return xdp.fragments == nullptr ? linear : linear + xdp.fragments->bytes;
}

// Whether an end may go `delta` bytes outwards only once there is room.
bool Room(XdpContext& xdp, ExecutionContext& context) { return PacketOf(context).GiveRoom(xdp); }

int64_t GrowLastFragment(model::PacketFragments& fragments, uint32_t delta) {
  PacketFragment& last = fragments.list[fragments.count - 1];
  if (delta > last.capacity - last.size) return -EINVAL;
  std::memset(last.data + last.size, 0, delta);
  last.size += delta;
  fragments.bytes += delta;
  return 0;
}

// Fragments go from the last on; what is left is taken from the linear part.
int64_t ShrinkFragments(XdpContext& xdp, uint32_t delta) {
  if (int64_t{delta} > int64_t{Length(xdp)} - kShortest) return -EINVAL;
  model::PacketFragments& fragments = *xdp.fragments;
  while (fragments.count > 0 && delta > 0) {
    PacketFragment& last = fragments.list[fragments.count - 1];
    const uint32_t taken = std::min(delta, last.size);
    delta -= taken;
    last.size -= taken;
    fragments.bytes -= taken;
    if (last.size != 0) break;
    --fragments.count;
  }
  if (fragments.count == 0) {
    xdp.data_end -= delta;
    xdp.fragments = nullptr;
  }
  return 0;
}

// Copies between `bytes` and the packet from `offset` on.
template <bool to_packet>
void Copy(XdpContext& xdp, uint32_t offset, std::byte* bytes, uint32_t size) {
  const auto copy = [&](std::byte* part, uint32_t part_size) {
    if (offset >= part_size) {
      offset -= part_size;
      return;
    }
    const uint32_t count = std::min(size, part_size - offset);
    if constexpr (to_packet) {
      std::memmove(part + offset, bytes, count);
    } else {
      std::memmove(bytes, part + offset, count);
    }
    bytes += count;
    size -= count;
    offset = 0;
  };
  copy(xdp.data, static_cast<uint32_t>(xdp.data_end - xdp.data));
  for (uint32_t i = 0; size != 0 && i < xdp.fragments->count; ++i) {
    copy(xdp.fragments->list[i].data, xdp.fragments->list[i].size);
  }
}

int64_t CheckRange(const XdpContext& xdp, uint32_t offset, uint32_t size) {
  if (offset > 0xffff || size > 0xffff) return -EFAULT;
  return offset + size > Length(xdp) ? -EINVAL : 0;
}

}  // namespace

uint64_t XdpAdjustHead(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  XdpContext& xdp = AsXdp(r1);
  const auto delta = static_cast<int32_t>(r2);
  if (delta < 0 && !Room(xdp, context)) return FromResult(-ENOMEM);
  const ptrdiff_t meta = xdp.data - xdp.data_meta;
  if (delta < xdp.data_hard_start + meta - xdp.data ||
      delta > xdp.data_end - xdp.data - kShortest) {
    return FromResult(-EINVAL);
  }
  std::memmove(xdp.data_meta + delta, xdp.data_meta, static_cast<size_t>(meta));
  xdp.data_meta += delta;
  xdp.data += delta;
  return 0;
}

uint64_t XdpAdjustMeta(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  XdpContext& xdp = AsXdp(r1);
  const auto delta = static_cast<int32_t>(r2);
  if (delta < 0 && !Room(xdp, context)) return FromResult(-ENOMEM);
  const ptrdiff_t meta = xdp.data - xdp.data_meta - delta;
  if (delta < xdp.data_hard_start - xdp.data_meta || meta < 0) return FromResult(-EINVAL);
  if (meta % 4 != 0 || meta > kMaxMeta) return FromResult(-EACCES);
  xdp.data_meta += delta;
  return 0;
}

uint64_t XdpAdjustTail(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  XdpContext& xdp = AsXdp(r1);
  const auto delta = static_cast<int32_t>(r2);
  if (xdp.fragments != nullptr) {
    // Linux's negative of it is itself, which takes nothing away.
    if (delta == std::numeric_limits<int32_t>::min()) return 0;
    return FromResult(delta < 0 ? ShrinkFragments(xdp, static_cast<uint32_t>(-int64_t{delta}))
                                : GrowLastFragment(*xdp.fragments, static_cast<uint32_t>(delta)));
  }
  if (delta > 0) {
    if (!Room(xdp, context)) return FromResult(-ENOMEM);
    if (delta > xdp.frame_end - xdp.data_end) return FromResult(-EINVAL);
    std::memset(xdp.data_end, 0, static_cast<size_t>(delta));
  }
  if (xdp.data_end - xdp.data + delta < kShortest) return FromResult(-EINVAL);
  xdp.data_end += delta;
  return 0;
}

uint64_t XdpGetBuffLen(uint64_t r1, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext&) noexcept {
  return Length(AsXdp(r1));
}

uint64_t XdpLoadBytes(uint64_t r1, uint64_t r2, uint64_t to, uint64_t r4, uint64_t,
                      ExecutionContext&) noexcept {
  const auto offset = static_cast<uint32_t>(r2), size = static_cast<uint32_t>(r4);
  if (const int64_t error = CheckRange(AsXdp(r1), offset, size); error != 0) {
    return FromResult(error);
  }
  Copy<false>(AsXdp(r1), offset, AsBytes(to), size);
  return 0;
}

uint64_t XdpStoreBytes(uint64_t r1, uint64_t r2, uint64_t from, uint64_t r4, uint64_t,
                       ExecutionContext&) noexcept {
  const auto offset = static_cast<uint32_t>(r2), size = static_cast<uint32_t>(r4);
  if (const int64_t error = CheckRange(AsXdp(r1), offset, size); error != 0) {
    return FromResult(error);
  }
  Copy<true>(AsXdp(r1), offset, AsBytes(from), size);
  return 0;
}

}  // namespace skep::helpers
