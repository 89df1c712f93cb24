// SPDX-License-Identifier: Apache-2.0
#include "maps/queue_map.h"

#include <cerrno>

#include "base/robust_lock.h"
#include "base/word_copy.h"

namespace skep {
namespace {

constexpr uint64_t kControlBytes = 64;

uint64_t Stride(const MapSpec& spec) { return RoundUp(spec.value_size, 8); }

}  // namespace

QueueMap::QueueMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory memory)
    : Map(spec, environment.id, spec.value_size),
      memory_(std::move(memory)),
      holder_(memory_.holder()),
      stride_(Stride(spec)) {}

uint64_t QueueMap::BytesFor(const MapSpec& spec) {
  return kControlBytes + (uint64_t{spec.max_entries} + 1) * Stride(spec);
}

Result<std::shared_ptr<Map>> QueueMap::Create(const MapSpec& spec,
                                              const MapEnvironment& environment) {
  SKEP_TRY(MapMemory memory, MapMemory::Take(environment, BytesFor(spec)));
  return std::shared_ptr<Map>(std::make_shared<QueueMap>(spec, environment, std::move(memory)));
}

std::byte* QueueMap::At(uint32_t place) const {
  return memory_.base() + kControlBytes + place * stride_;
}

int QueueMap::Push(const std::byte* value, uint64_t flags) noexcept {
  if (flags != kUpdateAny && flags != kUpdateExist) return -EINVAL;
  Control& c = control();
  // What a holder that died has left is a queue: nothing to mend.
  const RobustGuard guard(c.lock, holder_, [] {});
  const uint32_t head = Load(c.head);
  const uint32_t tail = Load(c.tail);
  const uint32_t next = Next(head);
  if (next == tail) {
    if (flags != kUpdateExist) return -E2BIG;
    c.tail.store(Next(tail), std::memory_order_release);
  }
  CopyWords(At(head), value, spec_.value_size);
  c.head.store(next, std::memory_order_release);
  return 0;
}

int QueueMap::Take(std::byte* value, bool remove) noexcept {
  Control& c = control();
  const RobustGuard guard(c.lock, holder_, [] {});
  const uint32_t head = Load(c.head);
  const uint32_t tail = Load(c.tail);
  if (head == tail) return -ENOENT;
  if (spec_.type == MapType::kQueue) {
    CopyWords(value, At(tail), spec_.value_size);
    if (remove) c.tail.store(Next(tail), std::memory_order_release);
  } else {
    const uint32_t top = head == 0 ? spec_.max_entries : head - 1;
    CopyWords(value, At(top), spec_.value_size);
    if (remove) c.head.store(top, std::memory_order_release);
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
