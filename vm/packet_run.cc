// SPDX-License-Identifier: Apache-2.0
// Runs over packets. What a packet's context holds is what
// Linux's BPF_PROG_TEST_RUN gives on the loopback device (net/bpf/test_run.c,
// behaviour compared by tests/vm/packet_run_test.cc).
#include <cstring>

#include "skep/engine.h"

#include "model/exec_program.h"
#include "model/execution_layout.h"
#include "model/host_context.h"
#include "model/packet_state.h"
#include "vm/packet_context.h"

namespace skep {
namespace {

RunResult BadCall(ExecutionContext& context, const char* why) {
  model::ExecutionLayout::trap(context) = TrapCode::kNone;
  context.Stop(TrapCode::kBadCall, why);
  return {0, TrapCode::kBadCall, 0};
}

// REQUIRES: at most kMaxFragments.
void TakeFragments(std::span<const PacketFragment> from, model::PacketFragments& to) {
  to.count = static_cast<uint32_t>(from.size());
  to.bytes = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    to.list[i] = from[i];
    to.bytes += from[i].size;
  }
}

RunResult RunXdp(const Executable& executable, ExecutionContext& context, const PacketFrame& frame,
                 PacketOutput& output) {
  model::XdpContext xdp = MakeXdp(frame);
  xdp.data_hard_start -= frame.headroom;
  if ((frame.headroom | frame.tailroom) != 0) xdp.frame_end = xdp.data_end + frame.tailroom;
  model::PacketState& state = *model::ExecutionLayout::extras(context).packet;
  if (!frame.fragments.empty()) {
    TakeFragments(frame.fragments, state.fragments);
    xdp.fragments = &state.fragments;
  }
  const RunResult result = executable.Run(context, &xdp);
  output.data = {xdp.data, xdp.data_end};
  output.meta_size = static_cast<uint32_t>(xdp.data - xdp.data_meta);
  if (xdp.fragments != nullptr) {
    output.fragments = {xdp.fragments->list.data(), xdp.fragments->count};
  }
  return result;
}

model::SkbContext MakeFor(ProgramTypeId type, const PacketInput& packet) {
  return type == ProgramTypeId::kSkSkb ? MakePayload(packet) : MakeSkb(packet, SeesLinkLayer(type));
}

RunResult RunSkb(const Executable& executable, ExecutionContext& context, const PacketFrame& frame,
                 PacketOutput& output) {
  model::SkbContext skb = MakeFor(executable.program().type(), frame);
  skb.head -= frame.headroom;
  skb.end += frame.tailroom;
  if (frame.fields != nullptr) TakeFields(*frame.fields, skb);
  if (frame.checksum_complete) StartSum(skb);
  model::PacketState& state = *model::ExecutionLayout::extras(context).packet;
  if (frame.tunnel != nullptr) {
    state.tunnel = *frame.tunnel;
    skb.tunnel = model::TunnelState::kReceived;
  }
  const RunResult result = executable.Run(context, &skb);
  output.data = {skb.data, skb.data_end};
  output.meta_size = static_cast<uint32_t>(skb.data - skb.data_meta);
  output.fields = GiveFields(skb);
  output.tunnel = model::TunnelOf(skb, state);
  output.checksum_fits = !frame.checksum_complete || SumFits(skb);
  return result;
}

// Null, or why a program does not run over a packet.
const char* WhyNot(const Executable& executable, const PacketInput& packet) {
  switch (executable.exec().program_type->host) {
    case HostContext::kXdp:
      return nullptr;
    case HostContext::kSkb:
      if (executable.program().type() == ProgramTypeId::kFlowDissector) {
        return "flow dissectors are run by RunFlowDissector";
      }
      if (executable.program().type() == ProgramTypeId::kSkSkb) return nullptr;
      return packet.data.size() < model::kEthernetHeader
                 ? "a packet needs an Ethernet header of 14 bytes"
                 : nullptr;
    case HostContext::kBytes:
    case HostContext::kNone:
      break;
  }
  return "programs of this type do not take packets";
}

}  // namespace

// struct bpf_nf_ctx; what the state of the hook holds is not modelled.
RunResult Executable::RunNetfilter(ExecutionContext& context,
                                   const PacketInput& packet) const noexcept {
  if (packet.data.size() < model::kEthernetHeader) {
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
  if (program_.type() == ProgramTypeId::kNetfilter) return RunNetfilter(context, packet);
  if (const char* why = WhyNot(*this, packet); why != nullptr) return BadCall(context, why);
  if (exec_->program_type->host == HostContext::kXdp) {
    model::XdpContext xdp = MakeXdp(packet);
    return Run(context, &xdp);
  }
  model::SkbContext skb = MakeFor(program_.type(), packet);
  return Run(context, &skb);
}

RunResult RunFrame(const Executable& executable, ExecutionContext& context,
                   const PacketFrame& frame, PacketOutput& output) noexcept {
  output = {};
  if (const char* why = WhyNot(executable, frame); why != nullptr) return BadCall(context, why);
  const bool xdp = executable.exec().program_type->host == HostContext::kXdp;
  if (frame.fragments.size() > (xdp ? model::kMaxFragments : 0)) {
    return BadCall(context, xdp ? "more than 17 fragments" : "fragments are for xdp programs");
  }
  model::PacketState& state = *model::ExecutionLayout::extras(context).packet;
  state.redirect = {};
  const RunResult result =
      xdp ? RunXdp(executable, context, frame, output) : RunSkb(executable, context, frame, output);
  output.redirect = state.redirect;
  return result;
}

}  // namespace skep
