// SPDX-License-Identifier: Apache-2.0
#include "maps/hash_map.h"

#include "base/word_copy.h"
#include "maps/batch.h"
#include "maps/direct_helper.h"
#include "maps/hash_table_inl.h"
#include "maps/use_clock.h"
#include "maps/value_fields.h"

namespace skep {
namespace {

HashTable::Shape ShapeOf(const MapSpec& spec, const MapEnvironment& environment,
                         uint32_t value_bytes) {
  return {.key_size = spec.key_size,
          .value_bytes = value_bytes,
          .max_entries = spec.max_entries,
          .cpu_slots = environment.cpu_slots,
          .zero_seed = (spec.flags & kMapZeroSeed) != 0};
}

// Of per-CPU maps, whose values have no lock.
bool FlagsAreValid(uint64_t flags) { return flags <= kUpdateExist; }

uint32_t ValueStride(const MapSpec& spec) {
  return static_cast<uint32_t>(RoundUp(spec.value_size, 8));
}

// Plain maps keep no account of use.
struct NoClock {
  static Result<Region> Reserve(uint64_t) { return Region(); }
  explicit NoClock(Region) {}
  void Added(uint32_t) noexcept {}
  void Removed(uint32_t) noexcept {}
  void Used(uint32_t) noexcept {}
};

// Runs update() until it finds room: each time it does not, evict(element) takes
// out what was not used for longest. Linux answers ENOMEM where nothing goes.
template <class Update, class Evict>
int UpdateWithRoom(UseClock& clock, const HashTable& table, Update update, Evict evict) noexcept {
  constexpr int kMaxTries = 256;  // others may take the room that was made
  for (int tries = 0; tries < kMaxTries; ++tries) {
    const int result = update();
    if (result != -E2BIG) return result;
    const uint32_t victim = clock.Candidate(table.highest_used());
    if (victim == HashTable::kNone) break;
    evict(victim);
  }
  return -ENOMEM;
}

template <class Update, class Evict>
int UpdateWithRoom(NoClock&, const HashTable&, Update update, Evict) noexcept {
  return update();
}

template <class K, class Clock>
class HashMap final : public Map {
 public:
  HashMap(const MapSpec& spec, const MapEnvironment& environment, Region region, Region clock)
      : Map(spec, environment.id, spec.value_size),
        fields_(spec, environment),
        table_(ShapeOf(spec, environment, ValueStride(spec)), std::move(region)),
        clock_(std::move(clock)) {}

  ~HashMap() override {
    if (!fields_.any()) return;
    for (uint32_t i = 1; i <= table_.highest_used(); ++i) fields_.End(table_.ValueOf(i));
    fields_.WaitForCallbacks(*this);
  }

  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment) {
    const HashTable::Shape shape = ShapeOf(spec, environment, ValueStride(spec));
    SKEP_TRY(Region region, HashTable::Reserve(shape));
    SKEP_TRY(Region clock, Clock::Reserve(HashTable::CapacityOf(shape)));
    return std::shared_ptr<Map>(
        std::make_shared<HashMap>(spec, environment, std::move(region), std::move(clock)));
  }

  std::byte* Lookup(const std::byte* key, uint32_t) noexcept override {
    const HashTable::Found found = table_.Find<K>(key);
    if (found.element == HashTable::kNone) return nullptr;
    clock_.Used(found.element);
    return table_.ValueOf(found.element);
  }

  int Update(const std::byte* key, const std::byte* value, uint64_t flags,
             uint32_t cpu) noexcept override {
    const bool lru = spec_.type == MapType::kLruHash;
    if (lru && !FlagsAreValid(flags)) return -EINVAL;
    if (const int refused = fields_.CheckFlags(flags); refused != 0) return refused;
    const bool locked = (flags & kUpdateLock) != 0;
    uint32_t filled = HashTable::kNone;
    const auto fill = [&](uint32_t element, bool exists) {
      std::byte* to = table_.ValueOf(element);
      if (exists) return fields_.CopyLocked(to, value);
      clock_.Added(element);
      fields_.Copy(to, value);
      filled = element;
    };
    const auto replaced = [&](uint32_t element) {
      Ended(element);
      clock_.Used(filled);  // as in Linux a new value counts as a use
    };
    return UpdateWithRoom(
        clock_, table_,
        [&] {
          return table_.Update<K>(key, flags & ~uint64_t{kUpdateLock}, cpu, locked, fill, replaced);
        },
        [&](uint32_t victim) {
          table_.DeleteElement<K>(victim, cpu, [&](uint32_t element) { Ended(element); });
        });
  }

