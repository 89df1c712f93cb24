// SPDX-License-Identifier: Apache-2.0
// ArrayMap: BPF_MAP_TYPE_ARRAY and BPF_MAP_TYPE_PERCPU_ARRAY. Keys are the u32
// indexes 0 .. max_entries - 1; every element exists, zeroed, from the start
// and cannot be deleted.
//
// Layout: values of round_up(value_size, 8) bytes, one after another; for the
// per-CPU type one such block for each CPU slot, in pages of its own.
//
// Threads: any number of threads may call any method at once. Lookup returns a
// pointer into the map; updates write in place, so a reader may see a value
// half written, as in the kernel (each aligned word is whole). Pointers stay
// valid until the map is destroyed.

#ifndef SKEP_MAPS_ARRAY_MAP_H_
#define SKEP_MAPS_ARRAY_MAP_H_

#include "maps/batch.h"
#include "maps/create.h"
#include "maps/map_memory.h"
#include "maps/value_fields.h"

namespace skep {

class ArrayMap final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  // The memory that it needs.
  static uint64_t BytesFor(const MapSpec& spec, uint32_t cpu_slots);
  ~ArrayMap() override;

  // Null if the index is out of range.
  std::byte* Lookup(const std::byte* key, uint32_t cpu) noexcept override;
  // -EINVAL for unknown flags and for BPF_F_LOCK without a lock, -E2BIG if the
  // index is out of range, -EEXIST for BPF_NOEXIST. What the element's special
  // fields own is let go.
  int Update(const std::byte* key, const std::byte* value, uint64_t flags,
             uint32_t cpu) noexcept override;
  // Always -EINVAL.
  int Delete(const std::byte* key, uint32_t cpu) noexcept override;

  // Ascending by index.
  int64_t ForEach(uint32_t cpu, Visit visit, void* with) noexcept override;

  DirectView direct_view() const noexcept override;
  const model::ValueType* value_type() const noexcept override { return fields_.type(); }
  HelperFunction helper_function(uint32_t helper_id) const noexcept override;
  std::optional<Extent> ElementAt(const std::byte* address) const noexcept override;

 protected:
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostLookupLocked(const std::byte* key, std::byte* value) noexcept override;
  void EndCallbacks() noexcept override;
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;
  int DoHostDelete(const std::byte* key) noexcept override;
  int DoNextKey(const std::byte* key, std::byte* next) noexcept override;
  uint32_t batch_commands() const noexcept override { return kBatchesOfArrays; }

 private:
  ArrayMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory memory);

  int CheckUpdate(uint32_t index, uint64_t flags) const;
  void Store(std::byte* to, const std::byte* value, uint64_t flags);
  std::byte* At(uint32_t index, uint32_t cpu) const {
    return memory_.base() + cpu * cpu_stride_ + index * stride_;
  }

  const MapMemory memory_;
  const ValueFields fields_;
  const uint64_t stride_;
  const uint64_t cpu_stride_;  // 0 for the plain array
  const uint32_t cpus_;        // 1 for the plain array
};

}  // namespace skep

#endif  // SKEP_MAPS_ARRAY_MAP_H_
