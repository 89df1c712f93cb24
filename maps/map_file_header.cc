// SPDX-License-Identifier: Apache-2.0
#include "maps/map_file_header.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "maps/create.h"
#include "maps/shareable.h"

namespace skep {
namespace {

Error Malformed(std::string what) {
  return Error{ErrorCode::kMalformedObject, std::move(what), EINVAL};
}

}  // namespace

// FNV-1a: against damage, not against malice, which can compute it too.
uint64_t MapFileHeader::Sum() const {
  uint64_t sum = 0xcbf29ce484222325;
  const auto* bytes = reinterpret_cast<const unsigned char*>(this);
  for (size_t i = 0; i < offsetof(MapFileHeader, checksum); ++i) {
    sum = (sum ^ bytes[i]) * 0x100000001b3;
  }
  return sum;
}

MapFileHeader MapFileHeader::Of(const MapSpec& spec, uint32_t cpu_slots, uint64_t seed,
                                uint64_t body_bytes) {
  MapFileHeader header = {};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.byte_order = kByteOrder;
  header.page_bytes = static_cast<uint32_t>(PageBytes());
  header.map_type = static_cast<uint32_t>(spec.type);
  header.key_size = spec.key_size;
  header.value_size = spec.value_size;
  header.max_entries = spec.max_entries;
  header.flags = spec.flags;
  header.map_extra = spec.map_extra;
  header.cpu_slots = cpu_slots;
  header.seed = seed;
  header.body_bytes = body_bytes;
  std::memcpy(header.name, spec.name.data(), std::min(spec.name.size(), kNameBytes - 1));
  header.checksum = header.Sum();
  return header;
}

Result<MapSpec> MapFileHeader::Check(uint64_t file_bytes) const {
  if (std::memcmp(magic, kMagic, sizeof kMagic) != 0) return Malformed("holds no map of skep");
  if (byte_order != kByteOrder) return Malformed("was made by a machine of the other byte order");
  if (version != kVersion) {
    return Malformed(fmt::format("has format version {}, need {}", version, kVersion));
  }
  if (checksum != Sum()) return Malformed("its header is damaged: the checksum does not match");
  if (page_bytes != PageBytes()) {
    return Malformed(
        fmt::format("was made for pages of {} bytes, need {}", page_bytes, PageBytes()));
  }
  if (cpu_slots == 0 || cpu_slots > kMaxCpuSlots) {
    return Malformed(fmt::format("has {} CPU slots, need 1..{}", cpu_slots, kMaxCpuSlots));
  }
  if (reserved != 0 || name[kNameBytes - 1] != 0) return Malformed("its header makes no sense");
  if (file_bytes < page_bytes || file_bytes - page_bytes != body_bytes) {
    return Malformed(fmt::format("has {} bytes, need {}: it was cut short or is damaged",
                                 file_bytes, body_bytes + page_bytes));
  }
  MapSpec spec;
  spec.name = name;
  spec.type = static_cast<MapType>(map_type);
  spec.key_size = key_size;
  spec.value_size = value_size;
  spec.max_entries = max_entries;
  spec.flags = flags;
  spec.map_extra = map_extra;
  if (auto sound = CheckShareable(spec); !sound) {
    return Malformed("its header makes no sense: " + sound.error().message);
  }
  return spec;
}

}  // namespace skep
