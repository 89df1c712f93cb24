// SPDX-License-Identifier: Apache-2.0
// Typed views of maps: keys and values are structures of the host's own.
//
//   auto flows = skep::typed::HashMap<FlowKey, FlowStats>::Open(instance->FindMap("flows"));
//   flows->Update(key, {.packets = 1});
//   for (const auto& [key, stats] : *flows) Print(key, stats.packets);
//
// Types must be trivially copyable and as large as the map's keys and values; padding
// is theirs to fill. Open fails with kInvalidArgument where the map is null, of
// another type or of other sizes. Results are those of the functions of Map
// (0 or -errno); a lookup of what is not there, or may not be read, is empty.
//
// Ranges read in batches: an element that is there all the time is seen exactly once.
// Threads: as Map; an iterator belongs to one thread. Lifetime: a view keeps its map.

#ifndef SKEP_TYPED_MAPS_H_
#define SKEP_TYPED_MAPS_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "skep/map.h"
#include "skep/map_batch.h"
#include "skep/result.h"
#include "skep/typed_values.h"

namespace skep::typed {

// What maps with keys have in common.
template <Plain Key, class Codec>
class KeyedMap {
 public:
  using Value = typename Codec::Value;
  using Element = std::pair<Key, Value>;

  // Goes once from the first element to the last.
  class Iterator {
   public:
    using value_type = Element;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Map& map) : map_(&map), token_(BatchTokenSize(map)) { Fill(); }
    const Element& operator*() const { return elements_[at_]; }
    const Element* operator->() const { return &elements_[at_]; }
    Iterator& operator++() {
      if (++at_ == elements_.size()) Fill();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return at_ == elements_.size(); }

   private:
    void Fill() {
      elements_.clear();
      at_ = 0;
      const size_t value_size = map_->host_value_size();
      for (uint32_t room = 64; !ended_ && elements_.empty();) {
        std::vector<Key> keys(room);
        std::vector<std::byte> values(room * value_size);
        MapBatch batch{.in = started_ ? token_.data() : nullptr,
                       .out = token_.data(),
                       .keys = reinterpret_cast<std::byte*>(keys.data()),
                       .values = values.data(),
                       .count = room};
        const int result = LookupBatch(*map_, batch);
        if (result == -ENOSPC) {
          room *= 2;
          continue;
        }
        ended_ = result != 0;
        started_ = true;
        for (uint32_t i = 0; i < batch.count && (result == 0 || result == -ENOENT); ++i) {
          elements_.emplace_back(keys[i], Codec::Read(values.data() + i * value_size, value_size));
        }
      }
    }
    Map* map_;
    std::vector<std::byte> token_;
    std::vector<Element> elements_;
    size_t at_ = 0;
    bool started_ = false, ended_ = false;
  };
  Iterator begin() const { return Iterator(*map_); }
  std::default_sentinel_t end() const { return {}; }

  std::optional<Value> Lookup(const Key& key) const {
    std::vector<std::byte> bytes(map_->host_value_size());
    if (map_->HostLookup(Bytes(key), bytes.data()) != 0) return std::nullopt;
    return Codec::Read(bytes.data(), bytes.size());
  }
  int Update(const Key& key, const Value& value, uint64_t flags = kUpdateAny) const {
    std::vector<std::byte> bytes(map_->host_value_size());
    Codec::Write(value, bytes);
    return map_->HostUpdate(Bytes(key), bytes.data(), flags);
  }
  // One after the other until one fails; `*done`, if given, is how many were.
  int UpdateAll(std::span<const Element> elements, uint64_t flags = kUpdateAny,
                uint32_t* done = nullptr) const {
    int result = 0;
    uint32_t count = 0;
    for (; count < elements.size(); ++count) {
      result = Update(elements[count].first, elements[count].second, flags);
      if (result != 0) break;
    }
    if (done != nullptr) *done = count;
    return result;
  }
  const std::shared_ptr<Map>& map() const { return map_; }

 protected:
  explicit KeyedMap(std::shared_ptr<Map> map) : map_(std::move(map)) {}
  static const std::byte* Bytes(const Key& key) { return reinterpret_cast<const std::byte*>(&key); }
  std::shared_ptr<Map> map_;
};

template <Plain Key, class Codec>
class ErasableMap : public KeyedMap<Key, Codec> {
 public:
  using Value = typename Codec::Value;
  static Result<ErasableMap> Open(std::shared_ptr<Map> map) {
    if constexpr (Codec::kPerCpu) {
      SKEP_TRY_VOID(CheckMap(map, {MapType::kPercpuHash, MapType::kLruPercpuHash}, sizeof(Key),
                             Codec::kSize));
    } else {
      SKEP_TRY_VOID(CheckMap(map, {MapType::kHash, MapType::kLruHash, MapType::kLpmTrie},
                             sizeof(Key), Codec::kSize));
    }
    return ErasableMap(std::move(map));
  }
  int Erase(const Key& key) const { return this->map_->HostDelete(this->Bytes(key)); }
  // Looks up and removes; LPM_TRIE has no such operation, and gives nothing.
  std::optional<Value> Take(const Key& key) const {
    std::vector<std::byte> bytes(this->map_->host_value_size());
    if (this->map_->HostLookupAndDelete(this->Bytes(key), bytes.data()) != 0) return std::nullopt;
    return Codec::Read(bytes.data(), bytes.size());
  }
  // One after the other until one fails; `*done`, if given, is how many were.
  int EraseAll(std::vector<Key> keys, uint32_t* done = nullptr) const {
    MapBatch batch{.keys = reinterpret_cast<std::byte*>(keys.data()),
                   .count = static_cast<uint32_t>(keys.size())};
    const int result = DeleteBatch(*this->map_, batch);
    if (done != nullptr) *done = batch.count;
    return result;
  }

 private:
  using KeyedMap<Key, Codec>::KeyedMap;
};

template <class Codec>
class IndexedMap : public KeyedMap<uint32_t, Codec> {
 public:
  static Result<IndexedMap> Open(std::shared_ptr<Map> map) {
    SKEP_TRY_VOID(CheckMap(map, {Codec::kPerCpu ? MapType::kPercpuArray : MapType::kArray},
                           sizeof(uint32_t), Codec::kSize));
    return IndexedMap(std::move(map));
  }
  uint32_t size() const { return this->map_->spec().max_entries; }

 private:
  using KeyedMap<uint32_t, Codec>::KeyedMap;
};

// HASH, LRU_HASH and LPM_TRIE, whose key is a struct of a uint32_t, the length of the
// prefix, and bytes in network order.
template <Plain Key, Plain Value>
using HashMap = ErasableMap<Key, OneValue<Value>>;
// Their values are vectors, by CPU slot.
template <Plain Key, Plain Value>
using PercpuHashMap = ErasableMap<Key, ValuePerCpu<Value>>;
template <Plain Value>
using ArrayMap = IndexedMap<OneValue<Value>>;
template <Plain Value>
using PercpuArrayMap = IndexedMap<ValuePerCpu<Value>>;

}  // namespace skep::typed

#endif  // SKEP_TYPED_MAPS_H_
