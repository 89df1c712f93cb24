// SPDX-License-Identifier: Apache-2.0
// PacketState: what an ExecutionContext keeps of the packet that a run is over:
// memory for packets that change their size, fragments, the redirect asked for.
//
// Packets have no room around them as a rule. A helper that moves an end of the
// packet asks here for room first; the packet then moves to memory of the
// context, laid out as Linux's test runs lay it out. Programs cannot hold stale
// pointers: the verifier forgets packet pointers at such calls, and the checked
// engine looks at each access.
//
// Threads: one run's, one thread.

#ifndef SKEP_MODEL_PACKET_STATE_H_
#define SKEP_MODEL_PACKET_STATE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "skep/packet.h"

#include "model/host_context.h"

namespace skep::model {

inline constexpr size_t kEthernetHeader = 14;
inline constexpr size_t kXdpPage = 4096;
inline constexpr size_t kXdpHeadroom = 256;
inline constexpr size_t kXdpFrame = 40;  // sizeof(struct xdp_frame), at the start of the headroom
inline constexpr size_t kSharedInfo = 320;  // sizeof(struct skb_shared_info), at the page's end
inline constexpr size_t kMaxFragments = 17;

// Zeroed memory that starts on a page, as Linux's buffers do: what a program
// makes of the low bits of an address is the same here and there.
struct FreePacketMemory {
  void operator()(std::byte* memory) const noexcept;
};
using PacketMemory = std::unique_ptr<std::byte[], FreePacketMemory>;
// Null if there is no memory.
PacketMemory NewPacketMemory(size_t bytes) noexcept;

struct PacketFragments {
  std::array<PacketFragment, kMaxFragments> list;
  uint32_t count = 0;
  uint32_t bytes = 0;  // of all together
};

class PacketState {
 public:
  PacketHooks hooks;
  PacketRedirect redirect;
  PacketFragments fragments;
  PacketTunnel tunnel;               // of the packet whose context says that it has one
  std::array<uint64_t, 2> secret{};  // of the runtime

  // Gives the packet Linux's room, unless it has room already. Returns false if
  // there is no memory.
  bool GiveRoom(XdpContext& xdp);
  // Makes sure of `front` bytes in front of `data` and `back` bytes behind
  // `data_end`. Returns false if there is no memory. Metadata is lost where the
  // packet moves, as in Linux.
  bool GiveRoom(SkbContext& skb, size_t front, size_t back);

 private:
  std::byte* Reserve(size_t bytes, PacketMemory& old, bool in_use);

  PacketMemory buffer_;
  size_t capacity_ = 0;
};

inline const PacketTunnel* TunnelOf(const SkbContext& skb, const PacketState& state) {
  return skb.tunnel == TunnelState::kNone ? nullptr : &state.tunnel;
}

}  // namespace skep::model

#endif  // SKEP_MODEL_PACKET_STATE_H_
