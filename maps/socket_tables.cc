// SPDX-License-Identifier: Apache-2.0
#include "maps/socket_tables.h"

#include <cerrno>
#include <limits>

#include "base/word_copy.h"
#include "maps/array_key.h"
#include "maps/hash_map.h"

namespace skep {
namespace {

constexpr uint64_t kMostNumber = std::numeric_limits<int32_t>::max();

uint64_t NumberIn(const MapSpec& spec, const std::byte* value) {
  uint64_t number = 0;
  CopyWords(&number, value, spec.value_size);
  return number;
}

// What Linux says of a descriptor that is none.
int CheckNumber(const MapSpec& spec, uint64_t number) {
  if (number == 0) return -EBADF;
  if (number <= kMostNumber) return 0;
  return spec.type != MapType::kSockmap && spec.type != MapType::kSockhash && spec.value_size == 4
             ? -EBADF
             : -EINVAL;
}

int Give(const MapSpec& spec, uint64_t number, std::byte* value) {
  if (number == 0) return -ENOENT;
  CopyWords(value, &number, spec.value_size);
  return 0;
}

MapSpec NumbersBy(const MapSpec& spec) {
  MapSpec out = spec;
  out.type = MapType::kHash;
  out.value_size = sizeof(uint64_t);
  out.flags = 0;
  return out;
}

}  // namespace

SocketArray::SocketArray(const MapSpec& spec, const MapEnvironment& environment, Region region)
    : SocketTable(spec, environment.id, spec.value_size), region_(std::move(region)) {}

Result<std::shared_ptr<Map>> SocketArray::Create(const MapSpec& spec,
                                                 const MapEnvironment& environment) {
  SKEP_TRY(Region region, Region::Anonymous(uint64_t{spec.max_entries} * sizeof(uint64_t)));
  return std::shared_ptr<Map>(std::make_shared<SocketArray>(spec, environment, std::move(region)));
}

uint64_t SocketArray::NumberAt(const std::byte* key) const noexcept {
  const uint32_t index = IndexAt(key);
  return index < spec_.max_entries ? Entry(index).load(std::memory_order_relaxed) : 0;
}

int SocketArray::PutNumber(const std::byte* key, uint64_t number, uint64_t flags) noexcept {
  if (number == 0 || number > kMostNumber) return -EOPNOTSUPP;
  const uint32_t index = IndexAt(key);
  if (flags > kUpdateExist) return -EINVAL;
  if (index >= spec_.max_entries) return -E2BIG;
  const std::lock_guard lock(mutex_);
  const uint64_t old = Entry(index).load(std::memory_order_relaxed);
  if (old != 0 && flags == kUpdateNoExist) return -EEXIST;
  if (old == 0 && flags == kUpdateExist) return -ENOENT;
  if (spec_.type == MapType::kReuseportSockarray) {
    if (!members_.insert(number).second) return -EBUSY;
    members_.erase(old);
  }
  Entry(index).store(number, std::memory_order_relaxed);
  return 0;
}

int SocketArray::DoHostLookup(const std::byte* key, std::byte* value) noexcept {
  if (spec_.type == MapType::kCgroupArray) return -kEnotsupp;
  if (spec_.value_size != sizeof(uint64_t)) return -ENOSPC;
  const uint32_t index = IndexAt(key);
  if (index >= spec_.max_entries) return -ENOENT;
  return Give(spec_, Entry(index).load(std::memory_order_relaxed), value);
}

int SocketArray::DoHostUpdate(const std::byte* key, const std::byte* value,
                              uint64_t flags) noexcept {
  const uint64_t number = NumberIn(spec_, value);
  const uint32_t index = IndexAt(key);
  if (spec_.type == MapType::kCgroupArray) {
    if (flags != kUpdateAny) return -EINVAL;
    if (index >= spec_.max_entries) return -E2BIG;
    if (number == 0 || number > kMostNumber) return -EBADF;
    return PutNumber(key, number, flags);
  }
  if (spec_.type == MapType::kReuseportSockarray) {
    if (flags > kUpdateExist) return -EINVAL;
    if (index >= spec_.max_entries) return -E2BIG;
  }
  const int refused = CheckNumber(spec_, number);
  return refused != 0 ? refused : PutNumber(key, number, flags);
}

int SocketArray::DoHostDelete(const std::byte* key) noexcept {
  const uint32_t index = IndexAt(key);
  const bool sockmap = spec_.type == MapType::kSockmap;
  if (index >= spec_.max_entries) return sockmap ? -EINVAL : -E2BIG;
  const std::lock_guard lock(mutex_);
  const uint64_t old = Entry(index).exchange(0, std::memory_order_relaxed);
  if (old == 0) return sockmap ? -EINVAL : -ENOENT;
  members_.erase(old);
  return 0;
}

int SocketArray::Delete(const std::byte* key, uint32_t) noexcept {
  return SocketArray::DoHostDelete(key);
}

int SocketArray::DoNextKey(const std::byte* key, std::byte* next) noexcept {
  return NextIndex(key, spec_.max_entries, next);
}

// ---- SOCKHASH -------------------------------------------------------------------

SocketHash::SocketHash(const MapSpec& spec, const MapEnvironment& environment,
                       std::shared_ptr<Map> numbers)
    : SocketTable(spec, environment.id, spec.value_size), numbers_(std::move(numbers)) {}

Result<std::shared_ptr<Map>> SocketHash::Create(const MapSpec& spec,
                                                const MapEnvironment& environment) {
  SKEP_TRY(auto numbers, CreateHashMap(NumbersBy(spec), environment));
  return std::shared_ptr<Map>(std::make_shared<SocketHash>(spec, environment, std::move(numbers)));
}

uint64_t SocketHash::NumberAt(const std::byte* key) const noexcept {
  uint64_t number = 0;
  numbers_->HostLookup(key, reinterpret_cast<std::byte*>(&number));
  return number;
}

int SocketHash::PutNumber(const std::byte* key, uint64_t number, uint64_t flags) noexcept {
  if (number == 0 || number > kMostNumber) return -EOPNOTSUPP;
  if (flags > kUpdateExist) return -EINVAL;
  return numbers_->HostUpdate(key, reinterpret_cast<const std::byte*>(&number), flags);
}

int SocketHash::DoHostLookup(const std::byte* key, std::byte* value) noexcept {
  if (spec_.value_size != sizeof(uint64_t)) return -ENOSPC;
  return Give(spec_, NumberAt(key), value);
}

int SocketHash::DoHostUpdate(const std::byte* key, const std::byte* value,
                             uint64_t flags) noexcept {
  const uint64_t number = NumberIn(spec_, value);
  const int refused = CheckNumber(spec_, number);
  if (refused != 0) return refused;
  return PutNumber(key, number, flags);
}

int SocketHash::DoHostDelete(const std::byte* key) noexcept { return numbers_->HostDelete(key); }

int SocketHash::Delete(const std::byte* key, uint32_t) noexcept {
  return SocketHash::DoHostDelete(key);
}

int SocketHash::DoNextKey(const std::byte* key, std::byte* next) noexcept {
  return numbers_->NextKey(key, next);
}

}  // namespace skep
