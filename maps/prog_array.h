// SPDX-License-Identifier: Apache-2.0
// ProgArray: BPF_MAP_TYPE_PROG_ARRAY. Slots hold prepared programs; engines
// read them through direct_view() and jump there.
//
// All programs of one array are alike: the first program that is put into it,
// or that refers to it, fixes what the others must equal (its owner).
//
// Threads: any. A program that was replaced lives until no run can be in it.

#ifndef SKEP_MAPS_PROG_ARRAY_H_
#define SKEP_MAPS_PROG_ARRAY_H_

#include <optional>

#include "maps/create.h"
#include "maps/handle_slots.h"
#include "model/tail_target.h"

namespace skep {

class ProgArray final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  ProgArray(const MapSpec& spec, const MapEnvironment& environment, Region region);

  // To be called for a program that refers to the array before it runs. Returns
  // 0, or -EINVAL if the array belongs to programs of another kind.
  int BindOwner(const model::TailOwner& owner);
  // Returns 0, -E2BIG if the index is out of range, -EINVAL as BindOwner.
  int SetProgram(uint32_t index, std::shared_ptr<const model::TailTarget> program);
  // Empties all slots; the owner stays. What Linux does when the last reference
  // from user space goes, which also breaks cycles of programs and arrays.
  void Clear() { slots_.Clear(); }

  DirectView direct_view() const noexcept override;

 protected:
  // Values are program ids for the host to read; it writes programs by
  // SetProgram: the byte form needs a file descriptor and is -EBADF.
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override;
  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override;
  int DoHostDelete(const std::byte* key) noexcept override;
  int DoNextKey(const std::byte* key, std::byte* next) noexcept override;

 private:
  HandleSlots<const model::TailTarget> slots_;
  std::mutex owner_mutex_;
  std::optional<model::TailOwner> owner_;  // guarded by owner_mutex_
};

}  // namespace skep

#endif  // SKEP_MAPS_PROG_ARRAY_H_
