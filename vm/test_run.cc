// SPDX-License-Identifier: Apache-2.0
#include "skep/test_run.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "model/exec_program.h"
#include "model/execution_layout.h"
#include "vm/packet_context.h"

namespace skep {
namespace {

using model::ExecutionLayout;

constexpr int kInvalid = 22, kTooBig = 7, kNoDevice = 19, kNoMemory = 12, kBadMessage = 74;
constexpr int kNotSupported = 524;
constexpr uint32_t kLoopback = 1;
constexpr size_t kLinearMax = model::kXdpPage - model::kXdpHeadroom - model::kSharedInfo;
constexpr size_t kSkbPad = 64;
constexpr size_t kSkbMax = model::kXdpPage - kSkbPad - model::kSharedInfo;

// Linux's struct xdp_md and struct __sk_buff.
struct XdpMd {
  uint32_t data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};
struct SkBuff {
  uint32_t len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto;
  uint32_t priority, ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
  uint32_t napi_id, family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4];
  uint32_t remote_port, local_port, data_meta;
  uint64_t flow_keys, tstamp;
  uint32_t wire_len, gso_segs;
  uint64_t sk;
  uint32_t gso_size;
  uint8_t tstamp_type, padding[3];
  uint64_t hwtstamp;
};
static_assert(sizeof(XdpMd) == 24 && sizeof(SkBuff) == 192);

Error Refuse(int error, std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message), error};
}

// The context as the structure, zeroes where it is short.
template <class T>
Result<T> ReadContext(std::span<const std::byte> bytes) {
  T out{};
  std::memcpy(&out, bytes.data(), std::min(bytes.size(), sizeof out));
  const auto tail = bytes.subspan(std::min(bytes.size(), sizeof out));
  if (std::any_of(tail.begin(), tail.end(), [](std::byte b) { return b != std::byte{0}; })) {
    return Refuse(kTooBig, "the context is longer than this build's and not zero there");
  }
  return out;
}

template <class T>
std::vector<std::byte> Bytes(const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return {bytes.begin(), bytes.end()};
}

bool HasDevice(uint32_t ifindex, ExecutionContext& context) {
  const PacketHooks& hooks = ExecutionLayout::extras(context).packet->hooks;
  return hooks.device ? hooks.device(ifindex).has_value() : ifindex == kLoopback;
}

void Repeat(const Executable& executable, ExecutionContext& context, void* host, uint32_t times,
            TestRunOutput& out) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  times = std::max(times, 1u);
  uint32_t done = 0;
  do {
    out.result = executable.Run(context, host);
  } while (++done < times && out.result.ok());
  const auto spent = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start);
  out.ns_per_run = static_cast<uint64_t>(spent.count()) / done;
  out.value = static_cast<uint32_t>(out.result.value);
  out.redirect = ExecutionLayout::extras(context).packet->redirect;
}

// ---- xdp -----------------------------------------------------------------------

Result<void> CheckXdp(const XdpMd& md, size_t size, ExecutionContext& context) {
  if (md.data_meta != 0) return Refuse(kInvalid, "data_meta is not 0");
  if (md.data_end > size || md.data > md.data_end) {
    return Refuse(kInvalid, "data and data_end do not lie inside the packet, in this order");
  }
  if (md.data % 4 != 0 || md.data > model::kXdpHeadroom - model::kXdpFrame) {
    return Refuse(kInvalid, "metadata of " + std::to_string(md.data) +
                                " bytes, need a multiple of 4 up to 216");
  }
  if (md.egress_ifindex != 0) return Refuse(kInvalid, "egress_ifindex is not 0");
  if (md.ingress_ifindex == 0 && md.rx_queue_index != 0) {
    return Refuse(kInvalid, "rx_queue_index without ingress_ifindex");
  }
  if (md.ingress_ifindex != 0 && !HasDevice(md.ingress_ifindex, context)) {
    return Refuse(kNoDevice, "no device " + std::to_string(md.ingress_ifindex));
  }
  // Devices of a process have one queue.
  if (md.rx_queue_index != 0) return Refuse(kInvalid, "the device has one queue");
  return {};
}

