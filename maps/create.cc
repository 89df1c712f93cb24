// SPDX-License-Identifier: Apache-2.0
#include "maps/create.h"

#include <cerrno>

#include <fmt/format.h>

#include "base/check.h"
#include "maps/arena_map.h"
#include "maps/array_map.h"
#include "maps/bloom_filter_map.h"
#include "maps/hash_map.h"
#include "maps/hash_of_maps.h"
#include "maps/lpm_trie_map.h"
#include "maps/map_in_map.h"
#include "maps/perf_event_array.h"
#include "maps/prog_array.h"
#include "maps/queue_map.h"
#include "maps/redirect_tables.h"
#include "maps/ringbuf_map.h"
#include "maps/socket_tables.h"
#include "maps/stack_trace_map.h"
#include "maps/storage_map.h"
#include "model/map_type_info.h"

namespace skep {

namespace {

Error NotBuilt(const MapSpec& spec) {
  return Error{ErrorCode::kUnsupported,
               fmt::format("map '{}': map type {} is not supported by this build", spec.name,
                           model::FindMapType(spec.type)->name),
               EOPNOTSUPP};
}

}  // namespace

namespace {

Result<std::shared_ptr<Map>> CreateOfType(const MapSpec& spec, const MapEnvironment& environment) {
  switch (spec.type) {
    case MapType::kHash:
    case MapType::kLruHash:
      return CreateHashMap(spec, environment);
    case MapType::kPercpuHash:
    case MapType::kLruPercpuHash:
      return CreatePercpuHashMap(spec, environment);
    case MapType::kArray:
    case MapType::kPercpuArray:
      return ArrayMap::Create(spec, environment);
    case MapType::kProgArray:
      return ProgArray::Create(spec, environment);
    case MapType::kArrayOfMaps:
      return ArrayOfMaps::Create(spec, environment);
    case MapType::kHashOfMaps:
      return CreateHashOfMaps(spec, environment);
    case MapType::kPerfEventArray:
      return PerfEventArray::Create(spec, environment);
    case MapType::kQueue:
    case MapType::kStack:
      return QueueMap::Create(spec, environment);
    case MapType::kRingbuf:
    case MapType::kUserRingbuf:
      return RingbufMap::Create(spec, environment);
    case MapType::kStackTrace:
      return StackTraceMap::Create(spec, environment);
    case MapType::kTaskStorage:
    case MapType::kSkStorage:
    case MapType::kInodeStorage:
    case MapType::kCgrpStorage:
      return StorageMap::Create(spec, environment);
    case MapType::kCgroupArray:
    case MapType::kSockmap:
    case MapType::kReuseportSockarray:
      return SocketArray::Create(spec, environment);
    case MapType::kSockhash:
      return SocketHash::Create(spec, environment);
    case MapType::kUnspec:
    case MapType::kCgroupStorage:
    case MapType::kPercpuCgroupStorage:
    case MapType::kStructOps:
    case MapType::kInsnArray:
      break;
    case MapType::kDevmap:
    case MapType::kCpumap:
    case MapType::kXskmap:
      return RedirectArray::Create(spec, environment);
    case MapType::kDevmapHash:
      return RedirectHash::Create(spec, environment);
    case MapType::kLpmTrie:
      return LpmTrieMap::Create(spec, environment);
    case MapType::kBloomFilter:
      return BloomFilterMap::Create(spec, environment);
    case MapType::kArena:
      return ArenaMap::Create(spec, environment);
  }
  return NotBuilt(spec);
}

}  // namespace

Result<std::shared_ptr<Map>> CreateMap(const MapSpec& spec, const MapEnvironment& environment) {
  SKEP_CHECK(environment.cpu_slots != 0 && environment.epochs != nullptr);
  SKEP_TRY_VOID(CheckMapSpec(spec));
  constexpr uint32_t kLimitsPrograms = kMapRdonlyProg | kMapWronlyProg;
  if (environment.value_type != nullptr && (spec.flags & kLimitsPrograms) != 0) {
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("map '{}': programs must read and write values that hold locks, timers "
                    "and the like",
                    spec.name),
        EACCES};
  }
  return CreateOfType(spec, environment);
}

}  // namespace skep
