// SPDX-License-Identifier: Apache-2.0
#include "model/map_type_info.h"

namespace skep::model {
namespace {

// The words of map_types.def.
constexpr bool Built = true;
constexpr bool NotBuilt = false;
constexpr bool Sleepable = true;
constexpr bool Atomic = false;
constexpr uint64_t kAny = ~uint64_t{0};

constexpr uint32_t kNoFlags = 0;
constexpr uint32_t kNoPrealloc = kMapNoPrealloc;
constexpr uint32_t kNoCommonLru = kMapNoCommonLru;
constexpr uint32_t kNuma = kMapNumaNode;
constexpr uint32_t kFd = kMapRdonly | kMapWronly;
constexpr uint32_t kBuildId = kMapStackBuildId;
constexpr uint32_t kSeed = kMapZeroSeed;
constexpr uint32_t kProg = kMapRdonlyProg | kMapWronlyProg;
constexpr uint32_t kMmap = kMapMmapable;
constexpr uint32_t kPreserve = kMapPreserveElems;
constexpr uint32_t kInner = kMapInnerMap;
constexpr uint32_t kClone = kMapClone;
constexpr uint32_t kArena = kMapSegvOnFault | kMapNoUserConv;

constexpr uint16_t kNoFields = 0;
constexpr uint16_t kUptr = kFieldUptr;
constexpr uint16_t kKptrFields = kFieldKptrRef | kFieldKptrUntrusted | kFieldRefcount;
constexpr uint16_t kLruFields = kKptrFields | kFieldTimer | kFieldWorkqueue | kFieldTaskWork;
constexpr uint16_t kStorageFields = kKptrFields | kFieldSpinLock | kFieldResSpinLock;
constexpr uint16_t kHashFields = kLruFields | kStorageFields | kFieldListHead | kFieldRbRoot;

template <class... Id>
constexpr std::array<uint16_t, 8> Helpers(Id... ids) {
  return {static_cast<uint16_t>(ids)...};
}

constexpr MapTypeInfo kTable[] = {
#define SKEP_MAP_TYPE(name, text, built, flags, extra, sleepable, fields, helpers) \
  {MapType::k##name, text, built, flags, extra, sleepable, fields, helpers},
#include "model/map_types.def"
};

constexpr bool IsDense() {
  uint32_t number = 1;
  for (const MapTypeInfo& info : kTable) {
    if (static_cast<uint32_t>(info.type) != number++) return false;
  }
  return true;
}
static_assert(IsDense(), "map_types.def has a row for each number, in order");

}  // namespace

const MapTypeInfo* FindMapType(MapType type) {
  const auto index = static_cast<uint32_t>(type) - 1;  // kUnspec wraps
  return index < std::size(kTable) ? &kTable[index] : nullptr;
}

const MapTypeInfo* FindMapType(std::string_view name) {
  for (const MapTypeInfo& info : kTable) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

std::span<const MapTypeInfo> MapTypes() { return kTable; }

}  // namespace skep::model
