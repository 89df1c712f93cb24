// SPDX-License-Identifier: Apache-2.0
// Batches: many elements of a map in one call, as bpf(2) has them
// (BPF_MAP_LOOKUP_BATCH and its three sisters).
//
//   MapBatch batch{.out = token, .keys = keys, .values = values, .count = 64};
//   int result = LookupBatch(map, batch);      // 0: there may be more, from .out on
//   batch.in = token; batch.count = 64; ...    // -ENOENT: that was the last of it
//
// Which types have them: arrays (lookup, update), LPM tries (also delete), hashes of
// every kind (all four), arrays and hashes of maps as these; others: -ENOTSUPP.
//
// On every outcome but -EINVAL, -EPERM and -ENOTSUPP `count` becomes the number of
// elements that were read, written or removed: also in front of one that failed.
// A count of 0 does nothing and succeeds.
//
// Threads and permissions: as the Host functions of Map. A lookup is no snapshot: an
// element that is there all the time is seen exactly once, in a hash also if others come
// and go; what comes or goes meanwhile may be seen or not.

#ifndef SKEP_MAP_BATCH_H_
#define SKEP_MAP_BATCH_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "skep/map.h"

namespace skep {

struct MapBatch {
  // Lookups: `in` is null or what an earlier batch wrote to `out`, BatchTokenSize
  // bytes; it may be the same memory. REQUIRES of lookups: `out` is not null.
  const std::byte* in = nullptr;
  std::byte* out = nullptr;
  std::byte* keys = nullptr;    // count * key_size bytes
  std::byte* values = nullptr;  // count * host_value_size() bytes
  uint32_t count = 0;           // in: room or elements; out: elements done
  uint64_t elem_flags = 0;      // BPF_F_LOCK or 0
};

// Linux's numbers of the commands.
enum class MapBatchCommand : uint8_t { kLookup = 24, kLookupAndDelete, kUpdate, kDelete };

// Bytes of `in` and `out`: a key, or for hashes 4 bytes if that is more.
inline size_t BatchTokenSize(const Map& map) { return std::max(map.spec().key_size, 4u); }

// The next elements from `in` on, as many as there is room for. Returns 0; -ENOENT at
// the end, of hashes together with the last elements, of other types alone; -ENOSPC if
// a hash has more elements in one place than there is room for: try again with more.
inline int LookupBatch(Map& map, MapBatch& batch) noexcept {
  return map.HostBatch(MapBatchCommand::kLookup, batch);
}
// The same, and removes them.
inline int LookupAndDeleteBatch(Map& map, MapBatch& batch) noexcept {
  return map.HostBatch(MapBatchCommand::kLookupAndDelete, batch);
}
// Inserts or replaces one after the other, until one fails: its error is returned.
inline int UpdateBatch(Map& map, MapBatch& batch) noexcept {
  return map.HostBatch(MapBatchCommand::kUpdate, batch);
}
// Removes one after the other, until one fails (-ENOENT for a key that is not there).
inline int DeleteBatch(Map& map, MapBatch& batch) noexcept {
  return map.HostBatch(MapBatchCommand::kDelete, batch);
}

}  // namespace skep

#endif  // SKEP_MAP_BATCH_H_
