// SPDX-License-Identifier: Apache-2.0
// MapSpec: what a map is, before there is one. A Program names map specs; map
// instances are created from them (Runtime, Instance) and bound by Lower.
//
// Threads: a value type.

#ifndef SKEP_MAP_SPEC_H_
#define SKEP_MAP_SPEC_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace skep {

// Linux's enum bpf_map_type. Which of them this build can create is in
// model/map_types.def; the others are refused by name.
enum class MapType : uint32_t {
  kUnspec = 0,
  kHash = 1,
  kArray = 2,
  kProgArray = 3,
  kPerfEventArray = 4,
  kPercpuHash = 5,
  kPercpuArray = 6,
  kStackTrace = 7,
  kCgroupArray = 8,
  kLruHash = 9,
  kLruPercpuHash = 10,
  kLpmTrie = 11,
  kArrayOfMaps = 12,
  kHashOfMaps = 13,
  kDevmap = 14,
  kSockmap = 15,
  kCpumap = 16,
  kXskmap = 17,
  kSockhash = 18,
  kCgroupStorage = 19,
  kReuseportSockarray = 20,
  kPercpuCgroupStorage = 21,
  kQueue = 22,
  kStack = 23,
  kSkStorage = 24,
  kDevmapHash = 25,
  kStructOps = 26,
  kRingbuf = 27,
  kInodeStorage = 28,
  kTaskStorage = 29,
  kBloomFilter = 30,
  kUserRingbuf = 31,
  kCgrpStorage = 32,
  kArena = 33,
  kInsnArray = 34,
};

// BPF_MAP_CREATE flags (enum in linux/bpf.h).
enum MapFlags : uint32_t {
  kMapNoPrealloc = 1u << 0,
  kMapNoCommonLru = 1u << 1,
  kMapNumaNode = 1u << 2,
  kMapRdonly = 1u << 3,
  kMapWronly = 1u << 4,
  kMapStackBuildId = 1u << 5,
  kMapZeroSeed = 1u << 6,
  kMapRdonlyProg = 1u << 7,
  kMapWronlyProg = 1u << 8,
  kMapClone = 1u << 9,
  kMapMmapable = 1u << 10,
  kMapPreserveElems = 1u << 11,
  kMapInnerMap = 1u << 12,
  kMapSegvOnFault = 1u << 17,  // arena
  kMapNoUserConv = 1u << 18,   // arena
};

// BPF_MAP_UPDATE_ELEM flags.
enum MapUpdateFlags : uint64_t {
  kUpdateAny = 0,
  kUpdateNoExist = 1,
  kUpdateExist = 2,
  kUpdateLock = 4,
};

struct MapSpec {
  std::string name;  // at most 15 bytes are shown to the kernel; the rest is kept
  MapType type = MapType::kUnspec;
  uint32_t key_size = 0;    // bytes
  uint32_t value_size = 0;  // bytes
  uint32_t max_entries = 0;
  uint32_t flags = 0;  // MapFlags
  uint64_t map_extra = 0;
  uint32_t btf_key_type_id = 0;  // in the object's BTF; 0 if unknown
  uint32_t btf_value_type_id = 0;

  // Map-in-map: the spec that inner maps must equal. Null for other types.
  std::shared_ptr<const MapSpec> inner;

  // .data and .rodata: the value_size bytes of element 0; of an arena: what it
  // starts with. Shared by all copies of the spec. Null: the map starts with
  // zeroes (.bss) or empty.
  std::shared_ptr<const std::vector<std::byte>> initial_value;
  // Frozen after initialisation (.rodata): the verifier reads it as constants.
  bool frozen = false;
  // LIBBPF_PIN_BY_NAME asked for in the object.
  bool pin_by_name = false;

  // Slots that the object initialises (`.values = { [1] = &inner, ... }`).
  // For map-in-map the name of a map, for a prog array that of a program.
  std::vector<std::pair<uint32_t, std::string>> initial_slots;
};

}  // namespace skep

#endif  // SKEP_MAP_SPEC_H_
