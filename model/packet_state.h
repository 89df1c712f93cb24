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
  std::array<uint64_t, 2> secret{};  // of the runtime

  // Gives the packet Linux's room, unless it has room already. Returns false if
  // there is no memory.
  bool GiveRoom(XdpContext& xdp);
  // Makes sure of `front` bytes in front of `data` and `back` bytes behind
  // `data_end`. Returns false if there is no memory. Metadata is lost where the
  // packet moves, as in Linux.
  bool GiveRoom(SkbContext& skb, size_t front, size_t back);

 private:
  std::byte* Reserve(size_t bytes, std::unique_ptr<std::byte[]>& old, bool in_use);

  std::unique_ptr<std::byte[]> buffer_;
  size_t capacity_ = 0;
};

}  // namespace skep::model

#endif  // SKEP_MODEL_PACKET_STATE_H_
