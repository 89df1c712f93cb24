// SPDX-License-Identifier: Apache-2.0
// What the map types share of batches (skep/map_batch.h).

#ifndef SKEP_MAPS_BATCH_H_
#define SKEP_MAPS_BATCH_H_

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "skep/map_batch.h"

#include "maps/hash_table.h"

namespace skep {

// For Map::batch_commands().
constexpr uint32_t BatchBit(MapBatchCommand command) {
  return 1u << (static_cast<uint32_t>(command) - static_cast<uint32_t>(MapBatchCommand::kLookup));
}
inline constexpr uint32_t kBatchesOfArrays =
    BatchBit(MapBatchCommand::kLookup) | BatchBit(MapBatchCommand::kUpdate);
inline constexpr uint32_t kBatchesOfTries = kBatchesOfArrays | BatchBit(MapBatchCommand::kDelete);
inline constexpr uint32_t kAllBatches =
    kBatchesOfTries | BatchBit(MapBatchCommand::kLookupAndDelete);

// A lookup, with `remove` a lookup and delete, by the places of a hash table.
// `copy(element, value)` copies a value out; `taken(element)` sees what is removed.
// REQUIRES: batch.count > 0.
template <class Copy, class Taken>
int HashBatch(HashTable& table, const Map& map, MapBatch& batch, bool remove, Copy copy,
              Taken taken) noexcept {
  const uint32_t room = std::exchange(batch.count, 0);
  uint32_t at = 0;
  if (batch.in != nullptr) std::memcpy(&at, batch.in, sizeof at);
  const uint64_t key_size = map.spec().key_size;
  const uint64_t value_size = map.host_value_size();
  // A token from beyond the table: Linux says so before it touches `out`.
  if (at >= table.end_of_batches()) return -ENOENT;
  const bool fits = table.Batch(&at, room, [&](uint32_t element) {
    std::memcpy(batch.keys + batch.count * key_size, table.KeyBytes(element), key_size);
    copy(element, batch.values + batch.count * value_size);
    ++batch.count;
    if (remove) taken(element);
    return remove;
  });
  std::memcpy(batch.out, &at, sizeof at);
  if (at >= table.end_of_batches()) return -ENOENT;
  return fits ? 0 : -ENOSPC;
}

}  // namespace skep

#endif  // SKEP_MAPS_BATCH_H_
