// SPDX-License-Identifier: Apache-2.0
#include "maps/hash_of_maps.h"

#include <mutex>
#include <utility>
#include <vector>

#include "base/word_copy.h"
#include "maps/batch.h"
#include "maps/direct_helper.h"
#include "maps/hash_table_inl.h"
#include "maps/map_in_map.h"

namespace skep {
namespace {

// What an element's value word points to. Freed through the epoch domain.
struct Holder {
  std::shared_ptr<Map> map;
};

class HashOfMaps final : public Map {
 public:
  HashOfMaps(const MapSpec& spec, const MapEnvironment& environment, Region region)
      : Map(spec, environment.id, spec.value_size),
        epochs_(environment.epochs),
        region_(std::move(region)),
        table_(ShapeOf(spec, environment), region_.base()) {}

  ~HashOfMaps() override {
    std::vector<std::byte> key(spec_.key_size);
    while (table_.NextKey<AnyKey>(nullptr, key.data()) == 0) Remove(key.data());
  }

  static HashTable::Shape ShapeOf(const MapSpec& spec, const MapEnvironment& environment) {
    return {.key_size = spec.key_size,
            .value_bytes = sizeof(Holder*),
            .max_entries = spec.max_entries,
            .cpu_slots = environment.cpu_slots,
            .seed = (spec.flags & kMapZeroSeed) != 0 ? 0 : HashTable::RandomSeed()};
  }

  std::byte* Lookup(const std::byte* key, uint32_t) noexcept override {
    for (;;) {
      const HashTable::Found found = table_.Find<AnyKey>(key);
      if (found.element == HashTable::kNone) return nullptr;
      const Holder* holder = Word(found.element).load(std::memory_order_acquire);
      // Map helpers take the address of the Map as their first argument.
      if (table_.StillThere(found)) return reinterpret_cast<std::byte*>(holder->map.get());
    }
  }

  HelperFunction helper_function(uint32_t helper_id) const noexcept override {
    return helper_id == 1 ? DirectHelper<HashOfMaps>(helper_id) : nullptr;
  }

 protected:
  // Values are map ids for the host to read.
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override {
    const std::lock_guard lock(host_mutex_);
    const HashTable::Found found = table_.Find<AnyKey>(key);
    if (found.element == HashTable::kNone) return -ENOENT;
    const uint32_t inner_id = Word(found.element).load()->map->id();
    std::memcpy(value, &inner_id, sizeof inner_id);
    return 0;
  }

  // The bytes would be a file descriptor.
  int DoHostUpdate(const std::byte*, const std::byte*, uint64_t) noexcept override {
    return -EBADF;
  }

  int DoHostDelete(const std::byte* key) noexcept override {
    const std::lock_guard lock(host_mutex_);
    return Remove(key);
  }

  int DoNextKey(const std::byte* key, std::byte* next) noexcept override {
    return table_.NextKey<AnyKey>(key, next);
  }

  uint32_t batch_commands() const noexcept override { return kAllBatches; }
  int DoHostBatch(MapBatchCommand command, MapBatch& batch) noexcept override {
    const bool remove = command == MapBatchCommand::kLookupAndDelete;
    if (!remove && command != MapBatchCommand::kLookup) return Map::DoHostBatch(command, batch);
    std::vector<Holder*> removed;  // to be freed when they are out of the table
    const std::lock_guard lock(host_mutex_);
    const int result = HashBatch(
        table_, *this, batch, remove,
        [&](uint32_t element, std::byte* value) {
          const uint32_t inner_id = Word(element).load()->map->id();
          std::memcpy(value, &inner_id, sizeof inner_id);
        },
        [&](uint32_t element) { removed.push_back(Word(element).load()); });
    for (Holder* holder : removed) Retire(holder);
    return result;
  }

  int DoSetMap(const std::byte* key, std::shared_ptr<Map> inner, uint64_t flags) noexcept override {
    if (inner == nullptr || !InnerMapFits(*spec_.inner, inner->spec())) return -EINVAL;
    if (flags > kUpdateExist) return -EINVAL;
    auto holder = std::make_unique<Holder>(Holder{std::move(inner)});
    const std::lock_guard lock(host_mutex_);
    Holder* old = nullptr;
    const int result = table_.Update<AnyKey>(
        key, flags, HashTable::kHostCache, true, [&](uint32_t element, bool exists) {
          Holder* before = Word(element).exchange(holder.release(), std::memory_order_acq_rel);
          if (exists) old = before;
        });
    if (old != nullptr) Retire(old);
    return result;
  }

 private:
  // Elements hold one word, in zeroed memory.
  std::atomic<Holder*>& Word(uint32_t element) const {
    return *reinterpret_cast<std::atomic<Holder*>*>(table_.ValueOf(element));
  }

  // REQUIRES: host_mutex_ is held, or no one else knows the map.
  int Remove(const std::byte* key) {
    Holder* old = nullptr;
    const int result = table_.Delete<AnyKey>(key, HashTable::kHostCache,
                                             [&](uint32_t element) { old = Word(element).load(); });
    if (old != nullptr) Retire(old);
    return result;
  }

  void Retire(Holder* holder) {
    epochs_->Retire(holder, [](void* p) noexcept { delete static_cast<Holder*>(p); });
  }

  const std::shared_ptr<EpochDomain> epochs_;
  std::mutex host_mutex_;  // host operations exclude one another
  const Region region_;
  HashTable table_;
};

}  // namespace

Result<std::shared_ptr<Map>> CreateHashOfMaps(const MapSpec& spec,
                                              const MapEnvironment& environment) {
  SKEP_TRY(Region region,
           Region::Anonymous(HashTable::BytesFor(HashOfMaps::ShapeOf(spec, environment))));
  return std::shared_ptr<Map>(std::make_shared<HashOfMaps>(spec, environment, std::move(region)));
}

}  // namespace skep
