// SPDX-License-Identifier: Apache-2.0
// Sockets and cgroups out of tables that the host fills with its own numbers
// (maps/socket_tables.h). The host hears of a choice by PacketHooks::choose_socket.
#include <cerrno>

#include "helpers/functions.h"
#include "helpers/packet_registers.h"
#include "model/socket_table.h"

namespace skep::helpers {
namespace {

using model::SocketTable;

constexpr uint64_t kSkDrop = 0, kSkPass = 1;
constexpr uint64_t kIngress = 1u << 0;

uint64_t NumberAt(uint64_t map, const std::byte* key) {
  const SocketTable* table = SocketTable::Of(AsMap(map));
  return table == nullptr ? 0 : table->NumberAt(key);
}

void Choose(ExecutionContext& context, uint64_t number, uint64_t flags) {
  if (const auto& hook = PacketHooksOf(context).choose_socket; hook) hook(number, flags);
}

uint64_t Redirect(uint64_t map, const std::byte* key, uint64_t flags, ExecutionContext& context) {
  if ((flags & ~kIngress) != 0) return kSkDrop;
  const uint64_t number = NumberAt(map, key);
  if (number == 0) return kSkDrop;
  Choose(context, number, flags);
  return kSkPass;
}

// Slots are 32 bits of the register.
uint64_t RedirectBySlot(uint64_t map, uint64_t r3, uint64_t flags, ExecutionContext& context) {
  const auto slot = static_cast<uint32_t>(r3);
  return Redirect(map, reinterpret_cast<const std::byte*>(&slot), flags, context);
}

uint64_t PutOwn(uint64_t map, uint64_t key, uint64_t flags, ExecutionContext& context) {
  const uint64_t number = PacketHooksOf(context).socket_number;
  SocketTable* table = SocketTable::Of(AsMap(map));
  if (number == 0 || table == nullptr) return FromResult(-EOPNOTSUPP);
  return FromResult(table->PutNumber(AsBytes(key), number, flags));
}

}  // namespace

uint64_t SkRedirectMap(uint64_t, uint64_t map, uint64_t slot, uint64_t flags, uint64_t,
                       ExecutionContext& context) noexcept {
  return RedirectBySlot(map, slot, flags, context);
}

uint64_t MsgRedirectMap(uint64_t, uint64_t map, uint64_t slot, uint64_t flags, uint64_t,
                        ExecutionContext& context) noexcept {
  return RedirectBySlot(map, slot, flags, context);
}

uint64_t SkRedirectHash(uint64_t, uint64_t map, uint64_t key, uint64_t flags, uint64_t,
                        ExecutionContext& context) noexcept {
  return Redirect(map, AsBytes(key), flags, context);
}

uint64_t MsgRedirectHash(uint64_t, uint64_t map, uint64_t key, uint64_t flags, uint64_t,
                         ExecutionContext& context) noexcept {
  return Redirect(map, AsBytes(key), flags, context);
}

uint64_t SockMapUpdate(uint64_t, uint64_t map, uint64_t key, uint64_t flags, uint64_t,
                       ExecutionContext& context) noexcept {
  return PutOwn(map, key, flags, context);
}

uint64_t SockHashUpdate(uint64_t, uint64_t map, uint64_t key, uint64_t flags, uint64_t,
                        ExecutionContext& context) noexcept {
  return PutOwn(map, key, flags, context);
}

uint64_t SkSelectReuseport(uint64_t, uint64_t map, uint64_t key, uint64_t flags, uint64_t,
                           ExecutionContext& context) noexcept {
  if (flags != 0) return FromResult(-EINVAL);
  const uint64_t number = NumberAt(map, AsBytes(key));
  if (number == 0) return FromResult(-ENOENT);
  Choose(context, number, 0);
  return 0;
}

uint64_t CurrentTaskUnderCgroup(uint64_t map, uint64_t r2, uint64_t, uint64_t, uint64_t,
                                ExecutionContext& context) noexcept {
  const auto index = static_cast<uint32_t>(r2);
  if (index >= AsMap(map).spec().max_entries) return FromResult(-E2BIG);
  const uint64_t wanted = NumberAt(map, reinterpret_cast<const std::byte*>(&index));
  if (wanted == 0) return FromResult(-EAGAIN);
  const auto& hook = context.hooks().cgroup_id;
  if (hook == nullptr) return 0;
  if (hook(-1) == wanted) return 1;
  constexpr int kDeepest = 1024;
  for (int level = 0; level < kDeepest; ++level) {
    const uint64_t ancestor = hook(level);
    if (ancestor == wanted) return 1;
    if (ancestor == 0) break;
  }
  return 0;
}

}  // namespace skep::helpers
