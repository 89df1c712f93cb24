// SPDX-License-Identifier: Apache-2.0
// MapTable: all maps of an object and where in its sections they are: BTF
// definitions of .maps, struct bpf_map_def of the older `maps` section, .data,
// .rodata and .bss, which become arrays of one element, and .addr_space.1, which
// lies in the arena. Names, flags and
// sizes are those that libbpf gives them.
//
// Threads: immutable.

#ifndef SKEP_LOADER_MAP_TABLE_H_
#define SKEP_LOADER_MAP_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "skep/map_spec.h"
#include "skep/result.h"

#include "loader/elf_file.h"
#include "loader/functions.h"
#include "loader/object_types.h"

namespace skep::loader {

// Where a map's definition, or a data map's bytes, lie.
struct MapPlace {
  uint32_t spec = 0;     // index into MapTable::specs
  uint32_t section = 0;  // ELF section index
  uint64_t offset = 0;
  uint64_t size = 0;
  bool is_data = false;   // element 0, or the arena's start, is the section itself
  uint64_t slots_at = 0;  // .maps: where the member `values` starts in the definition
};

struct MapTable {
  std::vector<MapSpec> specs;
  std::vector<MapPlace> places;  // by section, then by offset

  void Add(MapSpec spec, MapPlace place);

  // The data map of `section`, or the map whose definition holds `offset`; null
  // if there is none.
  const MapPlace* Find(uint32_t section, uint64_t offset) const;
};

// `object_name` is the file's name up to its first dot. Fails with
// kMalformedObject, kUnsupported or kResourceLimit, naming section and map.
Result<MapTable> ReadMaps(const ElfFile& elf, const ObjectTypes& types,
                          const FunctionTable& functions, std::string_view object_name);

// The name of the map of a data section: ".data" and ".rodata" of many objects
// would share one, so up to eight characters of the object's go in front.
// ".rodata.config" keeps its own, which libbpf cuts for .bss alone.
std::string DataMapName(std::string_view object_name, std::string_view section);

// ---- the parts, one a file ------------------------------------------------

// .maps: appends to `table`.
Result<void> ReadBtfMaps(const ElfFile& elf, const ObjectTypes& types, MapTable& table);
// What the kVar `variable` of .maps defines or, if it is extern, declares.
Result<MapSpec> ReadMapType(const btf::Btf& btf, uint32_t variable);
// `.values = { [1] = &inner }` of .maps, from its relocations. REQUIRES: the
// places are sorted.
Result<void> ReadInitialSlots(const ElfFile& elf, const FunctionTable& functions, MapTable& table);
// .addr_space.1: its bytes and place go to the map of type arena.
Result<void> ReadArenaData(const ElfFile& elf, MapTable& table);
// The section `maps`: appends to `table`.
Result<void> ReadLegacyMaps(const ElfFile& elf, MapTable& table);
// Ring buffers of any size become the next power of two of pages, as in libbpf.
void AdjustRingbufSize(MapSpec& spec);

}  // namespace skep::loader

#endif  // SKEP_LOADER_MAP_TABLE_H_
