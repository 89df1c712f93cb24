// SPDX-License-Identifier: Apache-2.0
#include "maps/shareable.h"

#include <cerrno>

#include <fmt/format.h>

#include "base/check.h"
#include "maps/array_map.h"
#include "maps/bloom_filter_map.h"
#include "maps/create.h"
#include "maps/hash_map.h"
#include "maps/lpm_trie_map.h"
#include "maps/queue_map.h"
#include "maps/ringbuf_map.h"
#include "model/map_type_info.h"

namespace skep {
namespace {

bool TypeIsShareable(MapType type) {
  switch (type) {
    case MapType::kHash:
    case MapType::kPercpuHash:
    case MapType::kLruHash:
    case MapType::kLruPercpuHash:
    case MapType::kArray:
    case MapType::kPercpuArray:
    case MapType::kLpmTrie:
    case MapType::kQueue:
    case MapType::kStack:
    case MapType::kBloomFilter:
    case MapType::kRingbuf:
      return true;
    default:
      return false;
  }
}

Error Refuse(const MapSpec& spec, std::string_view why) {
  return Error{ErrorCode::kUnsupported,
               fmt::format("map '{}' ({}) cannot be shared: {}", spec.name,
                           model::FindMapType(spec.type)->name, why),
               EOPNOTSUPP};
}

}  // namespace

Result<void> CheckShareable(const MapSpec& spec, const model::ValueType* fields) {
  SKEP_TRY_VOID(CheckMapSpec(spec));
  if (!TypeIsShareable(spec.type)) {
    return Refuse(spec, "maps of this type refer to what belongs to one process");
  }
  // The verifier takes frozen contents for constants; another process could change
  // them.
  if (spec.frozen) return Refuse(spec, "it is frozen, which other processes would not heed");
  if (fields == nullptr) return {};
  for (const model::ValueField& field : fields->fields) {
    if (field.kind != model::SpecialKind::kSpinLock) {
      return Refuse(spec, "its values refer to what belongs to one process");
    }
  }
  return {};
}

uint64_t SharedBodyBytes(const MapSpec& spec, uint32_t cpu_slots) {
  switch (spec.type) {
    case MapType::kHash:
    case MapType::kPercpuHash:
    case MapType::kLruHash:
    case MapType::kLruPercpuHash:
      return HashMapBytes(spec, cpu_slots, true);
    case MapType::kArray:
    case MapType::kPercpuArray:
      return ArrayMap::BytesFor(spec, cpu_slots);
    case MapType::kLpmTrie:
      return LpmTrieMap::BytesFor(spec);
    case MapType::kQueue:
    case MapType::kStack:
      return QueueMap::BytesFor(spec);
    case MapType::kBloomFilter:
      return BloomFilterMap::BytesFor(spec);
    case MapType::kRingbuf:
      return RingbufMap::SharedBytesFor(spec);
    default:
      SKEP_CHECK(false);
      return 0;
  }
}

}  // namespace skep
