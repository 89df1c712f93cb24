// SPDX-License-Identifier: Apache-2.0
// Map definitions of the section `maps`: an array of struct bpf_map_def, five
// u32, one symbol each. Compilers of other ages wrote longer or shorter ones:
// what is missing is zero, what is more must be zero.
#include <algorithm>
#include <utility>

#include <elf.h>
#include <fmt/format.h>

#include "base/byte_reader.h"
#include "loader/map_table.h"

namespace skep::loader {
namespace {

constexpr size_t kMaxNameLength = 255;
constexpr uint64_t kFields = 5;  // type, key_size, value_size, max_entries, map_flags

Result<MapSpec> ReadDefinition(ByteReader bytes, std::string_view name) {
  uint32_t fields[kFields] = {};
  for (uint64_t i = 0; i < kFields && bytes.Contains(4 * i, 4); ++i)
    fields[i] = *bytes.Read<uint32_t>(4 * i);
  for (uint64_t at = 4 * kFields; at < bytes.size(); ++at) {
    if (*bytes.Read<uint8_t>(at) != 0)
      return Error{ErrorCode::kUnsupported,
                   fmt::format("byte {} of the definition is set, need struct bpf_map_def", at)};
  }
  MapSpec spec;
  spec.name = name;
  spec.type = static_cast<MapType>(fields[0]);
  spec.key_size = fields[1];
  spec.value_size = fields[2];
  spec.max_entries = fields[3];
  spec.flags = fields[4];
  if (spec.type == MapType::kUnspec) return Error{ErrorCode::kMalformedObject, "has no type"};
  AdjustRingbufSize(spec);
  return spec;
}

}  // namespace

Result<void> ReadLegacyMaps(const ElfFile& elf, MapTable& table) {
  const Section* section = elf.FindSection("maps");
  if (section == nullptr || section->data.empty()) return {};
  const auto index = static_cast<uint32_t>(section - elf.sections().data());
  std::vector<const Symbol*> symbols;
  for (const Symbol& symbol : elf.symbols())
    if (symbol.section == index && symbol.type != STT_SECTION && !symbol.name.empty())
      symbols.push_back(&symbol);
  std::stable_sort(symbols.begin(), symbols.end(),
                   [](const Symbol* a, const Symbol* b) { return a->value < b->value; });
  for (size_t i = 0; i < symbols.size(); ++i) {
    const Symbol& symbol = *symbols[i];
    const auto at = [&](Error error) {
      return std::move(error).At(
          fmt::format("section maps: map {}", symbol.name.substr(0, kMaxNameLength)));
    };
    if (symbol.name.size() > kMaxNameLength)
      return at({ErrorCode::kMalformedObject,
                 fmt::format("its name is longer than {} bytes", kMaxNameLength)});
    // Without a size in the symbol the definition ends where the next starts.
    const uint64_t end = i + 1 < symbols.size() ? symbols[i + 1]->value : section->size;
    const uint64_t size = symbol.size != 0 ? symbol.size : end - symbol.value;
    const auto bytes = ByteReader(section->data).Slice(symbol.value, size);
    if (!bytes || symbol.value > end || size == 0 || size > end - symbol.value) {
      return at({ErrorCode::kMalformedObject,
                 fmt::format("{} bytes at offset {} overlap another map or end beyond {}", size,
                             symbol.value, section->size)});
    }
    auto spec = ReadDefinition(ByteReader(*bytes), symbol.name);
    if (!spec) return at(std::move(spec).error());
    table.Add(*std::move(spec), {0, index, symbol.value, size, false});
  }
  return {};
}

}  // namespace skep::loader
