// SPDX-License-Identifier: Apache-2.0
// MapFileHeader: how a region that processes share says which map is in it, in
// the description of its SharedRegion. Written once, checked by each process that
// opens it, and never looked at again.
//
// Another layout of any map type is another version: there is no conversion.

#ifndef SKEP_MAPS_MAP_FILE_HEADER_H_
#define SKEP_MAPS_MAP_FILE_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "skep/map_spec.h"
#include "skep/result.h"

#include "base/shared_region.h"

namespace skep {

struct MapFileHeader {
  static constexpr char kMagic[8] = {'s', 'k', 'e', 'p', ' ', 'm', 'a', 'p'};
  static constexpr uint32_t kVersion = 1;
  static constexpr uint32_t kByteOrder = 0x01020304;
  static constexpr size_t kNameBytes = 128;  // with a zero at the end
  static constexpr uint32_t kMaxCpuSlots = 4096;

  char magic[8];
  uint32_t version;
  uint32_t byte_order;
  uint32_t page_bytes;  // of the machine: parts begin at pages
  uint32_t map_type;
  uint32_t key_size;
  uint32_t value_size;
  uint32_t max_entries;
  uint32_t flags;
  uint64_t map_extra;
  uint32_t cpu_slots;
  uint32_t reserved;
  uint64_t seed;        // of hashes
  uint64_t body_bytes;  // behind the first page
  char name[kNameBytes];
  uint64_t checksum;  // of all bytes before it

  // REQUIRES: the spec is one that CheckShareable takes.
  static MapFileHeader Of(const MapSpec& spec, uint32_t cpu_slots, uint64_t seed,
                          uint64_t body_bytes);
  // What a file of `file_bytes` says in its header. Fails with kMalformedObject;
  // the message starts with what is wrong, not with the file. Does not compare
  // body_bytes with what the map needs.
  Result<MapSpec> Check(uint64_t file_bytes) const;

 private:
  uint64_t Sum() const;
};
static_assert(sizeof(MapFileHeader) == 208 &&
              sizeof(MapFileHeader) <= SharedRegion::kDescriptionBytes);
static_assert(offsetof(MapFileHeader, checksum) == 200);

}  // namespace skep

#endif  // SKEP_MAPS_MAP_FILE_HEADER_H_
