// SPDX-License-Identifier: Apache-2.0
#include "maps/hash_map.h"

#include "base/word_copy.h"
#include "maps/direct_helper.h"
#include "maps/hash_table_inl.h"

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

// No value of this build has a lock, so BPF_F_LOCK is EINVAL, as in Linux.
bool FlagsAreValid(uint64_t flags) { return flags <= kUpdateExist; }

uint32_t ValueStride(const MapSpec& spec) {
  return static_cast<uint32_t>(RoundUp(spec.value_size, 8));
}

template <class K>
class HashMap final : public Map {
 public:
  HashMap(const MapSpec& spec, const MapEnvironment& environment, Region region)
      : Map(spec, environment.id, spec.value_size),
        table_(ShapeOf(spec, environment, ValueStride(spec)), std::move(region)) {}

  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment) {
    SKEP_TRY(Region region, HashTable::Reserve(ShapeOf(spec, environment, ValueStride(spec))));
    return std::shared_ptr<Map>(std::make_shared<HashMap>(spec, environment, std::move(region)));
  }

  std::byte* Lookup(const std::byte* key, uint32_t) noexcept override {
    const HashTable::Found found = table_.Find<K>(key);
    return found.element == HashTable::kNone ? nullptr : table_.ValueOf(found.element);
  }

  int Update(const std::byte* key, const std::byte* value, uint64_t flags,
             uint32_t cpu) noexcept override {
    if (!FlagsAreValid(flags)) return -EINVAL;
    return table_.Update<K>(key, flags, cpu, false, [&](uint32_t element, bool) {
      CopyWords(table_.ValueOf(element), value, spec_.value_size);
    });
  }

  int Delete(const std::byte* key, uint32_t cpu) noexcept override {
    return table_.Delete<K>(key, cpu, [](uint32_t) {});
  }

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
      CopyWords(value, table_.ValueOf(found.element), spec_.value_size);
      if (table_.StillThere(found)) return 0;
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
      CopyWords(value, table_.ValueOf(element), spec_.value_size);
    });
  }

  int DoNextKey(const std::byte* key, std::byte* next) noexcept override {
    return table_.NextKey<K>(key, next);
  }

 private:
  HashTable table_;
};

// Values lie beside the table, a block for each CPU slot, so that CPUs do not
// share cache lines.
template <class K>
class PercpuHashMap final : public Map {
 public:
  PercpuHashMap(const MapSpec& spec, const MapEnvironment& environment, Region table, Region values,
                uint64_t cpu_stride)
      : Map(spec, environment.id, ValueStride(spec) * environment.cpu_slots),
        table_(ShapeOf(spec, environment, 0), std::move(table)),
        values_(std::move(values)),
        stride_(ValueStride(spec)),
        cpu_stride_(cpu_stride),
        cpus_(environment.cpu_slots) {}

  static Result<std::shared_ptr<Map>> Create(const MapSpec& spec,
                                             const MapEnvironment& environment) {
    const HashTable::Shape shape = ShapeOf(spec, environment, 0);
    SKEP_TRY(Region table, HashTable::Reserve(shape));
    const uint64_t cpu_stride =
        RoundUp((HashTable::CapacityOf(shape) + 1) * ValueStride(spec), PageBytes());
    SKEP_TRY(Region values, Region::Anonymous(cpu_stride * environment.cpu_slots));
    return std::shared_ptr<Map>(std::make_shared<PercpuHashMap>(spec, environment, std::move(table),
                                                                std::move(values), cpu_stride));
  }

  std::byte* Lookup(const std::byte* key, uint32_t cpu) noexcept override {
    const HashTable::Found found = table_.Find<K>(key);
    return found.element == HashTable::kNone ? nullptr : At(found.element, cpu);
  }

  int Update(const std::byte* key, const std::byte* value, uint64_t flags,
             uint32_t cpu) noexcept override {
    if (!FlagsAreValid(flags)) return -EINVAL;
    return table_.Update<K>(key, flags, cpu, true, [&](uint32_t element, bool exists) {
      if (!exists) ZeroOthers(element, cpu);
      CopyWords(At(element, cpu), value, spec_.value_size);
    });
  }

  int Delete(const std::byte* key, uint32_t cpu) noexcept override {
    return table_.Delete<K>(key, cpu, [](uint32_t) {});
  }

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
    return table_.Update<K>(key, flags, HashTable::kHostCache, true, [&](uint32_t element, bool) {
      for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
        CopyWords(At(element, cpu), value + uint64_t{cpu} * stride_, stride_);
      }
    });
  }

  int DoHostDelete(const std::byte* key) noexcept override {
    return PercpuHashMap::Delete(key, HashTable::kHostCache);
  }

  int DoHostLookupAndDelete(const std::byte* key, std::byte* value) noexcept override {
    return table_.Delete<K>(key, HashTable::kHostCache,
                            [&](uint32_t element) { CopyOut(value, element); });
  }

  int DoNextKey(const std::byte* key, std::byte* next) noexcept override {
    return table_.NextKey<K>(key, next);
  }

 private:
  std::byte* At(uint32_t element, uint32_t cpu) const {
    return values_.base() + cpu * cpu_stride_ + uint64_t{element} * stride_;
  }

  void CopyOut(std::byte* value, uint32_t element) const {
    for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
      CopyWords(value + uint64_t{cpu} * stride_, At(element, cpu), stride_);
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

  HashTable table_;
  const Region values_;
  const uint64_t stride_;
  const uint64_t cpu_stride_;
  const uint32_t cpus_;
};

template <template <class> class M>
Result<std::shared_ptr<Map>> CreateForKey(const MapSpec& spec, const MapEnvironment& environment) {
  switch (spec.key_size) {
    case 4:
      return M<FixedKey<4>>::Create(spec, environment);
    case 8:
      return M<FixedKey<8>>::Create(spec, environment);
    case 16:
      return M<FixedKey<16>>::Create(spec, environment);
    default:
      return M<AnyKey>::Create(spec, environment);
  }
}

}  // namespace

Result<std::shared_ptr<Map>> CreateHashMap(const MapSpec& spec, const MapEnvironment& environment) {
  return CreateForKey<HashMap>(spec, environment);
}

Result<std::shared_ptr<Map>> CreatePercpuHashMap(const MapSpec& spec,
                                                 const MapEnvironment& environment) {
  return CreateForKey<PercpuHashMap>(spec, environment);
}

}  // namespace skep
