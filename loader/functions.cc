// SPDX-License-Identifier: Apache-2.0
#include "loader/functions.h"

#include <algorithm>
#include <tuple>

#include <elf.h>
#include <fmt/format.h>

namespace skep::loader {

namespace {
constexpr size_t kMaxNameLength = 255;
}  // namespace

Result<FunctionTable> FunctionTable::Read(const ElfFile& elf) {
  FunctionTable table;
  for (const Symbol& symbol : elf.symbols()) {
    if (symbol.type != STT_FUNC || symbol.section >= elf.sections().size()) continue;
    const Section& section = elf.sections()[symbol.section];
    if (!section.IsCode()) continue;
    if (symbol.size == 0 || symbol.size % kInsnSize != 0 || symbol.value % kInsnSize != 0 ||
        symbol.value > section.size || symbol.size > section.size - symbol.value) {
      return Error{ErrorCode::kMalformedObject,
                   fmt::format("function {}: {} bytes at offset {} of section {}, need whole "
                               "instructions inside its {} bytes",
                               symbol.name, symbol.size, symbol.value, section.name, section.size)};
    }
    if (symbol.name.empty() || symbol.name.size() > kMaxNameLength ||
        section.name.size() > kMaxNameLength) {
      return Error{
          ErrorCode::kMalformedObject,
          fmt::format("function at offset {} of section {}: its or the section's name is "
                      "empty or longer than {} bytes",
                      symbol.value, section.name.substr(0, kMaxNameLength), kMaxNameLength)};
    }
    Function function;
    function.name = symbol.name;
    function.section = symbol.section;
    function.start = static_cast<uint32_t>(symbol.value / kInsnSize);
    function.count = static_cast<uint32_t>(symbol.size / kInsnSize);
    function.global = symbol.binding != STB_LOCAL && symbol.visibility != STV_HIDDEN &&
                      symbol.visibility != STV_INTERNAL;
    // Functions in .text are for others to call; so are static ones anywhere.
    function.entry = symbol.binding != STB_LOCAL && section.name != ".text";
    table.functions_.push_back(function);
  }
  // A lone function needs no SEC(): it can only be the program.
  if (table.functions_.size() == 1) table.functions_[0].entry = true;
  std::stable_sort(table.functions_.begin(), table.functions_.end(),
                   [](const Function& a, const Function& b) {
                     return std::tie(a.section, a.start) < std::tie(b.section, b.start);
                   });
  return table;
}

uint32_t FunctionTable::FindStart(uint32_t section, uint64_t slot) const {
  const auto it = std::lower_bound(functions_.begin(), functions_.end(), std::tie(section, slot),
                                   [](const Function& f, const std::tuple<uint32_t, uint64_t>& at) {
                                     return std::tuple<uint32_t, uint64_t>(f.section, f.start) < at;
                                   });
  if (it == functions_.end() || it->section != section || it->start != slot) return kNoFunction;
  return static_cast<uint32_t>(it - functions_.begin());
}

uint32_t FunctionTable::FindName(std::string_view name) const {
  for (uint32_t i = 0; i < functions_.size(); ++i)
    if (functions_[i].name == name) return i;
  return kNoFunction;
}

}  // namespace skep::loader
