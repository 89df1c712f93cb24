// SPDX-License-Identifier: Apache-2.0
#include "loader/externs.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <elf.h>
#include <fmt/format.h>

namespace skep::loader {
namespace {

constexpr std::string_view kConfigSection = ".kconfig";
constexpr std::string_view kSymbolSection = ".ksyms";
constexpr uint32_t kMaxConfigBytes = 1u << 20;

bool IsExtern(const Symbol& symbol) {
  return symbol.section == SHN_UNDEF && symbol.type == STT_NOTYPE && !symbol.name.empty() &&
         (symbol.binding == STB_GLOBAL || symbol.binding == STB_WEAK);
}

ExternKind KindOf(const btf::Btf& btf, const ExternDeclaration& declared) {
  if (btf.kind(declared.type) == btf::Kind::kFunc) return ExternKind::kFunction;
  if (declared.section == kConfigSection) return ExternKind::kConfig;
  const uint32_t type = btf.SkipModifiers(btf.type(declared.type).size_or_type);
  return btf.kind(type) == btf::Kind::kVoid ? ExternKind::kSymbol : ExternKind::kTypedVariable;
}

using ConfigPlaces = std::unordered_map<uint32_t, btf::SectionVariable>;  // by kVar

// Where the variables of .kconfig lie; nothing without that section.
ConfigPlaces PlacesOf(const ObjectTypes& types) {
  ConfigPlaces places;
  const auto it = types.data_sections.find(kConfigSection);
  if (it == types.data_sections.end()) return places;
  for (uint32_t i = 0; i < types.btf->type(it->second).vlen; ++i) {
    const btf::SectionVariable variable = types.btf->section_variable(it->second, i);
    places.emplace(variable.type, variable);
  }
  return places;
}

bool InOrder(const Extern& a, const Extern& b) {
  const bool a_config = a.kind == ExternKind::kConfig;
  if (a_config != (b.kind == ExternKind::kConfig)) return a_config;
  return a_config && a.value != b.value ? a.value < b.value : a.name < b.name;
}

MapSpec ConfigMap(std::string_view object_name, uint32_t datasec, std::vector<std::byte> bytes) {
  MapSpec spec;
  spec.name = DataMapName(object_name, kConfigSection);
  spec.type = MapType::kArray;
  spec.key_size = 4;
  spec.value_size = static_cast<uint32_t>(bytes.size());
  spec.max_entries = 1;
  spec.flags = kMapRdonlyProg | kMapMmapable;
  spec.frozen = true;
  spec.btf_value_type_id = datasec;
  spec.initial_value = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return spec;
}

}  // namespace

Result<ExternTable> ExternTable::Read(const ElfFile& elf, const ObjectTypes& types,
                                      const ObjectOptions& options, std::string_view object_name,
                                      MapTable& maps) {
  ExternTable table;
  if (types.btf == nullptr) return table;
  table.Collect(elf, types);
  std::sort(table.externs_.begin(), table.externs_.end(), InOrder);
  for (uint32_t i = 0; i < table.externs_.size(); ++i) table.by_name_[table.externs_[i].name] = i;

  const auto symbols =
      std::partition_point(table.externs_.begin(), table.externs_.end(),
                           [](const Extern& one) { return one.kind == ExternKind::kConfig; });
  if (symbols != table.externs_.begin()) {
    const uint32_t datasec = types.data_sections.at(kConfigSection);
    const uint32_t size = types.btf->type(datasec).size_or_type;
    if (size > kMaxConfigBytes) {
      return Error{ErrorCode::kResourceLimit, fmt::format("section {}: {} bytes, need at most {}",
                                                          kConfigSection, size, kMaxConfigBytes)};
    }
    std::vector<std::byte> bytes(size);
    ResolveConfig(*types.btf, options, {table.externs_.begin(), symbols}, bytes);
    table.config_map_ = static_cast<uint32_t>(maps.specs.size());
    maps.specs.push_back(ConfigMap(object_name, datasec, std::move(bytes)));
  }
  ResolveKernelSymbols(*types.btf, options, {symbols, table.externs_.end()});
  return table;
}

// What is declared nowhere, or in another section, is refused where a program
// refers to it.
void ExternTable::Collect(const ElfFile& elf, const ObjectTypes& types) {
  const ConfigPlaces places = PlacesOf(types);
  for (const Symbol& symbol : elf.symbols()) {
    if (!IsExtern(symbol)) continue;
    const auto declared = types.externs.find(symbol.name);
    if (declared == types.externs.end()) continue;
    Extern one;
    one.name = symbol.name;
    one.kind = KindOf(*types.btf, declared->second);
    one.weak = symbol.binding == STB_WEAK;
    one.type = declared->second.type;
    if (one.kind == ExternKind::kConfig) {
      const auto place = places.find(one.type);
      if (place == places.end()) continue;
      one.value = place->second.offset;
      one.size = place->second.size;
    } else if (declared->second.section != kSymbolSection) {
      continue;
    }
    if (by_name_.emplace(one.name, 0).second) externs_.push_back(std::move(one));
  }
}

std::vector<ExternInfo> ExternTable::Describe() const {
  std::vector<ExternInfo> out;
  for (const Extern& one : externs_) {
    out.push_back({std::string(one.name), one.kind, one.weak, one.type, one.found, one.value,
                   one.error ? one.error->message : std::string()});
  }
  return out;
}

const Extern* ExternTable::Find(std::string_view symbol) const {
  const auto it = by_name_.find(symbol);
  return it == by_name_.end() ? nullptr : &externs_[it->second];
}

}  // namespace skep::loader

namespace skep {

std::string_view ExternKindName(ExternKind kind) {
  switch (kind) {
    case ExternKind::kConfig:
      return "kconfig";
    case ExternKind::kFunction:
      return "function";
    case ExternKind::kTypedVariable:
      return "variable";
    case ExternKind::kSymbol:
      return "symbol";
  }
  return "";
}

}  // namespace skep
