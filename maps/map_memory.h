// SPDX-License-Identifier: Apache-2.0
// MapMemory: the one region that a map lives in: private to this process, or the
// body of a SharedRegion. Zeroed when the map is new.
//
// Threads: as Region. Lifetime: owns the pages, and keeps the attachment.

#ifndef SKEP_MAPS_MAP_MEMORY_H_
#define SKEP_MAPS_MAP_MEMORY_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "base/region.h"
#include "base/shared_region.h"
#include "maps/create.h"

namespace skep {

// A region that was created or opened for a map, before there is the Map.
struct SharedMapRegion {
  std::unique_ptr<SharedRegion> region;
  uint64_t body_bytes = 0;
  uint64_t seed = 0;
};

class MapMemory {
 public:
  // Of the environment's shared region, or else private. Fails with kSystem if
  // there is no memory. REQUIRES: a shared region has as many bytes.
  static Result<MapMemory> Take(const MapEnvironment& environment, uint64_t bytes);
  // As Take for a ring: `own` bytes that are private in either case, `head` bytes,
  // and `ring` bytes twice.
  static Result<MapMemory> TakeRing(const MapEnvironment& environment, uint64_t own, uint64_t head,
                                    uint64_t ring);

  std::byte* base() const { return region_.base(); }
  uint64_t size() const { return region_.size(); }
  bool Contains(const std::byte* address) const { return region_.Contains(address); }
  void PreferHugePages(uint64_t offset, uint64_t bytes) noexcept {
    if (shared_ == nullptr) region_.PreferHugePages(offset, bytes);
  }

  // Null if it is private.
  SharedRegion* shared() const { return shared_ == nullptr ? nullptr : shared_->region.get(); }
  // Whether another process may have left it half changed.
  bool needs_repair() const { return shared_ != nullptr && shared_->region->needs_repair(); }
  LockHolder holder() const {
    return shared_ == nullptr ? LockHolder{} : shared_->region->holder();
  }

 private:
  MapMemory(std::shared_ptr<SharedMapRegion> shared, Region region)
      : shared_(std::move(shared)), region_(std::move(region)) {}

  std::shared_ptr<SharedMapRegion> shared_;
  Region region_;
};

}  // namespace skep

#endif  // SKEP_MAPS_MAP_MEMORY_H_