// Pages for what does not fit the linear part.
Result<model::PacketMemory> Fragment(std::span<const std::byte> bytes,
                                     model::PacketFragments& fragments) {
  const size_t count = (bytes.size() + model::kXdpPage - 1) / model::kXdpPage;
  if (count > model::kMaxFragments) {
    return Refuse(kNoMemory, std::to_string(count) + " fragments, need at most 17");
  }
  model::PacketMemory pages = model::NewPacketMemory(count * model::kXdpPage);
  if (pages == nullptr) return Refuse(kNoMemory, "no memory for the fragments");
  std::copy(bytes.begin(), bytes.end(), pages.get());
  fragments.count = static_cast<uint32_t>(count);
  fragments.bytes = static_cast<uint32_t>(bytes.size());
  for (size_t i = 0; i < count; ++i) {
    const size_t size = std::min(model::kXdpPage, bytes.size() - i * model::kXdpPage);
    fragments.list[i] = {pages.get() + i * model::kXdpPage, static_cast<uint32_t>(size),
                         model::kXdpPage};
  }
  return pages;
}

Result<TestRunOutput> RunXdp(const Executable& executable, ExecutionContext& context,
                             const TestRunInput& input) {
  if (input.flags != 0) return Refuse(kInvalid, "flags that xdp test runs do not know");
  SKEP_TRY(XdpMd md, ReadContext<XdpMd>(input.context));
  const bool has_context = !input.context.empty();
  if (input.data.size() < model::kEthernetHeader + uint64_t{md.data}) {
    return Refuse(kInvalid, "a packet needs an Ethernet header of 14 bytes");
  }
  if (has_context) SKEP_TRY_VOID(CheckXdp(md, input.data.size(), context));
  const size_t linear =
      std::min(has_context ? size_t{md.data_end} : input.data.size(), kLinearMax + md.data);
  const model::PacketMemory page = model::NewPacketMemory(model::kXdpPage);
  if (page == nullptr) return Refuse(kNoMemory, "no memory for the packet");
  PacketInput packet;
  std::byte* meta = page.get() + model::kXdpHeadroom - md.data;
  std::copy_n(input.data.begin(), linear, meta);
  packet.data = {meta + md.data, linear - md.data};
  packet.meta_size = md.data;
  packet.rx_queue_index = md.rx_queue_index;
  model::XdpContext xdp = MakeXdp(packet);
  xdp.data_hard_start = page.get() + model::kXdpFrame;
  xdp.frame_end = page.get() + model::kXdpPage - model::kSharedInfo;
  model::PacketState& state = *ExecutionLayout::extras(context).packet;
  state.redirect = {};
  SKEP_TRY(const auto pages, Fragment(input.data.subspan(linear), state.fragments));
  if (state.fragments.count != 0) xdp.fragments = &state.fragments;

  TestRunOutput out;
  Repeat(executable, context, &xdp, input.repeat, out);
  out.data.assign(xdp.data_meta, xdp.data_end);
  out.linear_size = static_cast<uint32_t>(out.data.size());
  for (uint32_t i = 0; xdp.fragments != nullptr && i < xdp.fragments->count; ++i) {
    const PacketFragment& fragment = xdp.fragments->list[i];
    out.data.insert(out.data.end(), fragment.data, fragment.data + fragment.size);
  }
  md.data = static_cast<uint32_t>(xdp.data - xdp.data_meta);
  md.data_end = out.linear_size;
  out.context = Bytes(md);
  return out;
}

// ---- skb -----------------------------------------------------------------------

// Only these fields may be other than zero.
Result<void> CheckFields(SkBuff buff) {
  buff.mark = buff.priority = buff.ingress_ifindex = buff.ifindex = 0;
  std::fill(std::begin(buff.cb), std::end(buff.cb), 0);
  buff.tstamp = buff.hwtstamp = 0;
  buff.wire_len = buff.gso_segs = buff.gso_size = 0;
  const auto bytes = std::as_bytes(std::span(&buff, 1));
  if (std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; })) {
    return {};
  }
  return Refuse(kInvalid,
                "a context field is set that a test run does not take: mark, priority, "
                "ingress_ifindex, ifindex, cb, tstamp, wire_len, gso_segs, gso_size and hwtstamp "
                "are taken");
}

Result<SkbFields> FieldsFrom(const SkBuff& buff, uint32_t length) {
  constexpr uint32_t kMaxWire = 65536, kMaxSegments = 65535;
  SKEP_TRY_VOID(CheckFields(buff));
  SkbFields fields;
  fields.mark = buff.mark;
  fields.priority = buff.priority;
  fields.ingress_ifindex = buff.ingress_ifindex;
  std::copy(std::begin(buff.cb), std::end(buff.cb), fields.cb.begin());
  fields.tstamp = buff.tstamp;
  fields.hwtstamp = buff.hwtstamp;
  fields.wire_len = buff.wire_len == 0 ? length : buff.wire_len;
  if (fields.wire_len < length || fields.wire_len > kMaxWire) {
    return Refuse(kInvalid, "wire_len is less than the packet's length or more than 65536");
  }
  if (buff.gso_segs > kMaxSegments) return Refuse(kInvalid, "gso_segs is more than 65535");
  fields.gso_segs = buff.gso_segs;
  // Linux keeps 16 bits.
  fields.gso_size = static_cast<uint16_t>(buff.gso_size);
  return fields;
}

