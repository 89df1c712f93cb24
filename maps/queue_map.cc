// SPDX-License-Identifier: Apache-2.0
#include "maps/queue_map.h"

#include <cerrno>

#include "base/spin_lock.h"
#include "base/word_copy.h"

namespace skep {
namespace {

constexpr uint64_t kControlBytes = 64;

uint64_t Stride(const MapSpec& spec) { return RoundUp(spec.value_size, 8); }

}  // namespace

QueueMap::QueueMap(const MapSpec& spec, const MapEnvironment& environment, Region region)
    : Map(spec, environment.id, spec.value_size),
      region_(std::move(region)),
      stride_(Stride(spec)) {}

Result<std::shared_ptr<Map>> QueueMap::Create(const MapSpec& spec,
                                              const MapEnvironment& environment) {
  SKEP_TRY(Region region,
           Region::Anonymous(kControlBytes + (uint64_t{spec.max_entries} + 1) * Stride(spec)));
  return std::shared_ptr<Map>(std::make_shared<QueueMap>(spec, environment, std::move(region)));
}

std::byte* QueueMap::At(uint32_t place) const {
  return region_.base() + kControlBytes + place * stride_;
}

int QueueMap::Push(const std::byte* value, uint64_t flags) noexcept {
  if (flags != kUpdateAny && flags != kUpdateExist) return -EINVAL;
  Control& c = control();
  const SpinGuard guard(c.lock);
  const uint32_t next = Next(c.head);
  if (next == c.tail) {
    if (flags != kUpdateExist) return -E2BIG;
    c.tail = Next(c.tail);
  }
  CopyWords(At(c.head), value, spec_.value_size);
  c.head = next;
  return 0;
}

int QueueMap::Take(std::byte* value, bool remove) noexcept {
  Control& c = control();
  const SpinGuard guard(c.lock);
  if (c.head == c.tail) return -ENOENT;
  if (spec_.type == MapType::kQueue) {
    CopyWords(value, At(c.tail), spec_.value_size);
    if (remove) c.tail = Next(c.tail);
  } else {
    const uint32_t top = c.head == 0 ? spec_.max_entries : c.head - 1;
    CopyWords(value, At(top), spec_.value_size);
    if (remove) c.head = top;
  }
  return 0;
}

int QueueMap::Pop(std::byte* value) noexcept {
  const int result = Take(value, true);
  if (result != 0) ZeroWords(value, spec_.value_size);
  return result;
}

int QueueMap::Peek(std::byte* value) noexcept {
  const int result = Take(value, false);
  if (result != 0) ZeroWords(value, spec_.value_size);
  return result;
}

int QueueMap::DoHostLookup(const std::byte*, std::byte* value) noexcept {
  return Take(value, false);
}

int QueueMap::DoHostUpdate(const std::byte*, const std::byte* value, uint64_t flags) noexcept {
  return Push(value, flags);
}

int QueueMap::DoHostLookupAndDelete(const std::byte*, std::byte* value) noexcept {
  return Take(value, true);
}

}  // namespace skep
