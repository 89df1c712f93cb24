// SPDX-License-Identifier: Apache-2.0
#include "maps/storage_map.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/region.h"
#include "maps/hash_map.h"

namespace skep {
namespace {

// Linux counts no objects. Here the values are one region, which costs address
// space alone until it is used.
constexpr uint64_t kMostObjects = 1u << 20;
constexpr uint64_t kMostBytes = uint64_t{1} << 32;

MapSpec ByAddress(const MapSpec& spec) {
  MapSpec out = spec;
  out.type = MapType::kHash;
  out.key_size = sizeof(uint64_t);
  out.btf_key_type_id = 0;
  out.max_entries =
      static_cast<uint32_t>(std::min(kMostObjects, kMostBytes / RoundUp(spec.value_size, 64)));
  return out;
}

}  // namespace

StorageMap::StorageMap(const MapSpec& spec, const MapEnvironment& environment,
                       std::shared_ptr<Map> values)
    : Map(spec, environment.id, spec.value_size),
      values_(std::move(values)),
      zeroes_(spec.value_size) {}

Result<std::shared_ptr<Map>> StorageMap::Create(const MapSpec& spec,
                                                const MapEnvironment& environment) {
  if ((spec.flags & kMapClone) != 0) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("map '{}': BPF_F_CLONE copies values when Linux clones a socket; the "
                             "objects here are the host's",
                             spec.name),
                 EOPNOTSUPP};
  }
  SKEP_TRY(auto values, CreateHashMap(ByAddress(spec), environment));
  return std::shared_ptr<Map>(std::make_shared<StorageMap>(spec, environment, std::move(values)));
}

std::byte* StorageMap::Lookup(const std::byte* object, uint32_t cpu) noexcept {
  return values_->Lookup(object, cpu);
}

int StorageMap::Update(const std::byte* object, const std::byte* value, uint64_t flags,
                       uint32_t cpu) noexcept {
  return values_->Update(object, value != nullptr ? value : zeroes_.data(), flags, cpu);
}

int StorageMap::Delete(const std::byte* object, uint32_t cpu) noexcept {
  return values_->Delete(object, cpu);
}

}  // namespace skep
