// SPDX-License-Identifier: Apache-2.0
// Each of the three tables is a u32 record size followed by blocks, one an ELF
// section: u32 section name, u32 record count, the records.
#include "btf/ext.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "btf/raw.h"

namespace skep::btf {
namespace {

constexpr uint32_t kMaxRecordSize = 252;
constexpr uint32_t kSmallHeader = 24;  // without the CO-RE table
constexpr uint32_t kHeaderWithCore = 32;

Error Malformed(std::string message) {
  return {ErrorCode::kMalformedObject, std::move(message), EINVAL};
}

template <class Record>
Result<std::vector<SectionRecords<Record>>> ReadTable(ByteReader table, const Btf& btf,
                                                      std::string_view name) {
  std::vector<SectionRecords<Record>> out;
  if (table.size() == 0) return out;
  const auto record_size = table.Read<uint32_t>(0);
  if (!record_size) return Malformed(fmt::format("{} is cut off", name));
  if (*record_size < sizeof(Record) || *record_size > kMaxRecordSize || *record_size % 4 != 0)
    return Malformed(fmt::format("{} record size is {}, need {}..{} in steps of 4", name,
                                 *record_size, sizeof(Record), kMaxRecordSize));
  for (uint64_t at = 4; at < table.size();) {
    const auto section = table.Read<uint32_t>(at);
    const auto count = table.Read<uint32_t>(at + 4);
    if (!section || !count) return Malformed(fmt::format("{} is cut off", name));
    at += 8;
    if (*count == 0) return Malformed(fmt::format("{} has a section without records", name));
    if (!table.Contains(at, uint64_t{*count} * *record_size))
      return Malformed(fmt::format("{} announces {} records, more than there are", name, *count));
    SectionRecords<Record>& records = out.emplace_back();
    records.section = btf.StringAt(*section);
    if (records.section.empty())
      return Malformed(fmt::format("{} has a section without a name", name));
    records.records.reserve(*count);
    for (uint32_t i = 0; i < *count; ++i, at += *record_size) {
      records.records.push_back(*table.Read<Record>(at));
      if (records.records.back().insn_offset % 8 != 0)
        return Malformed(fmt::format("{} of section {}: offset {} is inside an instruction", name,
                                     records.section, records.records.back().insn_offset));
    }
    std::stable_sort(
        records.records.begin(), records.records.end(),
        [](const Record& a, const Record& b) { return a.insn_offset < b.insn_offset; });
  }
  return out;
}

}  // namespace

Result<BtfExt> BtfExt::Parse(std::span<const std::byte> bytes, const Btf& btf) {
  const ByteReader reader(bytes);
  const auto magic = reader.Read<uint16_t>(0);
  const auto version = reader.Read<uint8_t>(2);
  const auto flags = reader.Read<uint8_t>(3);
  const auto header_size = reader.Read<uint32_t>(4);
  if (!header_size) return Malformed(fmt::format("header is cut off at {} bytes", reader.size()));
  if (*magic != kMagic) return Malformed("no BTF magic number");
  if (*version != kVersion || *flags != 0)
    return Error{ErrorCode::kUnsupported,
                 fmt::format("version {} and flags {:#x}, need 1 and 0", *version, *flags)};
  if (*header_size < kSmallHeader || *header_size > reader.size())
    return Malformed(
        fmt::format("header size is {}, need {}..{}", *header_size, kSmallHeader, reader.size()));

  const auto table = [&](uint32_t at, std::string_view name) -> Result<ByteReader> {
    if (at + 8 > *header_size) return ByteReader();
    const uint32_t offset = *reader.Read<uint32_t>(at);
    const uint32_t size = *reader.Read<uint32_t>(at + 4);
    const auto slice = reader.Slice(uint64_t{*header_size} + offset, size);
    if (!slice) return Malformed(fmt::format("{} lies outside the section", name));
    return ByteReader(*slice);
  };
  BtfExt ext;
  SKEP_TRY(const ByteReader functions, table(8, "func_info"));
  SKEP_TRY(ext.functions, ReadTable<FuncInfo>(functions, btf, "func_info"));
  for (const auto& section : ext.functions) {
    for (const FuncInfo& info : section.records) {
      if (info.type_id >= btf.type_count() || btf.kind(info.type_id) != Kind::kFunc)
        return Malformed(fmt::format("func_info of section {} names type {}, which is no function",
                                     section.section, info.type_id));
    }
  }
  SKEP_TRY(const ByteReader lines, table(16, "line_info"));
  SKEP_TRY(ext.lines, ReadTable<LineInfo>(lines, btf, "line_info"));
  if (*header_size >= kHeaderWithCore) {
    SKEP_TRY(const ByteReader core, table(24, "core_relo"));
    SKEP_TRY(ext.core_relocations, ReadTable<CoreRelocation>(core, btf, "core_relo"));
    for (const auto& section : ext.core_relocations) {
      for (const CoreRelocation& relocation : section.records) {
        if (relocation.type_id >= btf.type_count()) {
          return Malformed(
              fmt::format("core_relo of section {} names type {}, which does not exist",
                          section.section, relocation.type_id));
        }
      }
    }
  }
  return ext;
}

}  // namespace skep::btf
