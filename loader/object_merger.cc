// SPDX-License-Identifier: Apache-2.0
#include "loader/object_merger.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "base/byte_reader.h"

namespace skep::loader {
namespace {

constexpr uint64_t kMaxAlignment = 4096;
// Bytes that alignment may cost for each byte of the inputs. A small file may
// have many sections that are almost empty.
constexpr uint64_t kPaddingFactor = 8;
// Of one section, as libbpf and Linux count its bytes in an int.
constexpr uint64_t kMaxSectionSize = INT32_MAX;
constexpr size_t kMaxSections = 20000;

Error Malformed(std::string message) {
  return {ErrorCode::kMalformedObject, std::move(message), EINVAL};
}

// Code and data that are loaded; symbols, types and relocations are made anew. Code
// is what is marked so: loading one object asks for no more.
bool IsLoaded(const Section& section) {
  if (section.IsCode()) return true;
  return (section.type == SHT_PROGBITS || section.type == SHT_NOBITS) &&
         (section.flags & SHF_ALLOC) != 0 && section.name != ".eh_frame";
}

// Of each section, which loading one object does not ask for. REQUIRES: the
// bytes are those of an ElfFile with `count` sections.
std::vector<uint64_t> AlignmentsOf(std::span<const std::byte> bytes, size_t count) {
  const ByteReader reader(bytes);
  const uint64_t headers = reader.Read<Elf64_Ehdr>(0)->e_shoff;
  std::vector<uint64_t> out;
  for (size_t i = 0; i < count; ++i)
    out.push_back(reader.Read<Elf64_Shdr>(headers + i * sizeof(Elf64_Shdr))->sh_addralign);
  return out;
}

bool IsSaidOnce(const Section& section) {
  return section.name == "license" || section.name == "version";
}

}  // namespace

Result<void> ObjectMerger::Add(const LinkInput& input) {
  padding_left_ += kPaddingFactor * input.bytes.size();
  auto added = [&]() -> Result<void> {
    SKEP_TRY(ElfFile elf, ElfFile::Parse(input.bytes));
    Input one{input.name, std::move(elf), nullptr, {}, {}, {}, {}, 0};
    SKEP_TRY_VOID(AddSections(one, input.bytes));
    SKEP_TRY_VOID(AddSymbols(one, static_cast<uint32_t>(inputs_.size())));
    if (const Section* types = one.elf.FindSection(".BTF");
        types != nullptr && !types->data.empty())
      SKEP_TRY_VOID(AddTypes(one, types->data));
    inputs_.push_back(std::move(one));
    return {};
  }();
  if (!added) return std::move(added).error().At(input.name);
  return {};
}

Result<void> ObjectMerger::AddSections(Input& input, std::span<const std::byte> bytes) {
  input.chunks.resize(input.elf.sections().size());
  input.alignments = AlignmentsOf(bytes, input.chunks.size());
  for (uint32_t i = 1; i < input.chunks.size(); ++i) {
    const Section& section = input.elf.sections()[i];
    if (!IsLoaded(section)) continue;
    // Sections of several objects are joined by their names.
    if (section.name.empty()) {
      return Malformed(fmt::format("section {} is loaded, but has no name", i));
    }
    auto added = AddSection(input, i);
    if (!added) return std::move(added).error().At(fmt::format("section {}", section.name));
  }
  return {};
}

Result<void> ObjectMerger::AddSection(Input& input, uint32_t index) {
  const Section& from = input.elf.sections()[index];
  const uint64_t alignment = std::max<uint64_t>(input.alignments[index], from.IsCode() ? 8 : 1);
  if (!std::has_single_bit(alignment) || alignment > kMaxAlignment)
    return Malformed(
        fmt::format("alignment is {}, need a power of two up to {}", alignment, kMaxAlignment));
  const auto [it, added] =
      section_by_name_.try_emplace(from.name, static_cast<uint32_t>(sections_.size()));
  if (added) {
    if (sections_.size() == kMaxSections)
      return Error{ErrorCode::kResourceLimit, fmt::format("more than {} sections", kMaxSections),
                   E2BIG};
    OutSection made;
    made.name = from.name;
    made.type = from.type;
    made.flags = from.flags;
    sections_.push_back(std::move(made));
  }
  OutSection& to = sections_[it->second];
  // Once here and once in the file, at most.
  if (2 * alignment > padding_left_)
    return Error{ErrorCode::kResourceLimit, "the sections' alignments ask for too much", E2BIG};
  padding_left_ -= 2 * alignment;
  if (to.type != from.type || to.flags != from.flags)
    return Malformed(fmt::format("type {} and flags {:#x} here, {} and {:#x} in another object",
                                 from.type, from.flags, to.type, to.flags));
  if (IsSaidOnce(from) && !added) {
    if (!std::ranges::equal(to.data, from.data))
      return Malformed("is another one than in the objects before");
    return {};
  }
  const uint64_t offset = (to.size + alignment - 1) / alignment * alignment;
  if (from.size > kMaxSectionSize || offset > kMaxSectionSize - from.size)
    return Error{ErrorCode::kResourceLimit,
                 fmt::format("more than {} bytes together", kMaxSectionSize), E2BIG};
  to.alignment = std::max(to.alignment, alignment);
  to.size = offset + from.size;
  if (to.type != SHT_NOBITS) {
    to.data.resize(offset);
    to.data.insert(to.data.end(), from.data.begin(), from.data.end());
  }
  input.chunks[index] = {it->second, offset};
  return {};
}

Result<std::vector<std::byte>> ObjectMerger::Finish() {
  std::vector<std::byte> types, records;
  if (has_types_) {
    SKEP_TRY_VOID(MatchGlobals());
    btf_.Deduplicate();
    MergeDataSections();
    records = MergeRecords();
    SKEP_TRY(types, btf_.Finish());
  }
  for (const Input& input : inputs_) SKEP_TRY_VOID(MoveRelocations(input).At(input.name));
  return Write(types, records);
}

Result<std::vector<std::byte>> ObjectMerger::Write(std::span<const std::byte> types,
                                                   std::span<const std::byte> records) {
  ElfWriter elf;
  for (OutSection& section : sections_) {
    section.index = elf.Add({.name = section.name,
                             .type = section.type,
                             .flags = section.flags,
                             .alignment = section.alignment,
                             .size = section.size},
                            section.data);
  }
  StringTable names;
  const std::vector<Elf64_Sym> symbols = MakeSymbols(names);
  const uint32_t strings =
      elf.Add({.name = ".strtab", .type = SHT_STRTAB, .alignment = 1}, names.bytes());
  const uint32_t table = elf.Add({.name = ".symtab",
                                  .type = SHT_SYMTAB,
                                  .link = strings,
                                  .info = first_global(),
                                  .entry_size = sizeof(Elf64_Sym)},
                                 std::as_bytes(std::span(symbols)));
  for (const OutSection& section : sections_) {
    if (section.relocations.empty()) continue;
    elf.Add({.name = std::string(".rel").append(section.name),
             .type = SHT_REL,
             .flags = SHF_INFO_LINK,
             .link = table,
             .info = section.index,
             .entry_size = sizeof(Elf64_Rel)},
            std::as_bytes(std::span(section.relocations)));
  }
  if (!types.empty()) elf.Add({.name = ".BTF", .type = SHT_PROGBITS}, types);
  if (!records.empty()) elf.Add({.name = ".BTF.ext", .type = SHT_PROGBITS}, records);
  return std::move(elf).Finish();
}

}  // namespace skep::loader

namespace skep {

Result<std::vector<std::byte>> LinkObjects(std::span<const LinkInput> inputs) {
  if (inputs.empty()) return Error{ErrorCode::kInvalidArgument, "no object to link", EINVAL};
  loader::ObjectMerger merger;
  for (const LinkInput& input : inputs) SKEP_TRY_VOID(merger.Add(input));
  return merger.Finish();
}

}  // namespace skep
