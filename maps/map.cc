// SPDX-License-Identifier: Apache-2.0
#include "skep/map.h"

#include <cerrno>
#include <utility>

#include "base/check.h"
#include "maps/batch.h"
#include "model/value_type.h"

namespace skep {

Map::Map(MapSpec spec, uint32_t id, uint32_t host_value_size)
    : spec_(std::move(spec)), id_(id), host_value_size_(host_value_size) {
  SKEP_CHECK(id != 0);
}

Map::~Map() = default;

// What a type does not define is what Linux says of types without the
// operation. Programs never get here: the verifier knows which helpers take
// which types.
std::byte* Map::Lookup(const std::byte*, uint32_t) noexcept { return nullptr; }
int Map::Update(const std::byte*, const std::byte*, uint64_t, uint32_t) noexcept {
  return -EOPNOTSUPP;
}
int Map::Delete(const std::byte*, uint32_t) noexcept { return -EOPNOTSUPP; }
int Map::Push(const std::byte*, uint64_t) noexcept { return -EOPNOTSUPP; }
int Map::Pop(std::byte*) noexcept { return -EOPNOTSUPP; }
int Map::Peek(std::byte*) noexcept { return -EOPNOTSUPP; }

int64_t Map::ForEach(uint32_t, Visit, void*) noexcept { return -EINVAL; }
uint64_t Map::element_count() const noexcept { return 0; }
uint64_t Map::AllocPages(uint64_t, uint32_t) noexcept { return 0; }
void Map::FreePages(uint64_t, uint32_t) noexcept {}
int Map::ReservePages(uint64_t, uint32_t) noexcept { return -EINVAL; }
const model::ArenaView* Map::arena() const noexcept { return nullptr; }
std::shared_ptr<Map> Map::ByObject() const noexcept { return nullptr; }
int64_t Map::StackId(std::span<const uint64_t>, uint64_t) noexcept { return -EINVAL; }

int Map::DoHostLookup(const std::byte*, std::byte*) noexcept { return -EOPNOTSUPP; }
int Map::DoHostUpdate(const std::byte*, const std::byte*, uint64_t) noexcept { return -EOPNOTSUPP; }
int Map::DoHostDelete(const std::byte*) noexcept { return -EOPNOTSUPP; }
int Map::DoHostLookupAndDelete(const std::byte*, std::byte*) noexcept { return -kEnotsupp; }
int Map::DoNextKey(const std::byte*, std::byte*) noexcept { return -EOPNOTSUPP; }
uint32_t Map::batch_commands() const noexcept { return 0; }
// NOLINTNEXTLINE(performance-unnecessary-value-param): maps of maps keep it.
int Map::DoSetMap(const std::byte*, std::shared_ptr<Map>, uint64_t) noexcept { return -EINVAL; }

// A writer first says that it writes, then looks whether the map is frozen;
// Freeze first freezes, then looks for writers. One of the two sees the other.
template <class Write>
int Map::HostWrite(Write write) noexcept {
  if ((spec_.flags & kMapRdonly) != 0) return -EPERM;
  host_writers_.fetch_add(1, std::memory_order_seq_cst);
  const int result = frozen_.load(std::memory_order_seq_cst) ? -EPERM : write();
  host_writers_.fetch_sub(1, std::memory_order_release);
  return result;
}

int Map::Freeze() noexcept {
  if (value_type() != nullptr) return -kEnotsupp;  // programs go on changing such values
  if ((spec_.flags & kMapRdonly) != 0) return -EPERM;
  if (frozen_.exchange(true, std::memory_order_seq_cst)) return -EPERM;
  if (host_writers_.load(std::memory_order_seq_cst) == 0) return 0;
  frozen_.store(false, std::memory_order_seq_cst);
  return -EBUSY;
}

// Types without keys take none.
static bool KeyFits(const MapSpec& spec, const std::byte* key) {
  return spec.key_size != 0 || key == nullptr;
}

// A BPF_F_LOCK without a lock in the value is EINVAL; only arrays and hashes have
// one, and for these a program's lookup finds the value.
int Map::HostLookup(const std::byte* key, std::byte* value, uint64_t flags) noexcept {
  if ((flags & ~uint64_t{kUpdateLock}) != 0) return -EINVAL;
  if ((spec_.flags & kMapWronly) != 0) return -EPERM;
  if (!KeyFits(spec_, key)) return -EINVAL;
  if (flags == 0) return DoHostLookup(key, value);
  return DoHostLookupLocked(key, value);
}

int Map::HostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept {
  return HostWrite([&] {
    if ((flags & kUpdateLock) != 0 && !HasLock()) return -EINVAL;
    return KeyFits(spec_, key) ? DoHostUpdate(key, value, flags) : -EINVAL;
  });
}

int Map::HostDelete(const std::byte* key) noexcept {
  return HostWrite([&] { return KeyFits(spec_, key) ? DoHostDelete(key) : -EINVAL; });
}

int Map::HostLookupAndDelete(const std::byte* key, std::byte* value, uint64_t flags) noexcept {
  if ((flags & ~uint64_t{kUpdateLock}) != 0) return -EINVAL;
  if ((spec_.flags & kMapWronly) != 0) return -EPERM;
  return HostWrite([&] {
    if ((flags != 0 && !HasLock()) || !KeyFits(spec_, key)) return -EINVAL;
    return DoHostLookupAndDelete(key, value);
  });
}

int Map::NextKey(const std::byte* key, std::byte* next) noexcept {
  if ((spec_.flags & kMapWronly) != 0) return -EPERM;
  return KeyFits(spec_, key) ? DoNextKey(key, next) : -EINVAL;
}

int Map::HostBatch(MapBatchCommand command, MapBatch& batch) noexcept {
  const bool reads =
      command == MapBatchCommand::kLookup || command == MapBatchCommand::kLookupAndDelete;
  if (reads && (spec_.flags & kMapWronly) != 0) return -EPERM;
  const auto run = [&] {
    if ((batch_commands() & BatchBit(command)) == 0) return -kEnotsupp;
    if ((batch.elem_flags & ~uint64_t{kUpdateLock}) != 0) return -EINVAL;
    if (batch.elem_flags != 0 && !HasLock()) return -EINVAL;
    return batch.count == 0 ? 0 : DoHostBatch(command, batch);
  };
  return command == MapBatchCommand::kLookup ? run() : HostWrite(run);
}

int Map::SetMap(const std::byte* key, std::shared_ptr<Map> inner, uint64_t flags) noexcept {
  return HostWrite([&] { return DoSetMap(key, std::move(inner), flags); });
}

bool Map::HasLock() const noexcept {
  return value_type() != nullptr &&
         value_type()->Find(model::MaskOf(model::SpecialKind::kSpinLock)) != nullptr;
}

int Map::DoHostLookupLocked(const std::byte*, std::byte*) noexcept { return -EINVAL; }

void Map::RemoveUser() noexcept {
  if (users_.fetch_sub(1, std::memory_order_seq_cst) == 1) EndCallbacks();
}

void Map::EndCallbacks() noexcept {}
const model::ValueType* Map::value_type() const noexcept { return nullptr; }

DirectView Map::direct_view() const noexcept { return {}; }
HelperFunction Map::helper_function(uint32_t) const noexcept { return nullptr; }
std::optional<Extent> Map::ElementAt(const std::byte*) const noexcept { return std::nullopt; }

}  // namespace skep
