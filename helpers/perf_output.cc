// SPDX-License-Identifier: Apache-2.0
// bpf_perf_event_output: a sample for the reader of this CPU's ring; packet
// programs may have the first bytes of the packet put behind it.
#include <cerrno>
#include <vector>

#include "base/memory_access.h"
#include "helpers/functions.h"
#include "helpers/registers.h"
#include "model/host_context.h"
#include "model/packet_state.h"
#include "model/perf_ring.h"

namespace skep::helpers {
namespace {

using Packet = std::span<const std::byte>;

// `known`: the flags that programs of this kind may set.
uint64_t Output(uint64_t map, uint64_t flags, uint64_t known, Packet sample, Packet packet,
                ExecutionContext& context) {
  if ((flags & ~known) != 0) return FromResult(-EINVAL);
  const uint64_t from_packet = (flags & model::kPerfContextMask) >> 32;
  if (from_packet > packet.size()) return FromResult(-EFAULT);

  const DirectView slots = AsMap(map).direct_view();
  uint64_t index = flags & model::kPerfIndexMask;
  if (index == model::kPerfCurrentCpu) index = context.cpu();
  if (index >= slots.max_entries) return FromResult(-E2BIG);
  auto* ring = reinterpret_cast<model::PerfRing*>(
      LoadAcquire<uint64_t>(FromAddress(slots.base + index * slots.stride)));
  if (ring == nullptr) return FromResult(-ENOENT);
  // Only the CPU that an event belongs to may write to it.
  if (ring->cpu() != context.cpu()) return FromResult(-EOPNOTSUPP);
  return FromResult(ring->Output(sample, packet.first(from_packet)));
}

}  // namespace

uint64_t PerfEventOutput(uint64_t, uint64_t map, uint64_t flags, uint64_t data, uint64_t size,
                         ExecutionContext& context) noexcept {
  return Output(map, flags, model::kPerfIndexMask, {AsBytes(data), size}, {}, context);
}

uint64_t PerfEventOutputSkb(uint64_t r1, uint64_t map, uint64_t flags, uint64_t data, uint64_t size,
                            ExecutionContext& context) noexcept {
  const auto& skb = *reinterpret_cast<const model::SkbContext*>(r1);
  return Output(map, flags, model::kPerfIndexMask | model::kPerfContextMask, {AsBytes(data), size},
                {skb.data, skb.data_end}, context);
}

uint64_t PerfEventOutputXdp(uint64_t r1, uint64_t map, uint64_t flags, uint64_t data, uint64_t size,
                            ExecutionContext& context) noexcept {
  const auto& xdp = *reinterpret_cast<const model::XdpContext*>(r1);
  constexpr uint64_t kKnown = model::kPerfIndexMask | model::kPerfContextMask;
  Packet packet{xdp.data, xdp.data_end};
  std::vector<std::byte> joined;
  if (xdp.fragments != nullptr && (flags & model::kPerfContextMask) >> 32 > packet.size()) {
    joined.assign(packet.begin(), packet.end());
    for (uint32_t i = 0; i < xdp.fragments->count; ++i) {
      const PacketFragment& fragment = xdp.fragments->list[i];
      joined.insert(joined.end(), fragment.data, fragment.data + fragment.size);
    }
    packet = joined;
  }
  return Output(map, flags, kKnown, {AsBytes(data), size}, packet, context);
}

}  // namespace skep::helpers
