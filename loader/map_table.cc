// SPDX-License-Identifier: Apache-2.0
#include "loader/map_table.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <elf.h>
#include <fmt/format.h>
#include <unistd.h>

namespace skep::loader {
namespace {

constexpr size_t kKernelNameLength = 15;  // what the kernel shows of a map's name

enum class DataKind { kNone, kData, kRodata, kBss };

bool IsOrStartsWith(std::string_view name, std::string_view section) {
  return name.starts_with(section) &&
         (name.size() == section.size() || name[section.size()] == '.');
}

DataKind DataKindOf(const Section& section) {
  if (section.size == 0 || section.IsCode()) return DataKind::kNone;
  if (section.type == SHT_PROGBITS) {
    if (IsOrStartsWith(section.name, ".data")) return DataKind::kData;
    if (IsOrStartsWith(section.name, ".rodata")) return DataKind::kRodata;
  }
  if (section.type == SHT_NOBITS && IsOrStartsWith(section.name, ".bss")) return DataKind::kBss;
  return DataKind::kNone;
}

// User space may map a data section if it holds a variable that others see.
bool HoldsGlobals(const btf::Btf& btf, uint32_t datasec) {
  for (uint32_t i = 0; i < btf.type(datasec).vlen; ++i) {
    const uint32_t type = btf.section_variable(datasec, i).type;
    if (btf.kind(type) == btf::Kind::kVar && btf.linkage(type) != btf::Linkage::kStatic)
      return true;
  }
  return false;
}

// Addresses inside a data section (.rel.data) stay as the file has them: Linux's
// loaders do not relocate data either, so that programs see the same bytes.
Result<void> ReadDataMaps(const ElfFile& elf, const ObjectTypes& types,
                          std::string_view object_name, MapTable& table) {
  for (uint32_t i = 1; i < elf.sections().size(); ++i) {
    const Section& section = elf.sections()[i];
    const DataKind kind = DataKindOf(section);
    if (kind == DataKind::kNone) continue;
    if (section.size > INT32_MAX)
      return Error{ErrorCode::kResourceLimit, fmt::format("section {}: {} bytes, need at most {}",
                                                          section.name, section.size, INT32_MAX)};
    MapSpec spec;
    spec.name = DataMapName(object_name, section.name);
    spec.type = MapType::kArray;
    spec.key_size = 4;
    spec.value_size = static_cast<uint32_t>(section.size);
    spec.max_entries = 1;
    if (const auto it = types.data_sections.find(section.name); it != types.data_sections.end())
      spec.btf_value_type_id = it->second;
    if (spec.btf_value_type_id != 0 && HoldsGlobals(*types.btf, spec.btf_value_type_id))
      spec.flags |= kMapMmapable;
    if (kind == DataKind::kRodata) {
      spec.flags |= kMapRdonlyProg;
      spec.frozen = true;
    }
    if (kind != DataKind::kBss)
      spec.initial_value =
          std::make_shared<const std::vector<std::byte>>(section.data.begin(), section.data.end());
    table.Add(std::move(spec), {0, i, 0, section.size, true});
  }
  return {};
}

}  // namespace

std::string DataMapName(std::string_view object_name, std::string_view section) {
  const size_t suffix = std::min(std::max<size_t>(7, section.size()), kKernelNameLength);
  const bool own_name = section.find('.', 1) != std::string_view::npos;
  std::string name;
  if (!own_name) name = object_name.substr(0, kKernelNameLength - suffix);
  name += section.substr(0, suffix);
  for (char& c : name) {
    const bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '.';
    if (!keep) c = '_';
  }
  return own_name && !IsOrStartsWith(section, ".bss") ? std::string(section) : name;
}

void MapTable::Add(MapSpec spec, MapPlace place) {
  place.spec = static_cast<uint32_t>(specs.size());
  specs.push_back(std::move(spec));
  places.push_back(place);
}

const MapPlace* MapTable::Find(uint32_t section, uint64_t offset) const {
  const auto after = std::upper_bound(
      places.begin(), places.end(), std::tie(section, offset),
      [](const auto& at, const MapPlace& p) { return at < std::tie(p.section, p.offset); });
  if (after == places.begin()) return nullptr;
  const MapPlace& place = *(after - 1);
  if (place.section != section) return nullptr;
  if (!place.is_data && offset - place.offset >= place.size) return nullptr;
  return &place;
}

void AdjustRingbufSize(MapSpec& spec) {
  if (spec.type != MapType::kRingbuf && spec.type != MapType::kUserRingbuf) return;
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (spec.max_entries == 0) return;  // the kernel refuses it; so does creating the map
  uint64_t size = page;
  while (size < spec.max_entries) size *= 2;
  if (size <= UINT32_MAX) spec.max_entries = static_cast<uint32_t>(size);
}

Result<MapTable> ReadMaps(const ElfFile& elf, const ObjectTypes& types,
                          const FunctionTable& functions, std::string_view object_name) {
  MapTable table;
  SKEP_TRY_VOID(ReadLegacyMaps(elf, table));
  SKEP_TRY_VOID(ReadBtfMaps(elf, types, table));
  SKEP_TRY_VOID(ReadArenaData(elf, table));
  SKEP_TRY_VOID(ReadDataMaps(elf, types, object_name, table));
  std::stable_sort(table.places.begin(), table.places.end(), [](const auto& a, const auto& b) {
    return std::tie(a.section, a.offset) < std::tie(b.section, b.offset);
  });
  SKEP_TRY_VOID(ReadInitialSlots(elf, functions, table));
  return table;
}

}  // namespace skep::loader
