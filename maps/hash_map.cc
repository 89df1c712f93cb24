// SPDX-License-Identifier: Apache-2.0
#include "maps/hash_map.h"

#include "base/word_copy.h"
#include "maps/batch.h"
#include "maps/direct_helper.h"
#include "maps/hash_table_inl.h"
#include "maps/map_memory.h"
#include "maps/use_clock.h"
#include "maps/value_fields.h"

namespace skep {
namespace {

uint64_t SeedOf(const MapSpec& spec, const MapEnvironment& environment) {
  if ((spec.flags & kMapZeroSeed) != 0) return 0;
  return environment.shared != nullptr ? environment.shared->seed : HashTable::RandomSeed();
}

// Of per-CPU maps, whose values have no lock.
bool FlagsAreValid(uint64_t flags) { return flags <= kUpdateExist; }

uint32_t ValueStride(const MapSpec& spec) {
  return static_cast<uint32_t>(RoundUp(spec.value_size, 8));
}

HashTable::Shape ShapeOf(const MapSpec& spec, uint32_t cpu_slots, bool shared) {
  const bool per_cpu = spec.type == MapType::kPercpuHash || spec.type == MapType::kLruPercpuHash;
  return {.key_size = spec.key_size,
          .value_bytes = per_cpu ? 0 : ValueStride(spec),
          .max_entries = spec.max_entries,
          .cpu_slots = cpu_slots,
          .shared = shared};
}

HashTable::Shape ShapeOf(const MapSpec& spec, const MapEnvironment& environment) {
  HashTable::Shape shape = ShapeOf(spec, environment.cpu_slots, environment.shared != nullptr);
  shape.seed = SeedOf(spec, environment);
  return shape;
}

// The region: table | clock of an LRU map | values of a per-CPU map, a block for
// each CPU slot.
struct Parts {
  Parts(const MapSpec& spec, const HashTable::Shape& shape) {
    const uint64_t capacity = HashTable::CapacityOf(shape);
    const bool lru = spec.type == MapType::kLruHash || spec.type == MapType::kLruPercpuHash;
    clock_at = RoundUp(HashTable::BytesFor(shape), 64);
    end = clock_at + (lru ? UseClock::BytesFor(capacity) : 0);
    if (shape.value_bytes != 0) return;
    cpu_stride = RoundUp((capacity + 1) * ValueStride(spec), PageBytes());
    values_at = RoundUp(end, PageBytes());
    end = values_at + cpu_stride * shape.cpu_slots;
  }
  uint64_t clock_at = 0, values_at = 0, cpu_stride = 0, end = 0;
};

// Plain maps keep no account of use.
struct NoClock {
  explicit NoClock(std::byte*) {}
  void Settle(uint32_t, bool) noexcept {}
  void Added(uint32_t) noexcept {}
  void Removed(uint32_t) noexcept {}
  void Used(uint32_t) noexcept {}
};

// Runs update(); if it finds no room where a process has died that took some, again
// after repair().
template <class Update, class Repair>
int UpdateRepaired(const HashTable& table, Update update, Repair repair) noexcept {
  const int result = update();
  if (result != -E2BIG || !table.MayLackElements()) return result;
  repair();
  return update();
}

// Runs update(in_hand) until it finds room: each time it does not, take_out(element)
// takes out what was not used for longest, for the new key to be put there. A key that
// is new to a full table is not even tried before. Linux answers ENOMEM where nothing
// goes.
template <class K, class Update, class TakeOut>
int UpdateWithRoom(UseClock& clock, HashTable& table, const std::byte* key, uint64_t flags,
                   uint32_t cpu, Update update, TakeOut take_out) noexcept {
  constexpr int kMaxTries = 256;  // others may take the room that was made
  const bool keep = !table.shared();
  uint32_t in_hand = HashTable::kNone;
  bool try_now =
      !table.full() || flags == kUpdateExist || table.Find<K>(key).element != HashTable::kNone;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    if (try_now) {
      const int result = update(&in_hand);
      if (in_hand != HashTable::kNone) table.GiveBack(in_hand, cpu);
      if (result != -E2BIG) return result;
      in_hand = HashTable::kNone;
    }
    const uint32_t victim = clock.Candidate(table.highest_used());
    if (victim == HashTable::kNone) break;
    try_now = take_out(victim, keep);
    if (try_now && keep) in_hand = victim;
  }
  if (in_hand != HashTable::kNone) table.GiveBack(in_hand, cpu);
  return -ENOMEM;
}

template <class K, class Update, class TakeOut>
int UpdateWithRoom(NoClock&, HashTable&, const std::byte*, uint64_t, uint32_t, Update update,
                   TakeOut) noexcept {
  return update(nullptr);
}

template <class K, class Clock>
class HashMap final : public Map {
 public:
  HashMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory memory,
          const Parts& parts)
      : Map(spec, environment.id, spec.value_size),
        fields_(spec, environment),
        memory_(std::move(memory)),
        table_(ShapeOf(spec, environment), memory_.base(), memory_.shared()),
        clock_(memory_.base() + parts.clock_at) {
    table_.SetRepair([](void* self) { static_cast<HashMap*>(self)->Repair(); }, this);
    if (memory_.needs_repair()) Repair();
  }

