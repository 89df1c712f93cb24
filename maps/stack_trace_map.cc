// SPDX-License-Identifier: Apache-2.0
#include "maps/stack_trace_map.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/spin_lock.h"
#include "base/word_copy.h"
#include "maps/key.h"

namespace skep {
namespace {

uint64_t Stride(const MapSpec& spec) { return RoundUp(16 + uint64_t{spec.value_size}, 64); }

uint32_t IdOf(const std::byte* key) {
  uint32_t id;
  std::memcpy(&id, key, sizeof id);
  return id;
}

uint64_t HashOf(std::span<const uint64_t> stack) {
  uint64_t hash = kHashSalt2 + stack.size();
  for (const uint64_t address : stack) hash = MixWords(hash ^ address, kHashSalt1);
  return hash;
}

}  // namespace

StackTraceMap::StackTraceMap(const MapSpec& spec, const MapEnvironment& environment, Region region)
    : Map(spec, environment.id, spec.value_size),
      region_(std::move(region)),
      stride_(Stride(spec)),
      buckets_(std::bit_ceil(spec.max_entries)),
      elements_(spec.max_entries + environment.cpu_slots) {
  static_assert(sizeof(Bucket) == 16);
}

Result<std::shared_ptr<Map>> StackTraceMap::Create(const MapSpec& spec,
                                                   const MapEnvironment& environment) {
  if ((spec.flags & kMapStackBuildId) != 0) {
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("map '{}': stacks of build ids are not supported by this build", spec.name),
        EOPNOTSUPP};
  }
  SKEP_TRY(Region region,
           Region::Anonymous(uint64_t{std::bit_ceil(spec.max_entries)} * Stride(spec)));
  return std::shared_ptr<Map>(
      std::make_shared<StackTraceMap>(spec, environment, std::move(region)));
}

int64_t StackTraceMap::StackId(std::span<const uint64_t> stack, uint64_t flags) noexcept {
  constexpr uint64_t kCompareHashes = 1u << 9, kReuse = 1u << 10;
  stack = stack.first(std::min<size_t>(stack.size(), spec_.value_size / sizeof(uint64_t)));
  if (stack.empty()) return -EFAULT;
  const uint64_t hash = HashOf(stack);
  const auto id = static_cast<uint32_t>(hash >> 32) & (buckets_ - 1);
  Bucket& bucket = At(id);
  const SpinGuard guard(bucket.lock);
  const uint32_t count = bucket.count.load(std::memory_order_relaxed);
  if (count != 0) {
    const bool alike = bucket.hash == hash &&
                       ((flags & kCompareHashes) != 0 ||
                        (count == stack.size() &&
                         std::memcmp(EntriesOf(bucket), stack.data(), stack.size_bytes()) == 0));
    if (alike) return id;
    if ((flags & kReuse) == 0) return -EEXIST;
  }
  // Linux takes a new element before it gives the old one back.
  if (used_.fetch_add(1, std::memory_order_relaxed) >= elements_) {
    used_.fetch_sub(1, std::memory_order_relaxed);
    return -ENOMEM;
  }
  if (count != 0) used_.fetch_sub(1, std::memory_order_relaxed);
  std::memcpy(EntriesOf(bucket), stack.data(), stack.size_bytes());
  bucket.hash = hash;
  bucket.count.store(static_cast<uint32_t>(stack.size()), std::memory_order_relaxed);
  return id;
}

int StackTraceMap::DoHostLookup(const std::byte* key, std::byte* value) noexcept {
  return Extract(key, value, false);
}

int StackTraceMap::DoHostLookupAndDelete(const std::byte* key, std::byte* value) noexcept {
  return Extract(key, value, true);
}

int StackTraceMap::Extract(const std::byte* key, std::byte* value, bool remove) noexcept {
  const uint32_t id = IdOf(key);
  if (id >= buckets_) return -ENOENT;
  Bucket& bucket = At(id);
  const SpinGuard guard(bucket.lock);
  const size_t size = bucket.count.load(std::memory_order_relaxed) * sizeof(uint64_t);
  if (size == 0) return -ENOENT;
  std::memcpy(value, EntriesOf(bucket), size);
  std::memset(value + size, 0, spec_.value_size - size);
  if (!remove) return 0;
  bucket.count.store(0, std::memory_order_relaxed);
  used_.fetch_sub(1, std::memory_order_relaxed);
  return 0;
}

int StackTraceMap::DoHostUpdate(const std::byte*, const std::byte*, uint64_t) noexcept {
  return -EINVAL;
}

int StackTraceMap::DoHostDelete(const std::byte* key) noexcept {
  const uint32_t id = IdOf(key);
  if (id >= buckets_) return -E2BIG;
  Bucket& bucket = At(id);
  const SpinGuard guard(bucket.lock);
  if (bucket.count.exchange(0, std::memory_order_relaxed) == 0) return -ENOENT;
  used_.fetch_sub(1, std::memory_order_relaxed);
  return 0;
}

int StackTraceMap::DoNextKey(const std::byte* key, std::byte* next) noexcept {
  uint32_t id = key != nullptr && Holds(IdOf(key)) ? IdOf(key) + 1 : 0;
  while (id < buckets_ && !Holds(id)) ++id;
  if (id >= buckets_) return -ENOENT;
  std::memcpy(next, &id, sizeof id);
  return 0;
}

}  // namespace skep
