// SPDX-License-Identifier: Apache-2.0
// Pages of arenas.
#include <cerrno>

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {

uint64_t ArenaAllocPages(uint64_t map, uint64_t address, uint64_t pages, uint64_t node,
                         uint64_t flags, ExecutionContext&) noexcept {
  const auto wanted = static_cast<int32_t>(node);
  if (flags != 0 || (wanted != -1 && wanted != 0)) return 0;
  if (AsMap(map).type() != MapType::kArena) return 0;
  return AsMap(map).AllocPages(address, static_cast<uint32_t>(pages));
}

uint64_t ArenaFreePages(uint64_t map, uint64_t address, uint64_t pages, uint64_t, uint64_t,
                        ExecutionContext&) noexcept {
  AsMap(map).FreePages(address, static_cast<uint32_t>(pages));
  return 0;
}

uint64_t ArenaReservePages(uint64_t map, uint64_t address, uint64_t pages, uint64_t, uint64_t,
                           ExecutionContext&) noexcept {
  return static_cast<uint32_t>(AsMap(map).ReservePages(address, static_cast<uint32_t>(pages)));
}

}  // namespace skep::helpers
