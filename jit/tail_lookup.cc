// SPDX-License-Identifier: Apache-2.0
#include "jit/tail_lookup.h"

namespace skep::jit {

const model::TailTarget* FindTailTarget(const Map* map, uint32_t index) noexcept {
  const DirectView slots = map->direct_view();
  if (slots.base == nullptr || index >= slots.max_entries) return nullptr;
  // The slot is written by other threads.
  const auto* slot =
      reinterpret_cast<const model::TailTarget* const*>(slots.base + index * slots.stride);
  return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

}  // namespace skep::jit
