// SPDX-License-Identifier: Apache-2.0
// MapTypeInfo: what is fixed about each map type, from map_types.def: its name,
// which flags it knows, and which helpers and programs may use it. The verifier
// judges map arguments by it, maps/ creates by it.
//
// Threads: constants.

#ifndef SKEP_MODEL_MAP_TYPE_INFO_H_
#define SKEP_MODEL_MAP_TYPE_INFO_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "skep/helper.h"
#include "skep/map_spec.h"

namespace skep::model {

// Fields with a meaning to the kernel that the BTF type of a value may hold.
enum MapField : uint16_t {
  kFieldSpinLock = 1u << 0,
  kFieldResSpinLock = 1u << 1,
  kFieldTimer = 1u << 2,
  kFieldWorkqueue = 1u << 3,
  kFieldTaskWork = 1u << 4,
  kFieldKptrRef = 1u << 5,
  kFieldKptrUntrusted = 1u << 6,
  kFieldListHead = 1u << 7,
  kFieldRbRoot = 1u << 8,
  kFieldRefcount = 1u << 9,
  kFieldUptr = 1u << 10,
};

struct MapTypeInfo {
  MapType type = MapType::kUnspec;
  std::string_view name;  // as bpftool prints it
  bool built = false;     // this build can create it
  uint32_t flags = 0;     // MapFlags that BPF_MAP_CREATE takes
  uint64_t max_map_extra = 0;
  bool sleepable = false;             // programs that may sleep may refer to it
  uint16_t fields = 0;                // MapField
  std::array<uint16_t, 8> helpers{};  // ids, then zeros

  // Whether the helper takes this type as its map argument. A helper of the
  // host's own takes what map_update_elem takes.
  constexpr bool TakenBy(uint32_t helper_id) const {
    if (helper_id >= kFirstHostHelperId) helper_id = 2;
    if (helper_id == 0) return false;
    for (const uint16_t id : helpers) {
      if (id == helper_id) return true;
    }
    return false;
  }
};

// Null for kUnspec and for numbers that no map type has.
const MapTypeInfo* FindMapType(MapType type);
// By name, as bpftool prints it; null if there is none.
const MapTypeInfo* FindMapType(std::string_view name);
// Whether each CPU has a value of its own.
constexpr bool IsPercpu(MapType type) {
  return type == MapType::kPercpuArray || type == MapType::kPercpuHash ||
         type == MapType::kLruPercpuHash || type == MapType::kPercpuCgroupStorage;
}
// All of them, ascending by number.
std::span<const MapTypeInfo> MapTypes();

}  // namespace skep::model

#endif  // SKEP_MODEL_MAP_TYPE_INFO_H_
