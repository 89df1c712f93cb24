// SPDX-License-Identifier: Apache-2.0
// Packets with room around them and fragments behind, what programs leave of them,
// and what packet helpers ask the host for. Numbers and layouts are Linux's.
//
// Threads: as Executable::Run.

#ifndef SKEP_PACKET_H_
#define SKEP_PACKET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "skep/engine.h"
#include "skep/export.h"

namespace skep {

class Map;

// A part of an xdp packet behind its linear part: programs reach it through
// xdp_load_bytes and xdp_store_bytes alone.
struct PacketFragment {
  std::byte* data = nullptr;
  uint32_t size = 0;
  uint32_t capacity = 0;  // bytes at `data`; xdp_adjust_tail grows the last fragment up to it
};

// Fields of __sk_buff that a host may set before a run and read after it.
struct SkbFields {
  uint32_t mark = 0;
  uint32_t priority = 0;
  uint32_t ingress_ifindex = 0;
  std::array<uint32_t, 5> cb{};
  uint64_t tstamp = 0;
  uint64_t hwtstamp = 0;
  uint32_t wire_len = 0;
  uint32_t gso_segs = 0;
  uint32_t gso_size = 0;
  // Set by runs; what a host puts here is ignored.
  uint32_t len = 0;
  uint32_t pkt_type = 0;
  uint32_t protocol = 0;  // network byte order
  uint32_t queue_mapping = 0;
  uint32_t vlan_present = 0;
  uint32_t vlan_tci = 0;
  uint32_t vlan_proto = 0;  // network byte order
  uint32_t tc_index = 0;
  uint32_t tc_classid = 0;
  uint32_t hash = 0;
};

// PacketTunnel::flags, as Linux numbers them.
inline constexpr uint16_t kTunnelChecksum = 0x0001;
inline constexpr uint16_t kTunnelKey = 0x0004;
inline constexpr uint16_t kTunnelSequence = 0x0008;
inline constexpr uint16_t kTunnelDontFragment = 0x0100;
inline constexpr uint16_t kTunnelNoCache = 0x2000;  // made by a program
// Options of one of the protocols that have some.
inline constexpr uint16_t kTunnelOptions = 0xd800;

// The tunnel that an skb packet came through or is to be sent through: metadata
// beside the packet, which carrier devices read and write.
struct PacketTunnel {
  uint64_t id = 0;
  bool ipv6 = false;
  std::array<std::byte, 16> source{};  // network order; IPv4 in the first 4 bytes
  std::array<std::byte, 16> destination{};
  uint8_t tos = 0;
  uint8_t ttl = 0;
  uint16_t flags = 0;
  uint32_t label = 0;  // IPv6 flow label
  uint8_t option_bytes = 0;
  std::array<std::byte, 255> options{};
};

// A packet with what is around it.
struct PacketFrame : PacketInput {
  // Bytes of the same buffer, in front of the metadata and behind `data`, into
  // which the program may move the packet's ends. If both are 0, a program that
  // moves an end works on a copy in the ExecutionContext, with Linux's room: an
  // xdp program reaches 216 bytes in front and to the end of a page of 4096. The
  // bytes that such a program changed before it needed the copy are changed in
  // `data` too.
  uint32_t headroom = 0;
  uint32_t tailroom = 0;
  // xdp: what follows `data`; at most 17. Sizes may be changed by the program
  // (PacketOutput::fragments).
  std::span<const PacketFragment> fragments = {};
  const SkbFields* fields = nullptr;     // null: Linux's defaults
  const PacketTunnel* tunnel = nullptr;  // skb: what it came through; null: none
  // skb: `csum` covers the packet from the network header on (CHECKSUM_COMPLETE),
  // and the csum helpers keep it up to date.
  bool checksum_complete = false;
};

enum class RedirectKind : uint8_t {
  kNone,       // the program asked for no redirect
  kDevice,     // bpf_redirect
  kPeer,       // bpf_redirect_peer
  kNeighbour,  // bpf_redirect_neigh
  kMap,        // bpf_redirect_map
};

// The last redirect that a program asked for. Whether it is to be carried out
// says the return value (XDP_REDIRECT, TC_ACT_REDIRECT).
struct PacketRedirect {
  RedirectKind kind = RedirectKind::kNone;
  uint32_t ifindex = 0;
  uint64_t flags = 0;
  // kMap: the map, which the program holds, and the slot in it. With
  // BPF_F_BROADCAST all slots are meant.
  const Map* map = nullptr;
  uint32_t slot = 0;
  // kNeighbour: bytes of struct bpf_redir_neigh; all zero if none was given.
  std::array<std::byte, 20> next_hop{};
  bool has_next_hop = false;
};

// A packet after a run. The spans stay valid until the next run of the
// ExecutionContext.
struct PacketOutput {
  // What programs of the type see: from the link-layer or the network header on.
  std::span<std::byte> data;
  uint32_t meta_size = 0;  // bytes of metadata in front of `data`
  std::span<const PacketFragment> fragments;
  PacketRedirect redirect;
  SkbFields fields;  // skb programs
  // skb programs: the tunnel that it is to be sent through, set by the program or
  // the one that it came through; null if there is none.
  const PacketTunnel* tunnel = nullptr;
  // checksum_complete: whether `csum` still fits the packet.
  bool checksum_fits = true;
};

// Executable::RunPacket over a frame; tells in `output` what became of it. After a
// trap that is the state at that moment. More than 17 fragments, or any for an
// skb program, trap with kBadCall.
SKEP_EXPORT RunResult RunFrame(const Executable& executable, ExecutionContext& context,
                               const PacketFrame& frame, PacketOutput& output) noexcept;

// ---- what helpers ask the host for ---------------------------------------------

struct PacketDevice {
  uint32_t mtu = 0;
  uint32_t hard_header_len = 0;
};

// Called on the running thread; must not throw, must not run programs on the
// same context. Empty functions: what Linux answers on a machine that has the
// loopback device alone (index 1) and no route.
struct PacketHooks {
  // The device of this index, nullopt if there is none (bpf_check_mtu,
  // bpf_fib_lookup). 0 never comes: it means the packet's own device.
  std::function<std::optional<PacketDevice>(uint32_t)> device;
  // bpf_fib_lookup: `params` is struct bpf_fib_lookup, 64 bytes, read and
  // written. Returns BPF_FIB_LKUP_RET_* or -errno. Its family is AF_INET or
  // AF_INET6, its device exists.
  std::function<int64_t(std::span<std::byte, 64> params, uint32_t flags)> fib_lookup;
  // bpf_clone_redirect: a packet to be sent as it is now. Returns 0 or -errno.
  std::function<int64_t(std::span<const std::byte> packet, uint32_t ifindex, uint64_t flags)>
      clone_redirect;
  // A program chose the socket of this number out of a table that the host filled
  // (sk_redirect_map, msg_redirect_map, their hashes, sk_select_reuseport); `flags` may
  // be BPF_F_INGRESS. The last one is meant, if the run returns SK_PASS.
  std::function<void(uint64_t number, uint64_t flags)> choose_socket;
  // The number of the socket that a sock_ops program runs for, which sock_map_update
  // and sock_hash_update put into a table. 0: -EOPNOTSUPP.
  uint64_t socket_number = 0;
  // Of the socket that a packet belongs to. Linux's test runs make one, owned by
  // root, in the root class, with a cookie of its own.
  uint64_t socket_cookie = 1;
  uint32_t socket_uid = 0;
  uint32_t route_realm = 0;
  // The key of get_hash_recalc and of SYN cookies, for hosts that share cookies;
  // zeroes: the Runtime's own random key.
  std::array<uint64_t, 2> secret{};
};

// Not while a run of the context is going on.
SKEP_EXPORT void SetPacketHooks(ExecutionContext& context, PacketHooks hooks);

}  // namespace skep

#endif  // SKEP_PACKET_H_
