// SPDX-License-Identifier: Apache-2.0
#include "vm/packet_context.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "model/internet_checksum.h"

namespace skep {
namespace {

// Linux's linux/if_packet.h.
constexpr uint32_t kPacketHost = 0;
constexpr uint32_t kPacketMulticast = 2;
constexpr uint32_t kPacketOtherhost = 3;

// As eth_type_trans does for the loopback device, whose own address is all
// zeroes, and its broadcast address too: ff:ff:ff:ff:ff:ff counts as multicast.
uint32_t PacketTypeOf(const std::byte* mac) {
  static constexpr std::byte kZero[6] = {};
  if (std::memcmp(mac, kZero, sizeof kZero) == 0) return kPacketHost;
  return (mac[0] & std::byte{1}) == std::byte{0} ? kPacketOtherhost : kPacketMulticast;
}

// The EtherType in network order; 802.3 frames get Linux's own numbers.
uint16_t ProtocolOf(std::span<const std::byte> frame) {
  uint16_t raw;
  std::memcpy(&raw, frame.data() + 12, sizeof raw);
  if (__builtin_bswap16(raw) >= 0x600) return raw;
  constexpr uint16_t kEthP8023 = 0x0001;  // raw IPX in 802.3
  constexpr uint16_t kEthP8022 = 0x0004;
  if (frame.size() >= model::kEthernetHeader + 2 && frame[14] == std::byte{0xff} &&
      frame[15] == std::byte{0xff}) {
    return __builtin_bswap16(kEthP8023);
  }
  return __builtin_bswap16(kEthP8022);
}

// Copied rather than constructed: g++ clears a structure of this size by `rep
// stos`, which costs more than a whole run of a small program.
model::SkbContext BlankSkb() {
  static constexpr model::SkbContext kBlank;
  const model::SkbContext* blank = &kBlank;
  asm("" : "+r"(blank));  // or it would see the zeroes and clear after all
  return *blank;
}

std::span<const std::byte> FromNetworkHeader(const model::SkbContext& skb) {
  return {skb.network, static_cast<size_t>(skb.data_end - skb.network)};
}

// The sum of a packet that was shortened to less than its link-layer header is
// of nothing.
uint32_t SumOf(const model::SkbContext& skb) {
  return skb.network < skb.data_end ? model::InternetSum(FromNetworkHeader(skb), 0) : 0;
}

}  // namespace

model::SkbContext MakeSkb(const PacketInput& packet, bool with_mac) {
  model::SkbContext skb = BlankSkb();
  const size_t skip = with_mac ? 0 : model::kEthernetHeader;
  skb.mac = packet.data.data();
  skb.network = skb.mac + model::kEthernetHeader;
  skb.data = skb.mac + skip;
  skb.headroom += static_cast<uint32_t>(skip);
  skb.data_end = skb.mac + packet.data.size();
  skb.data_meta = skb.data - (with_mac ? packet.meta_size : 0);
  skb.head = skb.mac - packet.meta_size;
  skb.end = skb.data_end;
  skb.len = static_cast<uint32_t>(packet.data.size() - skip);
  skb.pkt_type = PacketTypeOf(skb.mac);
  skb.protocol = ProtocolOf(packet.data);
  skb.ifindex = packet.ingress_ifindex;
  return skb;
}

model::SkbContext MakePayload(const PacketInput& packet) {
  model::SkbContext skb = BlankSkb();
  skb.mac = skb.network = skb.data = skb.data_meta = skb.head = packet.data.data();
  skb.data_end = skb.end = skb.data + packet.data.size();
  skb.len = static_cast<uint32_t>(packet.data.size());
  skb.ifindex = packet.ingress_ifindex;
  return skb;
}

void TakeFields(const SkbFields& from, model::SkbContext& skb) {
  skb.mark = from.mark;
  skb.priority = from.priority;
  skb.ingress_ifindex = from.ingress_ifindex;
  std::copy(from.cb.begin(), from.cb.end(), skb.cb);
  skb.tstamp = from.tstamp;
  skb.hwtstamp = from.hwtstamp;
  skb.wire_len = from.wire_len;
  skb.gso_segs = from.gso_segs;
  skb.gso_size = from.gso_size;
}

SkbFields GiveFields(const model::SkbContext& skb) {
  SkbFields to;
  to.mark = skb.mark;
  to.priority = skb.priority;
  to.ingress_ifindex = skb.ingress_ifindex;
  std::copy(std::begin(skb.cb), std::end(skb.cb), to.cb.begin());
  to.tstamp = skb.tstamp;
  to.hwtstamp = skb.hwtstamp;
  to.wire_len = skb.wire_len;
  to.gso_segs = skb.gso_segs;
  to.gso_size = skb.gso_size;
  to.len = skb.len;
  to.pkt_type = skb.pkt_type;
  to.protocol = skb.protocol;
  to.queue_mapping = skb.queue_mapping;
  to.vlan_present = skb.vlan_present;
  to.vlan_tci = skb.vlan_tci;
  to.vlan_proto = skb.vlan_proto;
  to.tc_index = skb.tc_index;
  to.tc_classid = skb.tc_classid;
  to.hash = skb.hash;
  return to;
}

void StartSum(model::SkbContext& skb) {
  skb.checksum = model::Checksum::kComplete;
  skb.csum = SumOf(skb);
}

bool SumFits(const model::SkbContext& skb) {
  return model::FoldSum(skb.csum) == model::FoldSum(SumOf(skb));
}

}  // namespace skep
