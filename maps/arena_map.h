// SPDX-License-Identifier: Apache-2.0
// ArenaMap: BPF_MAP_TYPE_ARENA, up to 4 GiB of sparse memory that programs and the
// host share. Layout: guard | 4 GiB | guard, in one reservation at a multiple of
// 4 GiB, so that the address of a byte is the pointer that programs hold to it
// (unless map_extra asks for other pointers and that place is taken).
//
// Programs allocate pages before they use them; memory is taken when it is first
// written to. A freed page is given back to the system at once.
//
// Threads: any. Page calls take a lock; accesses none: one that races with the
// freeing of its page reads zeros or is lost, as in the kernel.

#ifndef SKEP_MAPS_ARENA_MAP_H_
#define SKEP_MAPS_ARENA_MAP_H_

#include <map>
#include <mutex>

#include "maps/create.h"
#include "model/arena_view.h"

namespace skep {

class ArenaMap final : public Map {
 public:
  // REQUIRES: CheckMapSpec(spec). Fails with kSystem if there is no memory.
  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment);
  ~ArenaMap() override;

  uint64_t AllocPages(uint64_t address, uint32_t pages) noexcept override;
  void FreePages(uint64_t address, uint32_t pages) noexcept override;
  // -EINVAL outside of the arena, -EBUSY if a page is taken.
  int ReservePages(uint64_t address, uint32_t pages) noexcept override;

  // The host's view of the first page; null where pointers are not addresses.
  DirectView direct_view() const noexcept override;
  const model::ArenaView* arena() const noexcept override { return &view_; }
  std::optional<Extent> ElementAt(const std::byte* address) const noexcept override;

 private:
  ArenaMap(const MapSpec& spec, const MapEnvironment& environment, std::byte* mapped,
           uint8_t* pages, uint64_t start);

  // The place of the page at `address` from the arena's start; may be outside.
  uint64_t IndexOf(uint64_t address) const;
  std::byte* PageAt(uint64_t index) const;
  void Mark(uint64_t index, uint64_t count, bool allocated);
  bool IsFree(uint64_t index, uint64_t count) const;
  void TakeRange(uint64_t index, uint64_t count);
  void GiveRange(uint64_t index, uint64_t count);

  std::byte* const mapped_;  // guards included
  uint8_t* const pages_;     // one byte a page, guards included
  model::ArenaView view_;
  std::mutex mutex_;
  std::map<uint64_t, uint64_t> free_;  // index to count; guarded by mutex_
};

}  // namespace skep

#endif  // SKEP_MAPS_ARENA_MAP_H_
