// SPDX-License-Identifier: Apache-2.0
#include "tools/elf_summary.h"

#include <map>
#include <tuple>
#include <vector>

#include "loader/elf_names.h"

namespace skep::tools {
namespace {

using loader::ElfFile;
using loader::Relocation;
using loader::Section;
using loader::Symbol;

// A symbol without a name stands for its section.
std::string SymbolName(const ElfFile& elf, uint32_t index) {
  const Symbol& symbol = elf.symbols()[index];
  if (symbol.name.empty() && symbol.section != 0 && symbol.section < elf.sections().size()) {
    return std::string(elf.sections()[symbol.section].name);
  }
  return std::string(symbol.name);
}

}  // namespace

Json SectionsJson(const ElfFile& elf) {
  Json rows = Json::array();
  for (uint32_t i = 1; i < elf.sections().size(); ++i) {
    const Section& section = elf.sections()[i];
    rows.push_back({{"name", section.name},
                    {"type", loader::SectionTypeName(section.type)},
                    {"flags", loader::SectionFlagNames(section.flags)},
                    {"size", section.size},
                    {"relocations", elf.relocations(i).size()}});
  }
  return rows;
}

Json RelocationsJson(const ElfFile& elf) {
  Json rows = Json::array();
  for (uint32_t i = 1; i < elf.sections().size(); ++i) {
    for (const Relocation& one : elf.relocations(i)) {
      rows.push_back({{"section", elf.sections()[i].name},
                      {"offset", one.offset},
                      {"type", loader::RelocationTypeName(one.type)},
                      {"symbol", SymbolName(elf, one.symbol)}});
    }
  }
  return rows;
}

std::string SectionsText(const ElfFile& elf) {
  std::vector<std::vector<std::string>> rows = {{"SECTION", "TYPE", "FLAGS", "SIZE"}};
  for (uint32_t i = 1; i < elf.sections().size(); ++i) {
    const Section& section = elf.sections()[i];
    rows.push_back({std::string(section.name), loader::SectionTypeName(section.type),
                    loader::SectionFlagNames(section.flags), std::to_string(section.size)});
  }
  return rows.size() == 1 ? std::string() : Table(rows);
}

std::string RelocationsText(const ElfFile& elf) {
  // By section in file order, then as the table shows them.
  std::map<std::tuple<uint32_t, std::string, std::string>, size_t> counts;
  for (uint32_t i = 1; i < elf.sections().size(); ++i) {
    for (const Relocation& one : elf.relocations(i))
      ++counts[{i, loader::RelocationTypeName(one.type), SymbolName(elf, one.symbol)}];
  }
  std::vector<std::vector<std::string>> rows = {{"RELOCATIONS OF", "TYPE", "SYMBOL", "COUNT"}};
  for (const auto& [key, count] : counts) {
    const auto& [section, type, symbol] = key;
    rows.push_back(
        {std::string(elf.sections()[section].name), type, symbol, std::to_string(count)});
  }
  return rows.size() == 1 ? std::string() : Table(rows);
}

}  // namespace skep::tools