  ~HashMap() override {
    if (!fields_.any()) return;
    for (uint32_t i = 1; i <= table_.highest_used(); ++i) fields_.End(table_.ValueOf(i));
    fields_.WaitForCallbacks(*this);
  }

  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment) {
    const Parts parts(spec, ShapeOf(spec, environment));
    SKEP_TRY(MapMemory memory, MapMemory::Take(environment, parts.end));
    return std::shared_ptr<Map>(
        std::make_shared<HashMap>(spec, environment, std::move(memory), parts));
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
    return UpdateWithRoom<K>(
        clock_, table_, key, flags, cpu,
        [&](uint32_t* in_hand) {
          return UpdateRepaired(
              table_,
              [&] {
                return table_.Update<K>(key, flags & ~uint64_t{kUpdateLock}, cpu, locked, fill,
                                        replaced, in_hand);
              },
              [&] { Repair(); });
        },
        [&](uint32_t victim, bool keep) {
          return table_.TakeOut<K>(victim, cpu, keep, [&](uint32_t element) { Ended(element); });
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
    for (uint32_t tries = 1;; ++tries) {
      const HashTable::Found found = table_.Find<K>(key);
      if (found.element == HashTable::kNone) return -ENOENT;
      fields_.CopyOut(value, table_.ValueOf(found.element));
      if (table_.StillThere(found) || table_.TooOften(tries)) return 0;
    }
  }

  int DoHostLookupLocked(const std::byte* key, std::byte* value) noexcept override {
    if (!fields_.has_lock()) return -EINVAL;
    for (uint32_t tries = 1;; ++tries) {
      const HashTable::Found found = table_.Find<K>(key);
      if (found.element == HashTable::kNone) return -ENOENT;
      fields_.CopyOutLocked(value, table_.ValueOf(found.element));
      if (table_.StillThere(found) || table_.TooOften(tries)) return 0;
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

  void Repair() noexcept {
    table_.Repair<K>([&](uint32_t element, bool kept) { clock_.Settle(element, kept); });
  }

  const ValueFields fields_;
  const MapMemory memory_;
  HashTable table_;
  [[no_unique_address]] Clock clock_;
};

// Values lie beside the table, a block for each CPU slot, so that CPUs do not
// share cache lines.
template <class K, class Clock>
class PercpuHashMap final : public Map {
 public:
  PercpuHashMap(const MapSpec& spec, const MapEnvironment& environment, MapMemory memory,
                const Parts& parts)
      : Map(spec, environment.id, ValueStride(spec) * environment.cpu_slots),
        fields_(spec, environment),
        memory_(std::move(memory)),
        table_(ShapeOf(spec, environment), memory_.base(), memory_.shared()),
        clock_(memory_.base() + parts.clock_at),
        values_(memory_.base() + parts.values_at),
        stride_(ValueStride(spec)),
        cpu_stride_(parts.cpu_stride),
        cpus_(environment.cpu_slots) {
    table_.SetRepair([](void* self) { static_cast<PercpuHashMap*>(self)->Repair(); }, this);
    if (memory_.needs_repair()) Repair();
  }

  ~PercpuHashMap() override {
    if (!fields_.any()) return;
    for (uint32_t i = 1; i <= table_.highest_used(); ++i) EndAll(i);
  }

  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment) {
    const Parts parts(spec, ShapeOf(spec, environment));
    SKEP_TRY(MapMemory memory, MapMemory::Take(environment, parts.end));
    return std::shared_ptr<Map>(
        std::make_shared<PercpuHashMap>(spec, environment, std::move(memory), parts));
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
    if (address < values_ || address >= values_ + cpu_stride_ * cpus_) return std::nullopt;
    const auto offset = static_cast<uint64_t>(address - values_);
    const uint64_t element = offset % cpu_stride_ / stride_;
    if (element == HashTable::kNone || element > table_.capacity()) return std::nullopt;
    std::byte* value =
        At(static_cast<uint32_t>(element), static_cast<uint32_t>(offset / cpu_stride_));
    if (address >= value + spec_.value_size) return std::nullopt;
    return Extent{value, spec_.value_size, (spec_.flags & kMapRdonlyProg) == 0};
  }

 protected:
  int DoHostLookup(const std::byte* key, std::byte* value) noexcept override {
    for (uint32_t tries = 1;; ++tries) {
      const HashTable::Found found = table_.Find<K>(key);
      if (found.element == HashTable::kNone) return -ENOENT;
      CopyOut(value, found.element);
      if (table_.StillThere(found) || table_.TooOften(tries)) return 0;
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
    return values_ + cpu * cpu_stride_ + uint64_t{element} * stride_;
  }

  // Changes the values of an element that exists, or of a new one.
  template <class Fill>
  int UpdateValue(const std::byte* key, uint64_t flags, uint32_t cpu, Fill fill) noexcept {
    const auto fill_and_mark = [&](uint32_t element, bool exists) {
      exists ? clock_.Used(element) : clock_.Added(element);
      fill(element, exists);
    };
    return UpdateWithRoom<K>(
        clock_, table_, key, flags, cpu,
        [&](uint32_t* in_hand) {
          return UpdateRepaired(
              table_,
              [&] { return table_.Update<K>(key, flags, cpu, true, fill_and_mark, {}, in_hand); },
              [&] { Repair(); });
        },
        [&](uint32_t victim, bool keep) {
          return table_.TakeOut<K>(victim, cpu, keep, [&](uint32_t element) { Ended(element); });
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

  void Repair() noexcept {
    table_.Repair<K>([&](uint32_t element, bool kept) { clock_.Settle(element, kept); });
  }

  const ValueFields fields_;
  const MapMemory memory_;
  HashTable table_;
  [[no_unique_address]] Clock clock_;
  std::byte* const values_;
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

uint64_t HashMapBytes(const MapSpec& spec, uint32_t cpu_slots, bool shared) {
  return Parts(spec, ShapeOf(spec, cpu_slots, shared)).end;
}

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
