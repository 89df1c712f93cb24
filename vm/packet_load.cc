// SPDX-License-Identifier: Apache-2.0
#include "vm/packet_load.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "model/host_context.h"

namespace skep {
namespace {

// Linux's SKF_NET_OFF and SKF_LL_OFF (linux/filter.h).
constexpr int64_t kNetworkOffset = -0x100000;
constexpr int64_t kLinkOffset = -0x200000;
constexpr ptrdiff_t kEthernetHeader = 14;

template <class T>
uint64_t Load(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t, ExecutionContext&) noexcept {
  const auto& skb = *reinterpret_cast<const model::SkbContext*>(r1);
  const int64_t offset = static_cast<int32_t>(r2);
  const std::byte* base = skb.data;
  int64_t at = offset;
  if (offset < 0) {
    if (offset < kLinkOffset) return static_cast<uint64_t>(-EFAULT);
    const bool network = offset >= kNetworkOffset;
    base = network ? skb.mac + kEthernetHeader : skb.mac;
    at = offset - (network ? kNetworkOffset : kLinkOffset);
  }
  if (at > skb.data_end - base - static_cast<ptrdiff_t>(sizeof(T))) {
    return static_cast<uint64_t>(-EFAULT);
  }
  T value;
  std::memcpy(&value, base + at, sizeof value);
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  return value;
}

constexpr HelperSpec Spec(std::string_view name, HelperFunction function) {
  return {.id = 0,
          .name = name,
          .args = {ArgSpec{.kind = ArgKind::kContext}, ArgSpec{.kind = ArgKind::kAnything}},
          .function = function};
}

}  // namespace

std::span<const HelperSpec> PacketLoadHelpers() {
  static constexpr std::array kHelpers = {Spec("packet_load_8", Load<uint8_t>),
                                          Spec("packet_load_16", Load<uint16_t>),
                                          Spec("packet_load_32", Load<uint32_t>)};
  return kHelpers;
}

}  // namespace skep
