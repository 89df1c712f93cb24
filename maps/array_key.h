// SPDX-License-Identifier: Apache-2.0
// Keys of array-like maps: u32 indexes below max_entries.

#ifndef SKEP_MAPS_ARRAY_KEY_H_
#define SKEP_MAPS_ARRAY_KEY_H_

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/memory_access.h"

namespace skep {

inline uint32_t IndexAt(const std::byte* key) {
  return LoadRelaxed<uint32_t>(reinterpret_cast<uint64_t>(key));
}

// As Map::NextKey: an index out of range starts over.
inline int NextIndex(const std::byte* key, uint32_t max_entries, std::byte* next) {
  uint32_t index = 0;
  if (key != nullptr) {
    const uint32_t current = IndexAt(key);
    if (current == max_entries - 1) return -ENOENT;
    index = current >= max_entries ? 0 : current + 1;
  }
  std::memcpy(next, &index, sizeof index);
  return 0;
}

}  // namespace skep

#endif  // SKEP_MAPS_ARRAY_KEY_H_
