// SPDX-License-Identifier: Apache-2.0
#include "model/packet_state.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace skep::model {

void FreePacketMemory::operator()(std::byte* memory) const noexcept { std::free(memory); }

PacketMemory NewPacketMemory(size_t bytes) noexcept {
  const size_t pages = std::max((bytes + kXdpPage - 1) / kXdpPage * kXdpPage, kXdpPage);
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kXdpPage, pages));
  if (memory != nullptr) std::memset(memory, 0, pages);
  return PacketMemory(memory);
}

// Memory of `bytes` bytes. If the packet lies in the old memory (`in_use`), that
// is kept alive in `old`.
std::byte* PacketState::Reserve(size_t bytes, PacketMemory& old, bool in_use) {
  if (!in_use && bytes <= capacity_) return buffer_.get();
  PacketMemory memory = NewPacketMemory(bytes);
  if (memory == nullptr) return nullptr;
  old = std::exchange(buffer_, std::move(memory));
  capacity_ = bytes;
  return buffer_.get();
}

bool PacketState::GiveRoom(XdpContext& xdp) {
  if (xdp.frame_end != nullptr) return true;
  const std::byte* first = xdp.data_hard_start;
  const auto size = static_cast<size_t>(xdp.data_end - first);
  // The metadata it came with lies in the headroom.
  const size_t front = kXdpHeadroom - std::min<size_t>(xdp.first_meta, kXdpHeadroom - kXdpFrame);
  // A packet that fits no page gets as many bytes as it needs.
  const size_t frame = std::max(kXdpPage, (front + size + kSharedInfo + 63) & ~size_t{63});
  PacketMemory old;
  std::byte* memory = Reserve(frame, old, false);
  if (memory == nullptr) return false;
  std::memset(memory, 0, front);
  std::memcpy(memory + front, first, size);
  const ptrdiff_t moved = memory + front - first;
  xdp.data += moved;
  xdp.data_end += moved;
  xdp.data_meta += moved;
  xdp.data_hard_start = memory + kXdpFrame;
  xdp.frame_end = memory + frame - kSharedInfo;
  return true;
}

bool PacketState::GiveRoom(SkbContext& skb, size_t front, size_t back) {
  if (static_cast<size_t>(skb.data - skb.head) >= front &&
      static_cast<size_t>(skb.end - skb.data_end) >= back) {
    return true;
  }
  constexpr size_t kSlack = 256;
  const std::byte* first = std::min({skb.data, skb.mac, skb.network});
  const auto size = static_cast<size_t>(skb.data_end - first);
  const bool in_use = skb.head >= buffer_.get() && skb.head < buffer_.get() + capacity_;
  const size_t need = front + kSlack + size + back + kSlack;
  PacketMemory old;
  std::byte* memory = Reserve(need, old, in_use);
  if (memory == nullptr) return false;
  std::byte* to = memory + front + kSlack;
  std::memcpy(to, first, size);
  const ptrdiff_t moved = to - first;
  skb.data += moved;
  skb.data_end += moved;
  skb.data_meta = skb.data;
  skb.mac += moved;
  skb.network += moved;
  skb.head = memory;
  skb.end = memory + capacity_;
  return true;
}

}  // namespace skep::model
