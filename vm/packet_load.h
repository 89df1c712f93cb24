// SPDX-License-Identifier: Apache-2.0
// What LD_ABS and LD_IND call after lowering: loads from a packet by number,
// as Linux's bpf_skb_load_helper_8, _16 and _32. Not for programs to call.
//
// Threads: constants and pure functions.

#ifndef SKEP_VM_PACKET_LOAD_H_
#define SKEP_VM_PACKET_LOAD_H_

#include <span>

#include "skep/helper.h"

namespace skep {

// For 8, 16 and 32 bits, in this order. r1 is the context of a socket_filter,
// sched_cls or sched_act program, r2 the offset as s32: from the start of the
// packet, or below -0x100000 from the network header, below -0x200000 from the
// link-layer header. Returns the bytes in host order, -EFAULT outside the packet.
std::span<const HelperSpec> PacketLoadHelpers();

}  // namespace skep

#endif  // SKEP_VM_PACKET_LOAD_H_
