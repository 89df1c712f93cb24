// SPDX-License-Identifier: Apache-2.0
// Batches of elements, one by one: what every type does that keeps no batches of
// its own.
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "skep/map_batch.h"

namespace skep {

int Map::DoHostBatch(MapBatchCommand command, MapBatch& batch) noexcept {
  const uint32_t room = std::exchange(batch.count, 0);
  const uint64_t key_size = spec_.key_size;
  int result = 0;
  if (command == MapBatchCommand::kUpdate || command == MapBatchCommand::kDelete) {
    for (; batch.count < room && result == 0; batch.count += result == 0) {
      const std::byte* key = batch.keys + batch.count * key_size;
      result = command == MapBatchCommand::kDelete
                   ? DoHostDelete(key)
                   : DoHostUpdate(key, batch.values + uint64_t{batch.count} * host_value_size_,
                                  batch.elem_flags);
    }
    return result;
  }
  std::vector<std::byte> before(key_size), key(key_size);
  bool has_before = batch.in != nullptr;
  if (has_before) std::memcpy(before.data(), batch.in, key_size);
  while (batch.count < room) {
    result = DoNextKey(has_before ? before.data() : nullptr, key.data());
    if (result != 0) break;
    std::byte* value = batch.values + uint64_t{batch.count} * host_value_size_;
    const int found = batch.elem_flags != 0 ? DoHostLookupLocked(key.data(), value)
                                            : DoHostLookup(key.data(), value);
    if (found == 0) {
      std::memcpy(batch.keys + batch.count * key_size, key.data(), key_size);
      ++batch.count;
    } else if (found != -ENOENT) {
      batch.count = 0;
      return found;
    }
    before.swap(key);
    has_before = true;
  }
  if (batch.count != 0) std::memcpy(batch.out, before.data(), key_size);
  return result;
}

}  // namespace skep
