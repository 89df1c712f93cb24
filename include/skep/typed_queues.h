// SPDX-License-Identifier: Apache-2.0
// Typed views of maps without keys: queues, stacks and bloom filters. As
// skep/typed_maps.h, whose rules for types, results, threads and lifetime hold here.
//
//   auto jobs = skep::typed::QueueMap<Job>::Open(instance->FindMap("jobs"));
//   while (auto job = jobs->Pop()) Do(*job);

#ifndef SKEP_TYPED_QUEUES_H_
#define SKEP_TYPED_QUEUES_H_

#include <memory>
#include <optional>
#include <utility>

#include "skep/map.h"
#include "skep/result.h"
#include "skep/typed_maps.h"

namespace skep::typed {

// QUEUE and STACK. Push fails with -E2BIG if it is full; with kUpdateExist the oldest
// goes. Pop and Peek are empty if there is none.
template <Plain Value>
class QueueMap {
 public:
  static Result<QueueMap> Open(std::shared_ptr<Map> map) {
    SKEP_TRY_VOID(CheckMap(map, {MapType::kQueue, MapType::kStack}, 0, sizeof(Value)));
    return QueueMap(std::move(map));
  }
  int Push(const Value& value, uint64_t flags = kUpdateAny) const {
    return map_->HostUpdate(nullptr, reinterpret_cast<const std::byte*>(&value), flags);
  }
  std::optional<Value> Pop() const {
    Value value;
    if (map_->HostLookupAndDelete(nullptr, Bytes(value)) != 0) return std::nullopt;
    return value;
  }
  std::optional<Value> Peek() const {
    Value value;
    if (map_->HostLookup(nullptr, Bytes(value)) != 0) return std::nullopt;
    return value;
  }
  const std::shared_ptr<Map>& map() const { return map_; }

 private:
  explicit QueueMap(std::shared_ptr<Map> map) : map_(std::move(map)) {}
  static std::byte* Bytes(Value& value) { return reinterpret_cast<std::byte*>(&value); }
  std::shared_ptr<Map> map_;
};

// BLOOM_FILTER.
template <Plain Value>
class BloomFilter {
 public:
  static Result<BloomFilter> Open(std::shared_ptr<Map> map) {
    SKEP_TRY_VOID(CheckMap(map, {MapType::kBloomFilter}, 0, sizeof(Value)));
    return BloomFilter(std::move(map));
  }
  int Add(const Value& value) const {
    return map_->HostUpdate(nullptr, reinterpret_cast<const std::byte*>(&value));
  }
  // False: it was not added. True: it probably was.
  bool MayContain(Value value) const {
    return map_->HostLookup(nullptr, reinterpret_cast<std::byte*>(&value)) == 0;
  }
  const std::shared_ptr<Map>& map() const { return map_; }

 private:
  explicit BloomFilter(std::shared_ptr<Map> map) : map_(std::move(map)) {}
  std::shared_ptr<Map> map_;
};

}  // namespace skep::typed

#endif  // SKEP_TYPED_QUEUES_H_
