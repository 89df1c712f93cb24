// SPDX-License-Identifier: Apache-2.0
#include "maps/redirect_tables.h"

#include <algorithm>
#include <cerrno>

#include "base/word_copy.h"
#include "maps/hash_table_inl.h"

namespace skep {
namespace {

constexpr uint32_t kEntryBytes = 8;
constexpr uint32_t kMaxQueue = 16384;

// An entry: the first half is never 0, the second is a program or 0.
uint64_t EntryOf(const MapSpec& spec, const std::byte* value) {
  uint64_t entry = 0;
  CopyWords(&entry, value, spec.value_size);
  return entry;
}
uint32_t First(uint64_t entry) { return static_cast<uint32_t>(entry); }
bool NamesProgram(uint64_t entry) { return static_cast<int32_t>(entry >> 32) > 0; }

uint32_t IndexOf(const std::byte* key) {
  return LoadRelaxed<uint32_t>(reinterpret_cast<uint64_t>(key));
}

HashTable::Shape ShapeOf(const MapSpec& spec, const MapEnvironment& environment) {
  return {.key_size = spec.key_size,
          .value_bytes = kEntryBytes,
          .max_entries = spec.max_entries,
          .cpu_slots = environment.cpu_slots,
          .seed = HashTable::RandomSeed()};
}

}  // namespace

RedirectArray::RedirectArray(const MapSpec& spec, const MapEnvironment& environment, Region region)
    : Map(spec, environment.id, spec.value_size),
      region_(std::move(region)),
      limit_(spec.type == MapType::kCpumap ? std::min(spec.max_entries, environment.cpu_slots)
                                           : spec.max_entries) {}

Result<std::shared_ptr<Map>> RedirectArray::Create(const MapSpec& spec,
                                                   const MapEnvironment& environment) {
  SKEP_TRY(Region region, Region::Anonymous(uint64_t{spec.max_entries} * kEntryBytes));
  return std::shared_ptr<Map>(
      std::make_shared<RedirectArray>(spec, environment, std::move(region)));
}

std::byte* RedirectArray::Lookup(const std::byte* key, uint32_t) noexcept {
  const uint32_t index = IndexOf(key);
  if (index >= spec_.max_entries) return nullptr;
  std::atomic<uint64_t>& entry = Entry(index);
  if (entry.load(std::memory_order_relaxed) == 0) return nullptr;
  return reinterpret_cast<std::byte*>(&entry);
}

int RedirectArray::DoHostLookup(const std::byte* key, std::byte* value) noexcept {
  if (spec_.type == MapType::kXskmap) return -EOPNOTSUPP;
  const uint32_t index = IndexOf(key);
  if (index >= spec_.max_entries) return -ENOENT;
  const uint64_t entry = Entry(index).load(std::memory_order_relaxed);
  if (entry == 0) return -ENOENT;
  CopyWords(value, &entry, spec_.value_size);
  return 0;
}

int RedirectArray::DoHostUpdate(const std::byte* key, const std::byte* value,
                                uint64_t flags) noexcept {
  if (flags > kUpdateExist) return -EINVAL;
  const uint32_t index = IndexOf(key);
  const uint64_t entry = EntryOf(spec_, value);
  if (index >= spec_.max_entries) return -E2BIG;
  if (spec_.type == MapType::kXskmap) {
    if (First(entry) == 0) return -EBADF;
    const uint64_t before = Entry(index).load(std::memory_order_relaxed);
    if (before == entry) return 0;  // whatever the flags, in Linux too
    const bool there = before != 0;
    if (there && flags == kUpdateNoExist) return -EEXIST;
    if (!there && flags == kUpdateExist) return -ENOENT;
    Entry(index).store(entry, std::memory_order_relaxed);
    return 0;
  }
  if (flags == kUpdateNoExist) return -EEXIST;
  if (spec_.type == MapType::kCpumap) {
    if (First(entry) > kMaxQueue) return -EOVERFLOW;
    if (index >= limit_) return -ENODEV;
  }
  if (NamesProgram(entry)) return -EINVAL;
  Entry(index).store(First(entry), std::memory_order_relaxed);
  return 0;
}

int RedirectArray::DoHostDelete(const std::byte* key) noexcept {
  const uint32_t index = IndexOf(key);
  if (index >= spec_.max_entries) return -EINVAL;
  Entry(index).store(0, std::memory_order_relaxed);
  return 0;
}

// All indexes, as Linux lists them, whether there is an entry or not.
int RedirectArray::DoNextKey(const std::byte* key, std::byte* next) noexcept {
  uint32_t index = key == nullptr ? spec_.max_entries : IndexOf(key);
  if (key != nullptr && index == spec_.max_entries - 1) return -ENOENT;
  index = index >= spec_.max_entries ? 0 : index + 1;
  StoreRelaxed(reinterpret_cast<uint64_t>(next), index);
  return 0;
}

std::optional<Extent> RedirectArray::ElementAt(const std::byte* address) const noexcept {
  if (!region_.Contains(address)) return std::nullopt;
  const auto offset = static_cast<uint64_t>(address - region_.base());
  if (offset / kEntryBytes >= spec_.max_entries || offset % kEntryBytes >= spec_.value_size) {
    return std::nullopt;
  }
  return Extent{region_.base() + offset / kEntryBytes * kEntryBytes, spec_.value_size, false};
}

// ---- DEVMAP_HASH ----------------------------------------------------------------

RedirectHash::RedirectHash(const MapSpec& spec, const MapEnvironment& environment, Region region)
    : Map(spec, environment.id, spec.value_size),
      region_(std::move(region)),
      table_(ShapeOf(spec, environment), region_.base()) {}

Result<std::shared_ptr<Map>> RedirectHash::Create(const MapSpec& spec,
                                                  const MapEnvironment& environment) {
  SKEP_TRY(Region region, Region::Anonymous(HashTable::BytesFor(ShapeOf(spec, environment))));
  return std::shared_ptr<Map>(std::make_shared<RedirectHash>(spec, environment, std::move(region)));
}

std::byte* RedirectHash::Lookup(const std::byte* key, uint32_t) noexcept {
  const HashTable::Found found = table_.Find<FixedKey<4>>(key);
  return found.element == HashTable::kNone ? nullptr : table_.ValueOf(found.element);
}

int RedirectHash::DoHostLookup(const std::byte* key, std::byte* value) noexcept {
  for (;;) {
    const HashTable::Found found = table_.Find<FixedKey<4>>(key);
    if (found.element == HashTable::kNone) return -ENOENT;
    CopyWords(value, table_.ValueOf(found.element), spec_.value_size);
    if (table_.StillThere(found)) return 0;
  }
}

int RedirectHash::DoHostUpdate(const std::byte* key, const std::byte* value,
                               uint64_t flags) noexcept {
  const uint64_t entry = EntryOf(spec_, value);
  if (flags > kUpdateExist || First(entry) == 0 || NamesProgram(entry)) return -EINVAL;
  // Linux takes BPF_EXIST for BPF_ANY here.
  const uint64_t asked = flags == kUpdateNoExist ? kUpdateNoExist : kUpdateAny;
  return table_.Update<FixedKey<4>>(
      key, asked, HashTable::kHostCache, false, [&](uint32_t element, bool) {
        StoreRelaxed<uint64_t>(reinterpret_cast<uint64_t>(table_.ValueOf(element)), First(entry));
      });
}

int RedirectHash::DoHostDelete(const std::byte* key) noexcept {
  return table_.Delete<FixedKey<4>>(key, HashTable::kHostCache, [](uint32_t) {});
}

int RedirectHash::DoNextKey(const std::byte* key, std::byte* next) noexcept {
  return table_.NextKey<FixedKey<4>>(key, next);
}

std::optional<Extent> RedirectHash::ElementAt(const std::byte* address) const noexcept {
  const uint32_t element = table_.ElementOf(address);
  if (element == HashTable::kNone) return std::nullopt;
  std::byte* value = table_.ValueOf(element);
  if (address >= value + spec_.value_size) return std::nullopt;
  return Extent{value, spec_.value_size, false};
}

}  // namespace skep
