// SPDX-License-Identifier: Apache-2.0
// skb_vlan_push, skb_vlan_pop. As in Linux, the outermost tag is not in the
// packet but beside it (vlan_tci, vlan_proto), as hardware hands it over.
#include <cerrno>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/packet_registers.h"
#include "helpers/skb_ends.h"

namespace skep::helpers {
namespace {

using model::SkbContext;

constexpr uint32_t kAddresses = 12;  // both MAC addresses, in front of the tag
constexpr uint32_t kTagged = model::kEthernetHeader + kVlanHeader;

void PutTag(SkbContext& skb, uint32_t protocol, uint32_t tci) {
  skb.vlan_present = 1;
  skb.vlan_proto = protocol;
  skb.vlan_tci = tci;
}

void SetMacLength(SkbContext& skb) { skb.mac_len = static_cast<uint32_t>(skb.network - skb.mac); }

// Writes the tag beside the packet into it.
int64_t InsertTag(SkbContext& skb, ExecutionContext& context) {
  if (skb.data != skb.mac) return -EINVAL;
  if (!PushFront(skb, kVlanHeader, context)) return -ENOMEM;
  std::memmove(skb.data, skb.data + kVlanHeader, kAddresses);
  skb.mac -= kVlanHeader;
  const auto protocol = static_cast<uint16_t>(skb.vlan_proto);
  const uint16_t tci = NetworkOrder(static_cast<uint16_t>(skb.vlan_tci));
  std::memcpy(skb.data + kAddresses, &protocol, sizeof protocol);
  std::memcpy(skb.data + kAddresses + sizeof protocol, &tci, sizeof tci);
  skb.protocol = skb.vlan_proto;
  skb.network -= kVlanHeader;
  AddToSum(skb, skb.data + kAddresses, kVlanHeader);
  return 0;
}

// What the packet's type is behind its outermost tag. 802.3 frames get Linux's
// own numbers.
uint32_t InnerProtocol(const SkbContext& skb) {
  uint16_t protocol;
  std::memcpy(&protocol, skb.data + model::kEthernetHeader + 2, sizeof protocol);
  constexpr uint16_t kFirstEtherType = 0x600, kRaw8023 = 1, kLlc = 4;
  if (NetworkOrder(protocol) >= kFirstEtherType) return protocol;
  const bool raw = skb.len >= kTagged + 2 && skb.data[kTagged] == std::byte{0xff} &&
                   skb.data[kTagged + 1] == std::byte{0xff};
  return NetworkOrder(raw ? kRaw8023 : kLlc);
}

// Takes the outermost tag out of the packet.
int64_t RemoveTag(SkbContext& skb, uint32_t& tci) {
  if (skb.data != skb.mac) return -EINVAL;
  if (!Holds(skb, kTagged, 0)) return -ENOMEM;
  RemoveFromSum(skb, skb.data + kAddresses, kVlanHeader);
  uint16_t raw;
  std::memcpy(&raw, skb.data + model::kEthernetHeader, sizeof raw);
  tci = NetworkOrder(raw);
  skb.protocol = InnerProtocol(skb);
  std::memmove(skb.data + kVlanHeader, skb.data, kAddresses);
  PullFront(skb, kVlanHeader);
  skb.mac += kVlanHeader;
  if (skb.network - skb.data < static_cast<ptrdiff_t>(model::kEthernetHeader)) {
    skb.network = skb.data + model::kEthernetHeader;
  }
  SetMacLength(skb);
  return 0;
}

int64_t Pop(SkbContext& skb) {
  uint32_t tci = 0;
  if (skb.vlan_present != 0) {
    skb.vlan_present = skb.vlan_proto = skb.vlan_tci = 0;
  } else {
    if (!IsVlan(skb.protocol)) return 0;
    if (const int64_t error = RemoveTag(skb, tci); error != 0) return error;
  }
  // The next tag becomes the one beside the packet.
  if (!IsVlan(skb.protocol)) return 0;
  const uint32_t protocol = skb.protocol;
  if (const int64_t error = RemoveTag(skb, tci); error != 0) return error;
  PutTag(skb, protocol, tci);
  return 0;
}

}  // namespace

uint64_t SkbVlanPush(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t, uint64_t,
                     ExecutionContext& context) noexcept {
  SkbContext& skb = AsSkb(r1);
  auto protocol = static_cast<uint16_t>(r2);
  if (!IsVlan(protocol)) protocol = kProtocolVlan;
  int64_t error = 0;
  if (skb.vlan_present != 0) error = InsertTag(skb, context);
  if (error == 0) PutTag(skb, protocol, static_cast<uint16_t>(r3));
  SetMacLength(skb);
  return FromResult(error);
}

uint64_t SkbVlanPop(uint64_t r1, uint64_t, uint64_t, uint64_t, uint64_t,
                    ExecutionContext&) noexcept {
  SkbContext& skb = AsSkb(r1);
  const int64_t error = Pop(skb);
  SetMacLength(skb);
  return FromResult(error);
}

}  // namespace skep::helpers
