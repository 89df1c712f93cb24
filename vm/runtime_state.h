// SPDX-License-Identifier: Apache-2.0
// The inside of Runtime.

#ifndef SKEP_VM_RUNTIME_STATE_H_
#define SKEP_VM_RUNTIME_STATE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "skep/runtime.h"

#include "base/epoch.h"
#include "maps/create.h"
#include "model/async_service.h"
#include "model/helper_entry.h"
#include "model/object_heap.h"
#include "model/runtime_services.h"
#include "model/shared_rings.h"
#include "vm/lower.h"

namespace skep {

// Which CPU slots have a context. Threads: safe.
class CpuSlots {
 public:
  // Those before `first` are never given.
  CpuSlots(uint32_t count, uint32_t first) : taken_(count) {
    for (uint32_t slot = 0; slot < first; ++slot) taken_[slot] = true;
  }
  std::optional<uint32_t> Take();
  void Give(uint32_t slot);
  uint32_t size() const { return static_cast<uint32_t>(taken_.size()); }

 private:
  std::mutex mutex_;
  std::vector<bool> taken_;  // guarded by mutex_
};

// 64 bits that differ from call to call, for seeds.
uint64_t RandomSeed();

struct Runtime::State {
  State(uint32_t slots, uint32_t first_slot);
  // What runs left to be freed may still need the members.
  ~State() { epochs->Collect(); }

  MapEnvironment map_environment(std::shared_ptr<const model::ValueType> value_type = nullptr) {
    return {.cpu_slots = environment.cpu_slots,
            .id = next_map_id.fetch_add(1, std::memory_order_relaxed),
            .epochs = epochs,
            .value_type = std::move(value_type),
            .async = &async,
            .shared_rings = &shared_rings};
  }
  Result<std::unique_ptr<ExecutionContext>> NewContext();
  LowerInput lower_input(std::span<const std::shared_ptr<Map>> maps) const {
    return {.environment = &environment, .helpers = helper_entries, .maps = maps};
  }
  uint32_t NextProgramId() { return next_program_id.fetch_add(1, std::memory_order_relaxed); }

  // Shared with contexts, which give their slot back when they go.
  std::shared_ptr<CpuSlots> cpus;
  std::vector<HelperSpec> helpers;  // ascending by id
  std::vector<model::HelperEntry> helper_entries;
  std::vector<ProgramType> program_types;
  Environment environment;
  std::atomic<uint32_t> next_program_id{1};
  std::atomic<uint32_t> next_map_id{1};
  // The key of hashes and SYN cookies, the same for all contexts.
  const std::array<uint64_t, 2> packet_secret{RandomSeed(), RandomSeed()};
  std::shared_ptr<EpochDomain> epochs = std::make_shared<EpochDomain>();
  model::ObjectHeap heap{epochs};
  model::SharedRings shared_rings;
  model::RuntimeServices services;
  std::function<void(ExecutionContext&)> on_callback_context;
  // The last one: its threads use the others.
  model::AsyncService async;
};

}  // namespace skep

#endif  // SKEP_VM_RUNTIME_STATE_H_