  int Delete(const std::byte* key, uint32_t cpu) noexcept override {
    return table_.Delete<K>(key, cpu, [&](uint32_t element) { Ended(element); });
  }

  int64_t ForEach(uint32_t, Visit visit, void* with) noexcept override {
    return table_.ForEach([&](uint32_t element) {
      return visit(with, table_.KeyBytes(element), table_.ValueOf(element));
    });
  }
  uint64_t element_count() const noexcept override { return table_.size(); }
  const model::ValueType* value_type() const noexcept override { return fields_.type(); }

  HelperFunction helper_function(uint32_t helper_id) const noexcept override {
    return DirectHelper<HashMap>(helper_id);
  }

  std::optional<Extent> ElementAt(const std::byte* address) const noexcept override {
    const uint32_t element = table_.ElementOf(address);
    if (element == HashTable::kNone) return std::nullopt;
    std::byte* value = table_.ValueOf(element);
    if (address >= value + spec_.value_size) return std::nullopt;
    return Extent{value, spec_.value_size, (spec_.flags & kMapRdonlyProg) == 0};
  }

 protected:
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override {
    for (;;) {
      const HashTable::Found found = table_.Find<K>(key);
      if (found.element == HashTable::kNone) return -ENOENT;
      fields_.CopyOut(value, table_.ValueOf(found.element));
      if (table_.StillThere(found)) return 0;
    }
  }

  int DoHostLookupLocked(const std::byte* key, std::byte* value) noexcept override {
    if (!fields_.has_lock()) return -EINVAL;
    for (;;) {
      const HashTable::Found found = table_.Find<K>(key);
      if (found.element == HashTable::kNone) return -ENOENT;
      fields_.CopyOutLocked(value, table_.ValueOf(found.element));
      if (table_.StillThere(found)) return 0;
    }
  }

  void EndCallbacks() noexcept override {
    if (!fields_.any()) return;
    for (uint32_t i = 1; i <= table_.highest_used(); ++i) {
      fields_.EndCallbacks(table_.ValueOf(i));
    }
  }

  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override {
    return HashMap::Update(key, value, flags, HashTable::kHostCache);
  }

  int DoHostDelete(const std::byte* key) noexcept override {
    return HashMap::Delete(key, HashTable::kHostCache);
  }

  int DoHostLookupAndDelete(const std::byte* key, std::byte* value) noexcept override {
    return table_.Delete<K>(key, HashTable::kHostCache, [&](uint32_t element) {
      std::byte* from = table_.ValueOf(element);
      if (fields_.has_lock()) {
        fields_.CopyOutLocked(value, from);
      } else {
        fields_.CopyOut(value, from);
      }
      Ended(element);
    });
  }

  int DoNextKey(const std::byte* key, std::byte* next) noexcept override {
    return table_.NextKey<K>(key, next);
  }

  uint32_t batch_commands() const noexcept override { return kAllBatches; }
  int DoHostBatch(MapBatchCommand command, MapBatch& batch) noexcept override {
    const bool remove = command == MapBatchCommand::kLookupAndDelete;
    if (!remove && command != MapBatchCommand::kLookup) return Map::DoHostBatch(command, batch);
    const bool locked = batch.elem_flags != 0;
    return HashBatch(
        table_, *this, batch, remove,
        [&](uint32_t element, std::byte* value) {
          std::byte* from = table_.ValueOf(element);
          locked ? fields_.CopyOutLocked(value, from) : fields_.CopyOut(value, from);
        },
        [&](uint32_t element) { Ended(element); });
  }

 private:
  // The element leaves the table.
  void Ended(uint32_t element) noexcept {
    clock_.Removed(element);
    fields_.End(table_.ValueOf(element));
  }

  const ValueFields fields_;
  HashTable table_;
  [[no_unique_address]] Clock clock_;
};

// Values lie beside the table, a block for each CPU slot, so that CPUs do not
// share cache lines.
template <class K, class Clock>
class PercpuHashMap final : public Map {
 public:
  PercpuHashMap(const MapSpec& spec, const MapEnvironment& environment, Region table, Region clock,
                Region values, uint64_t cpu_stride)
      : Map(spec, environment.id, ValueStride(spec) * environment.cpu_slots),
        fields_(spec, environment),
        table_(ShapeOf(spec, environment, 0), std::move(table)),
        clock_(std::move(clock)),
        values_(std::move(values)),
        stride_(ValueStride(spec)),
        cpu_stride_(cpu_stride),
        cpus_(environment.cpu_slots) {}

