// SPDX-License-Identifier: Apache-2.0
// The host structures that packet programs run over. What they hold is what
// Linux's BPF_PROG_TEST_RUN gives on the loopback device (behaviour compared by
// tests/vm/packet_run_test.cc).
//
// Threads: pure functions.

#ifndef SKEP_VM_PACKET_CONTEXT_H_
#define SKEP_VM_PACKET_CONTEXT_H_

#include "skep/packet.h"

#include "model/host_context.h"
#include "model/packet_state.h"

namespace skep {

inline model::XdpContext MakeXdp(const PacketInput& packet) {
  model::XdpContext xdp;
  xdp.data = packet.data.data();
  xdp.data_end = xdp.data + packet.data.size();
  xdp.data_meta = xdp.data - packet.meta_size;
  xdp.ingress_ifindex = packet.ingress_ifindex;
  xdp.rx_queue_index = packet.rx_queue_index;
  xdp.first_meta = packet.meta_size;
  xdp.data_hard_start = xdp.data_meta;
  return xdp;
}

// Whether skb programs of this type see packets from the link-layer header on,
// not from the network header.
inline bool SeesLinkLayer(ProgramTypeId type) {
  return type == ProgramTypeId::kSchedCls || type == ProgramTypeId::kSchedAct;
}

// REQUIRES: an Ethernet header.
model::SkbContext MakeSkb(const PacketInput& packet, bool with_mac);
// sk_skb: what a socket has received, without any header.
model::SkbContext MakePayload(const PacketInput& packet);

void TakeFields(const SkbFields& from, model::SkbContext& skb);
SkbFields GiveFields(const model::SkbContext& skb);

// CHECKSUM_COMPLETE: takes the packet's sum, and whether it is still right.
void StartSum(model::SkbContext& skb);
bool SumFits(const model::SkbContext& skb);

}  // namespace skep

#endif  // SKEP_VM_PACKET_CONTEXT_H_