Result<void> CheckNetworkHeader(const model::SkbContext& skb) {
  constexpr uint32_t kIpv4 = 0x0008, kIpv6 = 0xdd86;  // network byte order
  constexpr ptrdiff_t kIpv4Header = 20, kIpv6Header = 40;
  const ptrdiff_t needed = skb.protocol == kIpv4   ? kIpv4Header
                           : skb.protocol == kIpv6 ? kIpv6Header
                                                   : 0;
  if (skb.data_end - skb.network >= needed) return {};
  return Refuse(kInvalid, "the packet ends inside the network header that its type asks for");
}

void FieldsTo(const model::SkbContext& skb, SkBuff& buff) {
  buff.mark = skb.mark;
  buff.priority = skb.priority;
  buff.ingress_ifindex = skb.ingress_ifindex;
  buff.ifindex = skb.ifindex;
  buff.tstamp = skb.tstamp;
  std::copy(std::begin(skb.cb), std::end(skb.cb), buff.cb);
  buff.wire_len = skb.wire_len;
  buff.gso_segs = skb.gso_segs;
  buff.hwtstamp = skb.hwtstamp;
}

Result<TestRunOutput> RunSkb(const Executable& executable, ExecutionContext& context,
                             const TestRunInput& input) {
  if ((input.flags & ~kTestRunChecksumComplete) != 0) {
    return Refuse(kInvalid, "flags that skb test runs do not know");
  }
  if (input.data.size() < model::kEthernetHeader || input.data.size() > kSkbMax) {
    return Refuse(kInvalid, "a packet of " + std::to_string(input.data.size()) +
                                " bytes, need 14 to " + std::to_string(kSkbMax));
  }
  SKEP_TRY(SkBuff buff, ReadContext<SkBuff>(input.context));
  if (buff.ifindex > kLoopback && !HasDevice(buff.ifindex, context)) {
    return Refuse(kNoDevice, "no device " + std::to_string(buff.ifindex));
  }
  const bool with_mac = SeesLinkLayer(executable.program().type());
  const model::PacketMemory page = model::NewPacketMemory(model::kXdpPage);
  if (page == nullptr) return Refuse(kNoMemory, "no memory for the packet");
  std::copy(input.data.begin(), input.data.end(), page.get() + kSkbPad);
  PacketInput packet;
  packet.data = {page.get() + kSkbPad, input.data.size()};
  if (buff.ifindex > kLoopback) packet.ingress_ifindex = buff.ifindex;
  model::SkbContext skb = MakeSkb(packet, with_mac);
  SKEP_TRY_VOID(CheckNetworkHeader(skb));
  if (!input.context.empty()) {
    SKEP_TRY(const SkbFields fields, FieldsFrom(buff, skb.len));
    TakeFields(fields, skb);
  }
  if (input.flags != 0) StartSum(skb);
  ExecutionLayout::extras(context).packet->redirect = {};

  TestRunOutput out;
  Repeat(executable, context, &skb, input.repeat, out);
  if (input.flags != 0 && out.result.ok() && !SumFits(skb)) {
    return Refuse(kBadMessage, "the packet's sum is not that of its bytes");
  }
  // The link-layer header of types that do not see it comes out as zeroes.
  if (!with_mac) out.data.resize(model::kEthernetHeader);
  out.data.insert(out.data.end(), skb.data, skb.data_end);
  out.linear_size = static_cast<uint32_t>(out.data.size());
  FieldsTo(skb, buff);
  out.context = Bytes(buff);
  return out;
}

}  // namespace

Result<TestRunOutput> TestRun(const Executable& executable, ExecutionContext& context,
                              const TestRunInput& input) {
  switch (executable.exec().program_type->host) {
    case HostContext::kXdp:
      return RunXdp(executable, context, input);
    case HostContext::kSkb:
      // Flow dissectors get keys to fill in, which are no part of a packet.
      if (executable.program().type() == ProgramTypeId::kFlowDissector) break;
      // Linux has no test run for what sockets receive.
      if (executable.program().type() == ProgramTypeId::kSkSkb) break;
      return RunSkb(executable, context, input);
    case HostContext::kBytes:
    case HostContext::kNone:
      break;
  }
  return Error{ErrorCode::kUnsupported, "programs of this type do not take packets", kNotSupported};
}

}  // namespace skep