  ~PercpuHashMap() override {
    if (!fields_.any()) return;
    for (uint32_t i = 1; i <= table_.highest_used(); ++i) EndAll(i);
  }

  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment) {
    const HashTable::Shape shape = ShapeOf(spec, environment, 0);
    SKEP_TRY(Region table, HashTable::Reserve(shape));
    SKEP_TRY(Region clock, Clock::Reserve(HashTable::CapacityOf(shape)));
    const uint64_t cpu_stride =
        RoundUp((HashTable::CapacityOf(shape) + 1) * ValueStride(spec), PageBytes());
    SKEP_TRY(Region values, Region::Anonymous(cpu_stride * environment.cpu_slots));
    return std::shared_ptr<Map>(std::make_shared<PercpuHashMap>(
        spec, environment, std::move(table), std::move(clock), std::move(values), cpu_stride));
  }

  std::byte* Lookup(const std::byte* key, uint32_t cpu) noexcept override {
    const HashTable::Found found = table_.Find<K>(key);
    if (found.element == HashTable::kNone) return nullptr;
    clock_.Used(found.element);
    return At(found.element, cpu);
  }

  int Update(const std::byte* key, const std::byte* value, uint64_t flags,
             uint32_t cpu) noexcept override {
    if (!FlagsAreValid(flags)) return -EINVAL;
    return UpdateValue(key, flags, cpu, [&](uint32_t element, bool exists) {
      if (!exists) ZeroOthers(element, cpu);
      fields_.Copy(At(element, cpu), value);
    });
  }

  int Delete(const std::byte* key, uint32_t cpu) noexcept override {
    return table_.Delete<K>(key, cpu, [&](uint32_t element) { Ended(element); });
  }

  int64_t ForEach(uint32_t cpu, Visit visit, void* with) noexcept override {
    return table_.ForEach(
        [&](uint32_t element) { return visit(with, table_.KeyBytes(element), At(element, cpu)); });
  }
  uint64_t element_count() const noexcept override { return table_.size(); }
  const model::ValueType* value_type() const noexcept override { return fields_.type(); }

  HelperFunction helper_function(uint32_t helper_id) const noexcept override {
    return DirectHelper<PercpuHashMap>(helper_id);
  }

  std::optional<Extent> ElementAt(const std::byte* address) const noexcept override {
    if (!values_.Contains(address)) return std::nullopt;
    const auto offset = static_cast<uint64_t>(address - values_.base());
    const uint64_t element = offset % cpu_stride_ / stride_;
    if (element == HashTable::kNone || element > table_.capacity()) return std::nullopt;
    std::byte* value =
        At(static_cast<uint32_t>(element), static_cast<uint32_t>(offset / cpu_stride_));
    if (address >= value + spec_.value_size) return std::nullopt;
    return Extent{value, spec_.value_size, (spec_.flags & kMapRdonlyProg) == 0};
  }

 protected:
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override {
    for (;;) {
      const HashTable::Found found = table_.Find<K>(key);
      if (found.element == HashTable::kNone) return -ENOENT;
      CopyOut(value, found.element);
      if (table_.StillThere(found)) return 0;
    }
  }

