// SPDX-License-Identifier: Apache-2.0
#include "maps/map_memory.h"

#include "base/check.h"

namespace skep {

Result<MapMemory> MapMemory::Take(const MapEnvironment& environment, uint64_t bytes) {
  const auto& shared = environment.shared;
  if (shared == nullptr) {
    SKEP_TRY(Region region, Region::Anonymous(bytes));
    return MapMemory(nullptr, std::move(region));
  }
  SKEP_CHECK(shared->body_bytes >= bytes);
  SKEP_TRY(Region region, Region::OfFile(shared->region->file().fd(), PageBytes(), bytes));
  return MapMemory(shared, std::move(region));
}

Result<MapMemory> MapMemory::TakeRing(const MapEnvironment& environment, uint64_t own,
                                      uint64_t head, uint64_t ring) {
  const auto& shared = environment.shared;
  if (shared == nullptr) {
    SKEP_TRY(Region region, Region::Mirrored(own + head, ring));
    return MapMemory(nullptr, std::move(region));
  }
  SKEP_CHECK(shared->body_bytes >= head + ring);
  SKEP_TRY(Region region,
           Region::MirroredFile(shared->region->file().fd(), PageBytes(), own, head, ring));
  return MapMemory(shared, std::move(region));
}

}  // namespace skep
