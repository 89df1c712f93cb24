// SPDX-License-Identifier: Apache-2.0
#include "vm/packet_load.h"

#include <array>
#include <cerrno>
#include <cstdint>

#include "model/packet_load.h"

namespace skep {
namespace {

template <class T>
uint64_t Load(uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t, ExecutionContext&) noexcept {
  const auto* skb = reinterpret_cast<const model::SkbContext*>(r1);
  const uint64_t value = model::LoadPacket(skb, static_cast<int32_t>(r2), sizeof(T));
  return value == model::kPacketLoadFailed ? static_cast<uint64_t>(-EFAULT) : value;
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
