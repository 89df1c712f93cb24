// SPDX-License-Identifier: Apache-2.0
// Runs over packets. What a packet's context holds is what
// Linux's BPF_PROG_TEST_RUN gives on the loopback device (net/bpf/test_run.c,
// behaviour compared by tests/vm/packet_run_test.cc).
#include <cstring>

#include "skep/engine.h"

#include "model/exec_program.h"
#include "model/execution_layout.h"
#include "model/host_context.h"

namespace skep {
namespace {

constexpr size_t kEthernetHeader = 14;

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
  if (frame.size() >= kEthernetHeader + 2 && frame[14] == std::byte{0xff} &&
      frame[15] == std::byte{0xff}) {
    return __builtin_bswap16(kEthP8023);
  }
  return __builtin_bswap16(kEthP8022);
}

RunResult BadCall(ExecutionContext& context, const char* why) {
  model::ExecutionLayout::trap(context) = TrapCode::kNone;
  context.Stop(TrapCode::kBadCall, why);
  return {0, TrapCode::kBadCall, 0};
}

model::XdpContext MakeXdp(const PacketInput& packet) {
  model::XdpContext xdp;
  xdp.data = packet.data.data();
  xdp.data_end = xdp.data + packet.data.size();
  xdp.data_meta = xdp.data - packet.meta_size;
  xdp.ingress_ifindex = packet.ingress_ifindex;
  xdp.rx_queue_index = packet.rx_queue_index;
  xdp.data_hard_start = xdp.data_meta;
  xdp.frame_end = xdp.data_end;
  return xdp;
}

// Copied rather than constructed: g++ clears a structure of this size by `rep
// stos`, which costs more than a whole run of a small program.
model::SkbContext BlankSkb() {
  static constexpr model::SkbContext kBlank;
  const model::SkbContext* blank = &kBlank;
  asm("" : "+r"(blank));  // or it would see the zeroes and clear after all
  return *blank;
}

model::SkbContext MakeSkb(const PacketInput& packet, bool with_mac) {
  model::SkbContext skb = BlankSkb();
  const size_t skip = with_mac ? 0 : kEthernetHeader;
  skb.mac = packet.data.data();
  skb.data = skb.mac + skip;
  skb.data_end = skb.mac + packet.data.size();
  skb.data_meta = skb.data - (with_mac ? packet.meta_size : 0);
  skb.len = static_cast<uint32_t>(packet.data.size() - skip);
  skb.pkt_type = PacketTypeOf(skb.mac);
  skb.protocol = ProtocolOf(packet.data);
  skb.ifindex = packet.ingress_ifindex;
  return skb;
}

}  // namespace

// struct bpf_nf_ctx; what the state of the hook holds is not modelled.
RunResult Executable::RunNetfilter(ExecutionContext& context,
                                   const PacketInput& packet) const noexcept {
  if (packet.data.size() < kEthernetHeader) {
    return BadCall(context, "a packet needs an Ethernet header of 14 bytes");
  }
  model::SkbContext skb = MakeSkb(packet, false);
  struct {
    const void* state;
    model::SkbContext* skb;
  } hook{nullptr, &skb};
  return Run(context, &hook);
}

RunResult Executable::RunPacket(ExecutionContext& context,
                                const PacketInput& packet) const noexcept {
  switch (exec_->program_type->host) {
    case HostContext::kXdp: {
      model::XdpContext xdp = MakeXdp(packet);
      return Run(context, &xdp);
    }
    case HostContext::kSkb: {
      if (packet.data.size() < kEthernetHeader) {
        return BadCall(context, "a packet needs an Ethernet header of 14 bytes");
      }
      if (program_.type() == ProgramTypeId::kFlowDissector) {
        return BadCall(context, "flow dissectors are run by RunFlowDissector");
      }
      const bool with_mac = program_.type() == ProgramTypeId::kSchedCls ||
                            program_.type() == ProgramTypeId::kSchedAct;
      model::SkbContext skb = MakeSkb(packet, with_mac);
      return Run(context, &skb);
    }
    case HostContext::kBytes:
      if (program_.type() == ProgramTypeId::kNetfilter) return RunNetfilter(context, packet);
      break;
    case HostContext::kNone:
      return BadCall(context, "programs of this type do not take packets");
  }
  return BadCall(context, "programs of this type do not take packets");
}

}  // namespace skep
