// SPDX-License-Identifier: Apache-2.0
#include "maps/prog_array.h"

#include "maps/array_key.h"

namespace skep {

ProgArray::ProgArray(const MapSpec& spec, const MapEnvironment& environment, Region region)
    : Map(spec, environment.id, spec.value_size), slots_(std::move(region), environment.epochs) {}

Result<std::shared_ptr<Map>> ProgArray::Create(const MapSpec& spec,
                                               const MapEnvironment& environment) {
  SKEP_TRY(Region region, HandleSlots<const model::TailTarget>::Reserve(spec.max_entries));
  return std::shared_ptr<Map>(std::make_shared<ProgArray>(spec, environment, std::move(region)));
}

int ProgArray::BindOwner(const model::TailOwner& owner) {
  const std::lock_guard lock(owner_mutex_);
  if (!owner_) owner_ = owner;
  return *owner_ == owner ? 0 : -EINVAL;
}

int ProgArray::SetProgram(uint32_t index, std::shared_ptr<const model::TailTarget> program) {
  if (index >= spec_.max_entries) return -E2BIG;
  const int refused = BindOwner(program->owner);
  if (refused == 0) slots_.Put(index, std::move(program));
  return refused;
}

DirectView ProgArray::direct_view() const noexcept {
  return {slots_.base(), slots_.stride(), 0, spec_.max_entries};
}

int ProgArray::DoHostLookup(const std::byte* key, std::byte* value) noexcept {
  const uint32_t index = IndexAt(key);
  if (index >= spec_.max_entries) return -ENOENT;
  const auto program = slots_.Owner(index);
  if (program == nullptr) return -ENOENT;
  std::memcpy(value, &program->program_id, sizeof program->program_id);
  return 0;
}

int ProgArray::DoHostUpdate(const std::byte* key, const std::byte*, uint64_t flags) noexcept {
  if (flags != kUpdateAny) return -EINVAL;
  return IndexAt(key) >= spec_.max_entries ? -E2BIG : -EBADF;
}

int ProgArray::DoHostDelete(const std::byte* key) noexcept {
  const uint32_t index = IndexAt(key);
  if (index >= spec_.max_entries) return -E2BIG;
  return slots_.Put(index, nullptr) ? 0 : -ENOENT;
}

int ProgArray::DoNextKey(const std::byte* key, std::byte* next) noexcept {
  return NextIndex(key, spec_.max_entries, next);
}

}  // namespace skep
