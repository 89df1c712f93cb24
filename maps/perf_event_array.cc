// SPDX-License-Identifier: Apache-2.0
#include "maps/perf_event_array.h"

#include <algorithm>

#include "maps/array_key.h"

namespace skep {

PerfEventArray::PerfEventArray(const MapSpec& spec, const MapEnvironment& environment,
                               Region region)
    : Map(spec, environment.id, spec.value_size),
      slots_(std::move(region), environment.epochs),
      rings_(std::min(spec.max_entries, environment.cpu_slots)) {}

Result<std::shared_ptr<Map>> PerfEventArray::Create(const MapSpec& spec,
                                                    const MapEnvironment& environment) {
  SKEP_TRY(Region region, HandleSlots<model::PerfRing>::Reserve(spec.max_entries));
  return std::shared_ptr<Map>(
      std::make_shared<PerfEventArray>(spec, environment, std::move(region)));
}

DirectView PerfEventArray::direct_view() const noexcept {
  return {slots_.base(), slots_.stride(), 0, spec_.max_entries};
}

int PerfEventArray::DoHostUpdate(const std::byte* key, const std::byte*, uint64_t flags) noexcept {
  if (flags != kUpdateAny) return -EINVAL;
  return IndexAt(key) >= spec_.max_entries ? -E2BIG : -EBADF;
}

int PerfEventArray::DoHostDelete(const std::byte* key) noexcept {
  const uint32_t index = IndexAt(key);
  if (index >= spec_.max_entries) return -E2BIG;
  return slots_.Put(index, nullptr) ? 0 : -ENOENT;
}

int PerfEventArray::DoNextKey(const std::byte* key, std::byte* next) noexcept {
  return NextIndex(key, spec_.max_entries, next);
}

}  // namespace skep
