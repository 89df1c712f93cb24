// SPDX-License-Identifier: Apache-2.0
#include "verifier/helper_rules.h"

namespace skep::verifier {
namespace {

// The helpers that a map of this restricted type may be given to; empty: the
// type has no restriction of its own.
std::initializer_list<uint32_t> HelpersOf(MapType type) {
  switch (type) {
    case MapType::kProgArray: {
      static constexpr std::initializer_list<uint32_t> kIds = {kTailCall};
      return kIds;
    }
    case MapType::kPerfEventArray: {
      static constexpr std::initializer_list<uint32_t> kIds = {
          kPerfEventRead, kPerfEventOutput, kSkbOutput, kPerfEventReadValue, kXdpOutput};
      return kIds;
    }
    case MapType::kRingbuf: {
      static constexpr std::initializer_list<uint32_t> kIds = {
          kRingbufOutput,        kRingbufReserve,      kRingbufQuery,
          kRingbufReserveDynptr, kRingbufSubmitDynptr, kRingbufDiscardDynptr};
      return kIds;
    }
    case MapType::kUserRingbuf: {
      static constexpr std::initializer_list<uint32_t> kIds = {kUserRingbufDrain};
      return kIds;
    }
    case MapType::kStackTrace: {
      static constexpr std::initializer_list<uint32_t> kIds = {kGetStackid};
      return kIds;
    }
    case MapType::kCgroupArray: {
      static constexpr std::initializer_list<uint32_t> kIds = {kSkbUnderCgroup,
                                                               kCurrentTaskUnderCgroup};
      return kIds;
    }
    case MapType::kCgroupStorage:
    case MapType::kPercpuCgroupStorage: {
      static constexpr std::initializer_list<uint32_t> kIds = {kGetLocalStorage};
      return kIds;
    }
    case MapType::kDevmap:
    case MapType::kDevmapHash:
    case MapType::kXskmap: {
      static constexpr std::initializer_list<uint32_t> kIds = {kRedirectMap, kMapLookupElem};
      return kIds;
    }
    case MapType::kCpumap: {
      static constexpr std::initializer_list<uint32_t> kIds = {kRedirectMap};
      return kIds;
    }
    case MapType::kArrayOfMaps:
    case MapType::kHashOfMaps: {
      static constexpr std::initializer_list<uint32_t> kIds = {kMapLookupElem};
      return kIds;
    }
    case MapType::kQueue:
    case MapType::kStack: {
      static constexpr std::initializer_list<uint32_t> kIds = {kMapPeekElem, kMapPopElem,
                                                               kMapPushElem};
      return kIds;
    }
    case MapType::kBloomFilter: {
      static constexpr std::initializer_list<uint32_t> kIds = {kMapPeekElem, kMapPushElem};
      return kIds;
    }
    case MapType::kReuseportSockarray: {
      static constexpr std::initializer_list<uint32_t> kIds = {kSkSelectReuseport};
      return kIds;
    }
    default:
      return {};
  }
}

bool IsRestricted(MapType type) { return HelpersOf(type).size() != 0; }

// The map types a helper wants; true if `type` is one of them or it wants none
// in particular.
bool HelperTakes(uint32_t helper, MapType type) {
  using M = MapType;
  switch (helper) {
    case kTailCall:
      return type == M::kProgArray;
    case kPerfEventRead:
    case kPerfEventOutput:
    case kPerfEventReadValue:
    case kSkbOutput:
    case kXdpOutput:
      return type == M::kPerfEventArray;
    case kRingbufOutput:
    case kRingbufReserve:
    case kRingbufQuery:
    case kRingbufReserveDynptr:
    case kRingbufSubmitDynptr:
    case kRingbufDiscardDynptr:
      return type == M::kRingbuf;
    case kUserRingbufDrain:
      return type == M::kUserRingbuf;
    case kGetStackid:
      return type == M::kStackTrace;
    case kCurrentTaskUnderCgroup:
    case kSkbUnderCgroup:
      return type == M::kCgroupArray;
    case kRedirectMap:
      return OneOf(type, {M::kDevmap, M::kDevmapHash, M::kCpumap, M::kXskmap});
    case kSkRedirectMap:
    case kMsgRedirectMap:
    case kSockMapUpdate:
      return type == M::kSockmap;
    case kSkRedirectHash:
    case kMsgRedirectHash:
    case kSockHashUpdate:
      return type == M::kSockhash;
    case kGetLocalStorage:
      return OneOf(type, {M::kCgroupStorage, M::kPercpuCgroupStorage});
    case kSkSelectReuseport:
      return OneOf(type, {M::kReuseportSockarray, M::kSockmap, M::kSockhash});
    case kMapPopElem:
      return OneOf(type, {M::kQueue, M::kStack});
    case kMapPeekElem:
    case kMapPushElem:
      return OneOf(type, {M::kQueue, M::kStack, M::kBloomFilter});
    case kMapLookupPercpuElem:
      return OneOf(type, {M::kPercpuArray, M::kPercpuHash, M::kLruPercpuHash});
    case kForEachMapElem:
      return OneOf(type, {M::kHash, M::kArray, M::kPercpuHash, M::kPercpuArray, M::kLruHash,
                          M::kLruPercpuHash});
    case kSkStorageGet:
    case kSkStorageDelete:
      return type == M::kSkStorage;
    case kInodeStorageGet:
    case kInodeStorageDelete:
      return type == M::kInodeStorage;
    case kTaskStorageGet:
    case kTaskStorageDelete:
      return type == M::kTaskStorage;
    case kCgrpStorageGet:
    case kCgrpStorageDelete:
      return type == M::kCgrpStorage;
    default:
      return true;
  }
}

bool IsLocalStorage(MapType type) {
  return OneOf(type, {MapType::kSkStorage, MapType::kInodeStorage, MapType::kTaskStorage,
                      MapType::kCgrpStorage, MapType::kStructOps});
}

}  // namespace

std::string HelperName(const HelperSpec& helper) {
  const bool has_prefix = helper.name.substr(0, 4) == "bpf_";
  return (has_prefix ? "" : "bpf_") + std::string(helper.name);
}

bool MapSuitsHelper(MapType type, uint32_t helper) {
  const auto allowed = HelpersOf(type);
  const bool map_ok =
      !IsRestricted(type) || std::find(allowed.begin(), allowed.end(), helper) != allowed.end();
  const bool storage_ok = !IsLocalStorage(type) || helper >= kSkStorageGet;
  return map_ok && storage_ok && HelperTakes(helper, type);
}

}  // namespace skep::verifier
