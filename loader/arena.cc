// SPDX-License-Identifier: Apache-2.0
// Section .addr_space.1: globals that programs keep in the arena (`__arena`).
// They lie at the start of the object's one arena map, as libbpf puts them for
// Linux 6.18.
#include <cerrno>

#include <elf.h>
#include <fmt/format.h>
#include <unistd.h>

#include "loader/map_table.h"

namespace skep::loader {

Result<void> ReadArenaData(const ElfFile& elf, MapTable& table) {
  MapSpec* arena = nullptr;
  for (MapSpec& spec : table.specs) {
    if (spec.type != MapType::kArena) continue;
    if (arena != nullptr) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("maps {} and {} are both arenas, need at most one an object",
                               arena->name, spec.name),
                   EINVAL};
    }
    arena = &spec;
  }
  const Section* section = elf.FindSection(".addr_space.1");
  if (section == nullptr || section->type != SHT_PROGBITS || section->data.empty()) return {};
  if (arena == nullptr)
    return Error{ErrorCode::kMalformedObject, "section .addr_space.1: there is no arena in .maps",
                 ENOENT};
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (section->size > page * arena->max_entries) {
    return Error{ErrorCode::kResourceLimit,
                 fmt::format("section .addr_space.1: {} bytes, but the arena {} has {} pages",
                             section->size, arena->name, arena->max_entries),
                 E2BIG};
  }
  arena->initial_value =
      std::make_shared<const std::vector<std::byte>>(section->data.begin(), section->data.end());
  MapPlace place;
  place.spec = static_cast<uint32_t>(arena - table.specs.data());
  place.section = static_cast<uint32_t>(section - elf.sections().data());
  place.size = section->size;
  place.is_data = true;
  table.places.push_back(place);
  return {};
}

}  // namespace skep::loader
