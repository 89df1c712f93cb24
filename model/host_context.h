// SPDX-License-Identifier: Apache-2.0
// The host's structures behind the contexts of Linux's program types. Programs
// see Linux's layout (a 32-bit xdp_md.data); lowering turns those accesses into
// accesses of these structures, which hold 64-bit pointers. Scalar fields have
// the size and byte order that programs see.

#ifndef SKEP_MODEL_HOST_CONTEXT_H_
#define SKEP_MODEL_HOST_CONTEXT_H_

#include <cstddef>
#include <cstdint>

namespace skep::model {

struct PacketFragments;

// struct xdp_md.
struct XdpContext {
  std::byte* data = nullptr;
  std::byte* data_end = nullptr;
  std::byte* data_meta = nullptr;
  uint32_t ingress_ifindex = 1;
  uint32_t rx_queue_index = 0;
  uint32_t egress_ifindex = 0;
  // Packets that have no room yet (frame_end is null): of how many bytes the
  // metadata was when the run began, at data_hard_start. It is given room when
  // a program needs it (model/packet_state.h).
  uint32_t first_meta = 0;
  std::byte* data_hard_start = nullptr;  // lowest byte that adjust_head may reach
  std::byte* frame_end = nullptr;        // one past the last byte that adjust_tail may reach
  PacketFragments* fragments = nullptr;  // null if there are none
};

inline constexpr uint16_t kNoTransport = 0xffff;

// Linux's ip_summed.
enum class Checksum : uint8_t { kNone = 0, kUnnecessary = 1, kComplete = 2 };

// Whose the tunnel in PacketState is.
enum class TunnelState : uint8_t { kNone = 0, kReceived, kOfProgram };

// struct __sk_buff.
struct SkbContext {
  std::byte* data = nullptr;
  std::byte* data_end = nullptr;
  std::byte* data_meta = nullptr;
  std::byte* mac = nullptr;      // start of the link-layer header
  std::byte* network = nullptr;  // start of the network header
  std::byte* head = nullptr;     // lowest byte that the packet may be moved to
  std::byte* end = nullptr;      // one past the last byte that it may grow to
  uint32_t len = 0;
  uint32_t pkt_type = 0;
  uint32_t mark = 0;
  uint32_t queue_mapping = 0;
  uint32_t protocol = 0;  // network byte order, as in Linux
  uint32_t vlan_present = 0;
  uint32_t vlan_tci = 0;
  uint32_t vlan_proto = 0;
  uint32_t priority = 0;
  uint32_t ingress_ifindex = 0;
  uint32_t ifindex = 1;
  uint32_t tc_index = 0;
  alignas(8) uint32_t cb[5] = {};
  uint32_t hash = 0;
  uint32_t tc_classid = 0;
  uint32_t napi_id = 0;
  uint32_t gso_segs = 0;
  uint32_t gso_size = 0;
  uint32_t wire_len = 0;
  alignas(8) uint64_t tstamp = 0;
  uint64_t hwtstamp = 0;
  uint8_t tstamp_type = 0;
  uint64_t sk = 0;  // not modelled, always null
  // Of that socket, so that they are zero.
  uint32_t family = 0;
  uint32_t remote_ip4 = 0;
  uint32_t local_ip4 = 0;
  uint32_t remote_ip6[4] = {};
  uint32_t local_ip6[4] = {};
  uint32_t remote_port = 0;
  uint32_t local_port = 0;
  void* flow_keys = nullptr;  // flow dissectors: struct bpf_flow_keys
  // Not visible as fields, but to helpers.
  uint32_t csum = 0;     // of the packet from the network header on; kComplete
  uint32_t mac_len = 0;  // 0 until a helper sets it
  // Linux's offsets of `data` and of the transport header from the start of its
  // buffer, which is not ours. They decide what skb_change_tail refuses, as the
  // transport header that is not set comes to mean something where Linux makes
  // more room: 16 bits that overflow.
  uint32_t headroom = 64;
  uint16_t transport = kNoTransport;
  Checksum checksum = Checksum::kNone;
  uint8_t checksum_level = 0;
  bool has_hash = false;
  bool encapsulated = false;
  TunnelState tunnel = TunnelState::kNone;
};

}  // namespace skep::model

#endif  // SKEP_MODEL_HOST_CONTEXT_H_
