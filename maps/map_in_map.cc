// SPDX-License-Identifier: Apache-2.0
#include "maps/map_in_map.h"

#include "maps/array_key.h"
#include "maps/direct_helper.h"

namespace skep {

bool InnerMapFits(const MapSpec& like, const MapSpec& map) {
  // What a file descriptor may do is not a property of the map.
  constexpr uint32_t kPermanent = ~uint32_t{kMapRdonly | kMapWronly};
  if (like.type != map.type || like.key_size != map.key_size || like.value_size != map.value_size ||
      (like.flags & kPermanent) != (map.flags & kPermanent)) {
    return false;
  }
  if (like.type != MapType::kArray || (like.flags & kMapInnerMap) != 0) return true;
  return like.max_entries == map.max_entries;
}

ArrayOfMaps::ArrayOfMaps(const MapSpec& spec, const MapEnvironment& environment, Region region)
    : Map(spec, environment.id, spec.value_size), slots_(std::move(region), environment.epochs) {}

Result<std::shared_ptr<Map>> ArrayOfMaps::Create(const MapSpec& spec,
                                                 const MapEnvironment& environment) {
  SKEP_TRY(Region region, HandleSlots<Map>::Reserve(spec.max_entries));
  return std::shared_ptr<Map>(std::make_shared<ArrayOfMaps>(spec, environment, std::move(region)));
}

std::byte* ArrayOfMaps::Lookup(const std::byte* key, uint32_t) noexcept {
  const uint32_t index = IndexAt(key);
  if (index >= spec_.max_entries) return nullptr;
  // Map helpers take the address of the Map as their first argument.
  return reinterpret_cast<std::byte*>(slots_.Load(index));
}

HelperFunction ArrayOfMaps::helper_function(uint32_t helper_id) const noexcept {
  return helper_id == 1 ? DirectHelper<ArrayOfMaps>(helper_id) : nullptr;
}

int ArrayOfMaps::DoHostLookup(const std::byte* key, std::byte* value) noexcept {
  const uint32_t index = IndexAt(key);
  if (index >= spec_.max_entries) return -ENOENT;
  const auto inner = slots_.Owner(index);
  if (inner == nullptr) return -ENOENT;
  const uint32_t inner_id = inner->id();
  std::memcpy(value, &inner_id, sizeof inner_id);
  return 0;
}

int ArrayOfMaps::DoHostUpdate(const std::byte* key, const std::byte*, uint64_t flags) noexcept {
  if (flags != kUpdateAny) return -EINVAL;
  return IndexAt(key) >= spec_.max_entries ? -E2BIG : -EBADF;
}

int ArrayOfMaps::DoSetMap(const std::byte* key, std::shared_ptr<Map> inner,
                          uint64_t flags) noexcept {
  if (flags != kUpdateAny) return -EINVAL;
  const uint32_t index = IndexAt(key);
  if (index >= spec_.max_entries) return -E2BIG;
  if (inner == nullptr || !InnerMapFits(*spec_.inner, inner->spec())) return -EINVAL;
  slots_.Put(index, std::move(inner));
  return 0;
}

int ArrayOfMaps::DoHostDelete(const std::byte* key) noexcept {
  const uint32_t index = IndexAt(key);
  if (index >= spec_.max_entries) return -E2BIG;
  return slots_.Put(index, nullptr) ? 0 : -ENOENT;
}

int ArrayOfMaps::DoNextKey(const std::byte* key, std::byte* next) noexcept {
  return NextIndex(key, spec_.max_entries, next);
}

}  // namespace skep
