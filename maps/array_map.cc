// SPDX-License-Identifier: Apache-2.0
#include "maps/array_map.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/word_copy.h"
#include "maps/array_key.h"
#include "maps/direct_helper.h"

namespace skep {
namespace {

bool IsPercpu(const MapSpec& spec) { return spec.type == MapType::kPercpuArray; }

uint64_t Stride(const MapSpec& spec) { return RoundUp(spec.value_size, 8); }

uint64_t CpuStride(const MapSpec& spec) {
  return IsPercpu(spec) ? RoundUp(spec.max_entries * Stride(spec), PageBytes()) : 0;
}

}  // namespace

ArrayMap::ArrayMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory memory)
    : Map(spec, environment.id,
          IsPercpu(spec) ? static_cast<uint32_t>(Stride(spec)) * environment.cpu_slots
                         : spec.value_size),
      memory_(std::move(memory)),
      fields_(spec, environment),
      stride_(Stride(spec)),
      cpu_stride_(CpuStride(spec)),
      cpus_(IsPercpu(spec) ? environment.cpu_slots : 1) {}

uint64_t ArrayMap::BytesFor(const MapSpec& spec, uint32_t cpu_slots) {
  return IsPercpu(spec) ? CpuStride(spec) * cpu_slots : spec.max_entries * Stride(spec);
}

Result<std::shared_ptr<Map>> ArrayMap::Create(const MapSpec& spec,
                                              const MapEnvironment& environment) {
  const uint64_t bytes = BytesFor(spec, environment.cpu_slots);
  SKEP_TRY(MapMemory memory, MapMemory::Take(environment, bytes));
  memory.PreferHugePages(0, bytes);
  if (spec.initial_value != nullptr && !IsPercpu(spec) && memory.shared() == nullptr) {
    const size_t initial = std::min<size_t>(spec.initial_value->size(), spec.value_size);
    if (initial != 0) std::memcpy(memory.base(), spec.initial_value->data(), initial);
  }
  return std::shared_ptr<Map>(new ArrayMap(spec, environment, std::move(memory)));
}

ArrayMap::~ArrayMap() {
  if (!fields_.any()) return;
  for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
    for (uint32_t i = 0; i < spec_.max_entries; ++i) fields_.End(At(i, cpu));
  }
  fields_.WaitForCallbacks(*this);
}

void ArrayMap::EndCallbacks() noexcept {
  if (!fields_.any()) return;
  for (uint32_t i = 0; i < spec_.max_entries; ++i) fields_.EndCallbacks(At(i, 0));
}

std::byte* ArrayMap::Lookup(const std::byte* key, uint32_t cpu) noexcept {
  const uint32_t index = IndexAt(key);
  return index < spec_.max_entries ? At(index, cpu) : nullptr;
}

int ArrayMap::CheckUpdate(uint32_t index, uint64_t flags) const {
  // In Linux's order, where a lock that is not there comes last.
  if ((flags & ~uint64_t{kUpdateLock}) > kUpdateExist) return -EINVAL;
  if (index >= spec_.max_entries) return -E2BIG;
  if ((flags & kUpdateNoExist) != 0) return -EEXIST;
  return fields_.CheckFlags(flags);
}

void ArrayMap::Store(std::byte* to, const std::byte* value, uint64_t flags) {
  if ((flags & kUpdateLock) != 0) {
    fields_.CopyLocked(to, value);
  } else {
    fields_.Copy(to, value);
  }
  fields_.End(to);
}

int ArrayMap::Update(const std::byte* key, const std::byte* value, uint64_t flags,
                     uint32_t cpu) noexcept {
  const uint32_t index = IndexAt(key);
  const int refused = CheckUpdate(index, flags);
  if (refused == 0) Store(At(index, cpu), value, flags);
  return refused;
}

int64_t ArrayMap::ForEach(uint32_t cpu, Visit visit, void* with) noexcept {
  for (uint32_t i = 0; i < spec_.max_entries; ++i) {
    alignas(8) std::byte key[8] = {};
    std::memcpy(key, &i, sizeof i);
    if (!visit(with, key, At(i, cpu))) return int64_t{i} + 1;
  }
  return spec_.max_entries;
}

int ArrayMap::Delete(const std::byte*, uint32_t) noexcept { return -EINVAL; }
int ArrayMap::DoHostDelete(const std::byte*) noexcept { return -EINVAL; }

int ArrayMap::DoHostLookup(const std::byte* key, std::byte* value) noexcept {
  const uint32_t index = IndexAt(key);
  if (index >= spec_.max_entries) return -ENOENT;
  for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
    std::byte* to = value + cpu * stride_;
    const std::byte* from = At(index, cpu);
    fields_.CopyOut(to, from);
    // Per-CPU values travel with their padding, which nobody writes but the host.
    if (cpu_stride_ != 0) {
      CopyWords(to + spec_.value_size, from + spec_.value_size, stride_ - spec_.value_size);
    }
  }
  return 0;
}

int ArrayMap::DoHostLookupLocked(const std::byte* key, std::byte* value) noexcept {
  if (!fields_.has_lock() || cpu_stride_ != 0) return -EINVAL;
  const uint32_t index = IndexAt(key);
  if (index >= spec_.max_entries) return -ENOENT;
  fields_.CopyOutLocked(value, At(index, 0));
  return 0;
}

int ArrayMap::DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept {
  const uint32_t index = IndexAt(key);
  const int refused = CheckUpdate(index, flags);
  if (refused != 0) return refused;
  for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
    std::byte* to = At(index, cpu);
    const std::byte* from = value + cpu * stride_;
    Store(to, from, flags);
    if (cpu_stride_ != 0) {
      CopyWords(to + spec_.value_size, from + spec_.value_size, stride_ - spec_.value_size);
    }
  }
  return 0;
}

int ArrayMap::DoNextKey(const std::byte* key, std::byte* next) noexcept {
  return NextIndex(key, spec_.max_entries, next);
}

DirectView ArrayMap::direct_view() const noexcept {
  return {memory_.base(), stride_, cpu_stride_, spec_.max_entries};
}

HelperFunction ArrayMap::helper_function(uint32_t helper_id) const noexcept {
  return DirectHelper<ArrayMap>(helper_id);
}

std::optional<Extent> ArrayMap::ElementAt(const std::byte* address) const noexcept {
  if (!memory_.Contains(address)) return std::nullopt;
  auto offset = static_cast<uint64_t>(address - memory_.base());
  uint32_t cpu = 0;
  if (cpu_stride_ != 0) {
    cpu = static_cast<uint32_t>(offset / cpu_stride_);
    offset %= cpu_stride_;
  }
  const uint64_t index = offset / stride_;
  if (index >= spec_.max_entries || offset % stride_ >= spec_.value_size) return std::nullopt;
  return Extent{At(static_cast<uint32_t>(index), cpu), spec_.value_size,
                (spec_.flags & kMapRdonlyProg) == 0};
}

}  // namespace skep