  int DoHostUpdate(const std::byte* key, const std::byte* value, uint64_t flags) noexcept override {
    if (!FlagsAreValid(flags)) return -EINVAL;
    return UpdateValue(key, flags, HashTable::kHostCache, [&](uint32_t element, bool) {
      for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
        std::byte* to = At(element, cpu);
        const std::byte* from = value + uint64_t{cpu} * stride_;
        fields_.Copy(to, from);
        CopyWords(to + spec_.value_size, from + spec_.value_size, stride_ - spec_.value_size);
      }
    });
  }

  int DoHostDelete(const std::byte* key) noexcept override {
    return PercpuHashMap::Delete(key, HashTable::kHostCache);
  }

  int DoHostLookupAndDelete(const std::byte* key, std::byte* value) noexcept override {
    return table_.Delete<K>(key, HashTable::kHostCache, [&](uint32_t element) {
      CopyOut(value, element);
      Ended(element);
    });
  }

  int DoNextKey(const std::byte* key, std::byte* next) noexcept override {
    return table_.NextKey<K>(key, next);
  }

  uint32_t batch_commands() const noexcept override { return kAllBatches; }
  int DoHostBatch(MapBatchCommand command, MapBatch& batch) noexcept override {
    const bool remove = command == MapBatchCommand::kLookupAndDelete;
    if (!remove && command != MapBatchCommand::kLookup) return Map::DoHostBatch(command, batch);
    return HashBatch(
        table_, *this, batch, remove,
        [&](uint32_t element, std::byte* value) { CopyOut(value, element); },
        [&](uint32_t element) { Ended(element); });
  }

 private:
  std::byte* At(uint32_t element, uint32_t cpu) const {
    return values_.base() + cpu * cpu_stride_ + uint64_t{element} * stride_;
  }

  // Changes the values of an element that exists, or of a new one.
  template <class Fill>
  int UpdateValue(const std::byte* key, uint64_t flags, uint32_t cpu, Fill fill) noexcept {
    const auto fill_and_mark = [&](uint32_t element, bool exists) {
      exists ? clock_.Used(element) : clock_.Added(element);
      fill(element, exists);
    };
    return UpdateWithRoom(
        clock_, table_, [&] { return table_.Update<K>(key, flags, cpu, true, fill_and_mark); },
        [&](uint32_t victim) {
          table_.DeleteElement<K>(victim, cpu, [&](uint32_t element) { Ended(element); });
        });
  }

  // The element leaves the table.
  void Ended(uint32_t element) noexcept {
    clock_.Removed(element);
    EndAll(element);
  }

  void EndAll(uint32_t element) const {
    for (uint32_t cpu = 0; fields_.any() && cpu < cpus_; ++cpu) fields_.End(At(element, cpu));
  }

  void CopyOut(std::byte* value, uint32_t element) const {
    for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
      std::byte* to = value + uint64_t{cpu} * stride_;
      const std::byte* from = At(element, cpu);
      fields_.CopyOut(to, from);
      CopyWords(to + spec_.value_size, from + spec_.value_size, stride_ - spec_.value_size);
    }
  }

  // Looks before it writes: most slots are zero, and reading them takes no memory.
  void ZeroOthers(uint32_t element, uint32_t own) const {
    for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
      const auto value = reinterpret_cast<uint64_t>(At(element, cpu));
      for (uint64_t i = 0; cpu != own && i < stride_; i += 8) {
        if (LoadRelaxed<uint64_t>(value + i) != 0) StoreRelaxed<uint64_t>(value + i, 0);
      }
    }
    // The padding of our own value, which the copy leaves alone.
    ZeroWords(At(element, own) + spec_.value_size, stride_ - spec_.value_size);
  }

  const ValueFields fields_;
  HashTable table_;
  [[no_unique_address]] Clock clock_;
  const Region values_;
  const uint64_t stride_;
  const uint64_t cpu_stride_;
  const uint32_t cpus_;
};

template <template <class, class> class M, class Clock>
Result<std::shared_ptr<Map>> CreateForKey(const MapSpec& spec, const MapEnvironment& environment) {
  switch (spec.key_size) {
    case 4:
      return M<FixedKey<4>, Clock>::Create(spec, environment);
    case 8:
      return M<FixedKey<8>, Clock>::Create(spec, environment);
    case 16:
      return M<FixedKey<16>, Clock>::Create(spec, environment);
    default:
      return M<AnyKey, Clock>::Create(spec, environment);
  }
}

}  // namespace

Result<std::shared_ptr<Map>> CreateHashMap(const MapSpec& spec, const MapEnvironment& environment) {
  return spec.type == MapType::kLruHash ? CreateForKey<HashMap, UseClock>(spec, environment)
                                        : CreateForKey<HashMap, NoClock>(spec, environment);
}

Result<std::shared_ptr<Map>> CreatePercpuHashMap(const MapSpec& spec,
                                                 const MapEnvironment& environment) {
  return spec.type == MapType::kLruPercpuHash
             ? CreateForKey<PercpuHashMap, UseClock>(spec, environment)
             : CreateForKey<PercpuHashMap, NoClock>(spec, environment);
}

}  // namespace skep
