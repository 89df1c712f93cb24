// SPDX-License-Identifier: Apache-2.0
#include "maps/arena_map.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/mman.h>

#include "base/region.h"

namespace skep {
namespace {

using model::kArenaGuard;
using model::kArenaSpace;

constexpr uint64_t kPage = uint64_t{1} << model::kArenaPageShift;
constexpr uint64_t kMapped = kArenaSpace + 2 * kArenaGuard;
constexpr uint64_t kGuardPages = kArenaGuard / kPage;
constexpr uint64_t kTableBytes = kArenaSpace / kPage + 2 * kGuardPages;
constexpr int kLazy = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// Pages nobody has written to cost page tables alone.
void* MapLazily(void* where, uint64_t bytes, int flags) {
  void* mapped = mmap(where, bytes, PROT_READ | PROT_WRITE, kLazy | flags, -1, 0);
  return mapped == MAP_FAILED ? nullptr : mapped;
}

// A reservation whose middle part starts at `wanted`, or else at any multiple of
// 4 GiB. Null if there is no room.
std::byte* Reserve(uint64_t wanted) {
  if (wanted > kArenaGuard) {
    void* mapped =
        MapLazily(reinterpret_cast<void*>(wanted - kArenaGuard), kMapped, MAP_FIXED_NOREPLACE);
    if (mapped == reinterpret_cast<void*>(wanted - kArenaGuard)) {
      return static_cast<std::byte*>(mapped);
    }
    if (mapped != nullptr) munmap(mapped, kMapped);  // a kernel that knows no such flag
  }
  // Take more and give the ends back.
  const uint64_t all = kMapped + kArenaSpace;
  auto* mapped = static_cast<std::byte*>(MapLazily(nullptr, all, 0));
  if (mapped == nullptr) return nullptr;
  const auto address = reinterpret_cast<uint64_t>(mapped);
  const uint64_t front = RoundUp(address + kArenaGuard, kArenaSpace) - kArenaGuard - address;
  if (front != 0) munmap(mapped, front);
  if (front != kArenaSpace) munmap(mapped + front + kMapped, kArenaSpace - front);
  return mapped + front;
}

}  // namespace

ArenaMap::ArenaMap(const MapSpec& spec, const MapEnvironment& environment, std::byte* mapped,
                   uint8_t* pages, uint64_t start)
    : Map(spec, environment.id, 0), mapped_(mapped), pages_(pages) {
  view_ = {.base = mapped + kArenaGuard,
           .pages = pages + kGuardPages,
           .upper = start & ~(kArenaSpace - 1),
           .start = start,
           .keeps_low_pointers = (spec.flags & kMapNoUserConv) != 0};
  free_.emplace(0, spec.max_entries);
}

ArenaMap::~ArenaMap() {
  munmap(mapped_, kMapped);
  munmap(pages_, kTableBytes);
}

Result<std::shared_ptr<Map>> ArenaMap::Create(const MapSpec& spec,
                                              const MapEnvironment& environment) {
  std::byte* mapped = Reserve(spec.map_extra & ~(kArenaSpace - 1));
  auto* pages =
      static_cast<uint8_t*>(mapped != nullptr ? MapLazily(nullptr, kTableBytes, 0) : nullptr);
  if (pages == nullptr) {
    const int error = errno;
    if (mapped != nullptr) munmap(mapped, kMapped);
    return Error{ErrorCode::kSystem,
                 "map '" + spec.name + "': no address space for an arena: " + std::strerror(error),
                 error};
  }
  madvise(mapped, kMapped, MADV_NOHUGEPAGE);
  // Without a wish, the arena ends where its 4 GiB end: a pointer whose low half is 0
  // counts as null, and no page of a smaller arena is there then.
  const uint64_t bytes = spec.max_entries * kPage;
  const uint64_t start = spec.map_extra != 0 ? spec.map_extra
                                             : reinterpret_cast<uint64_t>(mapped) + kArenaGuard +
                                                   (kArenaSpace - bytes) % kArenaSpace;
  std::shared_ptr<ArenaMap> map(new ArenaMap(spec, environment, mapped, pages, start));
  if (spec.initial_value != nullptr && !spec.initial_value->empty()) {
    const uint64_t initial = std::min<uint64_t>(spec.initial_value->size(), bytes);
    map->TakeRange(0, RoundUp(initial, kPage) / kPage);
    map->Mark(0, RoundUp(initial, kPage) / kPage, true);
    std::memcpy(map->PageAt(0), spec.initial_value->data(), initial);
  }
  return std::shared_ptr<Map>(std::move(map));
}

uint64_t ArenaMap::IndexOf(uint64_t address) const {
  return static_cast<uint32_t>(address - view_.start) / kPage;
}

std::byte* ArenaMap::PageAt(uint64_t index) const {
  return view_.base + static_cast<uint32_t>(view_.start + index * kPage);
}

void ArenaMap::Mark(uint64_t index, uint64_t count, bool allocated) {
  for (uint64_t i = index; i < index + count; ++i) {
    const uint64_t page = static_cast<uint32_t>(view_.start + i * kPage) / kPage;
    __atomic_store_n(&pages_[kGuardPages + page], allocated ? 1 : 0, __ATOMIC_RELEASE);
  }
}

bool ArenaMap::IsFree(uint64_t index, uint64_t count) const {
  auto after = free_.upper_bound(index);
  if (after == free_.begin()) return false;
  const auto& [start, length] = *std::prev(after);
  return index + count <= start + length;
}

// REQUIRES: IsFree(index, count).
void ArenaMap::TakeRange(uint64_t index, uint64_t count) {
  const auto range = std::prev(free_.upper_bound(index));
  const uint64_t start = range->first;
  const uint64_t end = start + range->second;
  free_.erase(range);
  if (start < index) free_.emplace(start, index - start);
  if (index + count < end) free_.emplace(index + count, end - index - count);
}

void ArenaMap::GiveRange(uint64_t index, uint64_t count) {
  uint64_t start = index;
  uint64_t end = index + count;
  auto at = free_.upper_bound(index);
  if (at != free_.begin() && std::prev(at)->first + std::prev(at)->second >= index) --at;
  while (at != free_.end() && at->first <= end) {
    start = std::min(start, at->first);
    end = std::max(end, at->first + at->second);
    at = free_.erase(at);
  }
  free_.emplace(start, end - start);
}

uint64_t ArenaMap::AllocPages(uint64_t address, uint32_t pages) noexcept {
  const uint64_t total = spec_.max_entries;
  if (pages == 0 || pages > total) return 0;
  const std::lock_guard lock(mutex_);
  uint64_t index = 0;
  if (address != 0) {
    if (address % kPage != 0) return 0;
    index = IndexOf(address);
    if (index > total - pages || !IsFree(index, pages)) return 0;
  } else {
    // The smallest range that is large enough.
    const auto smaller = [&](const auto& a, const auto& b) {
      if ((a.second >= pages) != (b.second >= pages)) return a.second >= pages;
      return a.second < b.second;
    };
    const auto best = std::min_element(free_.begin(), free_.end(), smaller);
    if (best == free_.end() || best->second < pages) return 0;
    index = best->first;
  }
  TakeRange(index, pages);
  Mark(index, pages, true);
  return view_.upper + static_cast<uint32_t>(view_.start + index * kPage);
}

void ArenaMap::FreePages(uint64_t address, uint32_t pages) noexcept {
  const uint64_t index = IndexOf(address & ~(kPage - 1));
  if (address == 0 || pages == 0 || index >= spec_.max_entries) return;
  const uint64_t count = std::min<uint64_t>(pages, spec_.max_entries - index);
  const std::lock_guard lock(mutex_);
  Mark(index, count, false);
  // The low halves may go round the end of the 4 GiB, but not those of one call.
  madvise(PageAt(index), count * kPage, MADV_DONTNEED);
  GiveRange(index, count);
}

int ArenaMap::ReservePages(uint64_t address, uint32_t pages) noexcept {
  if (pages == 0) return 0;
  const uint64_t index = IndexOf(address);
  if (index + pages > spec_.max_entries) return -EINVAL;
  const std::lock_guard lock(mutex_);
  if (!IsFree(index, pages)) return -EBUSY;
  TakeRange(index, pages);
  return 0;
}

DirectView ArenaMap::direct_view() const noexcept {
  const auto address = reinterpret_cast<uint64_t>(view_.base);
  if (view_.upper != address) return {};
  return {PageAt(0), kPage, 0, spec_.max_entries};
}

std::optional<Extent> ArenaMap::ElementAt(const std::byte* address) const noexcept {
  if (address < view_.base || address >= view_.base + kArenaSpace) return std::nullopt;
  const auto offset = static_cast<uint64_t>(address - view_.base) & ~(kPage - 1);
  return Extent{view_.base + offset, kPage, true};
}

}  // namespace skep
