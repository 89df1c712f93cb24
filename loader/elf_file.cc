// SPDX-License-Identifier: Apache-2.0
#include "loader/elf_file.h"

#include <algorithm>
#include <string>

#include <elf.h>
#include <fmt/format.h>

#include "base/byte_reader.h"

namespace skep::loader {
namespace {

// Longer names are refused: no compiler makes them, and a table of many offsets
// into one long name would cost their product.
constexpr uint64_t kMaxNameLength = 4096;
// Relocation entries with SHT_RELA of these sections are not for the loader.
constexpr std::string_view kDebugPrefix = ".debug";

Error Malformed(std::string message) { return {ErrorCode::kMalformedObject, std::move(message)}; }
Error Unsupported(std::string message) { return {ErrorCode::kUnsupported, std::move(message)}; }

Result<Elf64_Ehdr> ReadHeader(ByteReader reader) {
  const auto header = reader.Read<Elf64_Ehdr>(0);
  const auto magic = reader.Read<uint32_t>(0);
  if (!magic || *magic != 0x464c457f) return Malformed("not an ELF file");
  if (!header)
    return Malformed(fmt::format("ELF header is cut off at {} bytes, need {}", reader.size(),
                                 sizeof(Elf64_Ehdr)));
  if (header->e_ident[EI_CLASS] != ELFCLASS64) return Unsupported("not a 64-bit ELF file");
  if (header->e_ident[EI_DATA] == ELFDATA2MSB)
    return Unsupported("big-endian object, need a little-endian one (clang -target bpfel)");
  if (header->e_ident[EI_DATA] != ELFDATA2LSB) return Malformed("unknown ELF byte order");
  if (header->e_machine != EM_BPF && header->e_machine != EM_NONE)
    return Unsupported(fmt::format("ELF machine is {}, need {} (BPF)", header->e_machine, EM_BPF));
  if (header->e_type != ET_REL)
    return Unsupported(
        fmt::format("ELF type is {}, need {} (relocatable)", header->e_type, ET_REL));
  if (header->e_shentsize != sizeof(Elf64_Shdr))
    return Malformed(
        fmt::format("section header size is {}, need {}", header->e_shentsize, sizeof(Elf64_Shdr)));
  return *header;
}

}  // namespace

bool Section::IsCode() const { return type == SHT_PROGBITS && (flags & SHF_EXECINSTR) != 0; }

const Section* ElfFile::FindSection(std::string_view name) const {
  for (const Section& section : sections_)
    if (section.name == name) return &section;
  return nullptr;
}

Result<ElfFile> ElfFile::Parse(std::span<const std::byte> bytes) {
  ElfFile file;
  SKEP_TRY_VOID(file.ReadSections(bytes));
  SKEP_TRY_VOID(file.ReadSymbols());
  SKEP_TRY_VOID(file.ReadRelocations());
  return file;
}

Result<void> ElfFile::ReadSections(std::span<const std::byte> bytes) {
  const ByteReader reader(bytes);
  SKEP_TRY(const Elf64_Ehdr header, ReadHeader(reader));
  const auto first = reader.Read<Elf64_Shdr>(header.e_shoff);
  if (!first || header.e_shoff == 0) return Malformed("section headers lie outside the file");
  // Files with 65,280 sections and more keep these numbers in header 0.
  const uint64_t count = header.e_shnum != 0 ? header.e_shnum : first->sh_size;
  const uint64_t names_index = header.e_shstrndx != SHN_XINDEX ? header.e_shstrndx : first->sh_link;
  if (count > bytes.size() / sizeof(Elf64_Shdr) ||
      !reader.Contains(header.e_shoff, count * sizeof(Elf64_Shdr)))
    return Malformed(
        fmt::format("{} section headers do not fit the file of {} bytes", count, bytes.size()));
  if (count > SHN_LORESERVE)
    return Unsupported(fmt::format("{} sections, need fewer than {}", count, SHN_LORESERVE));
  if (names_index >= count)
    return Malformed(fmt::format("section name table is section {} of {}", names_index, count));

  std::vector<Elf64_Shdr> raw;
  raw.reserve(count);
  sections_.resize(count);
  for (uint64_t i = 0; i < count; ++i) {
    raw.push_back(*reader.Read<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr)));
    const Elf64_Shdr& from = raw.back();
    Section& to = sections_[i];
    to = {{}, from.sh_type, from.sh_flags, from.sh_size,
          {}, from.sh_link, from.sh_info,  from.sh_entsize};
    if (from.sh_type == SHT_NOBITS || from.sh_type == SHT_NULL) continue;
    const auto data = reader.Slice(from.sh_offset, from.sh_size);
    if (!data)
      return Malformed(fmt::format("section {}: {} bytes at offset {} lie outside the file of {}",
                                   i, from.sh_size, from.sh_offset, bytes.size()));
    to.data = *data;
  }
  const ByteReader names(sections_[names_index].data);
  for (uint64_t i = 1; i < count; ++i) {
    const auto name = names.String(raw[i].sh_name, kMaxNameLength);
    if (!name)
      return Malformed(fmt::format("section {}: name offset {} is bad", i, raw[i].sh_name));
    sections_[i].name = *name;
  }
  return {};
}

Result<void> ElfFile::ReadSymbols() {
  for (uint32_t i = 1; i < sections_.size(); ++i) {
    if (sections_[i].type != SHT_SYMTAB) continue;
    if (symbol_table_ != 0) return Malformed("more than one symbol table");
    symbol_table_ = i;
  }
  if (symbol_table_ == 0) return {};
  const Section& table = sections_[symbol_table_];
  if (table.data.size() % sizeof(Elf64_Sym) != 0)
    return Malformed(fmt::format("symbol table of {} bytes, need a multiple of {}",
                                 table.data.size(), sizeof(Elf64_Sym)));
  if (table.link >= sections_.size())
    return Malformed(
        fmt::format("symbol names are in section {} of {}", table.link, sections_.size()));
  const ByteReader names(sections_[table.link].data);
  const ByteReader entries(table.data);
  const uint64_t count = table.data.size() / sizeof(Elf64_Sym);
  symbols_.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const auto raw = *entries.Read<Elf64_Sym>(i * sizeof(Elf64_Sym));
    const auto name = raw.st_name == 0 ? std::optional<std::string_view>("")
                                       : names.String(raw.st_name, kMaxNameLength);
    if (!name) return Malformed(fmt::format("symbol {}: name offset {} is bad", i, raw.st_name));
    if (raw.st_shndx == SHN_XINDEX)
      return Unsupported(fmt::format("symbol {}: extended section index", i));
    if (raw.st_shndx < SHN_LORESERVE && raw.st_shndx >= sections_.size())
      return Malformed(fmt::format("symbol {} '{}' is in section {} of {}", i, *name, raw.st_shndx,
                                   sections_.size()));
    symbols_.push_back({*name, static_cast<uint8_t>(ELF64_ST_TYPE(raw.st_info)),
                        static_cast<uint8_t>(ELF64_ST_BIND(raw.st_info)),
                        static_cast<uint8_t>(ELF64_ST_VISIBILITY(raw.st_other)), raw.st_shndx,
                        raw.st_value, raw.st_size});
  }
  return {};
}

Result<void> ElfFile::ReadRelocations() {
  relocations_.resize(sections_.size());
  for (const Section& section : sections_) {
    if (section.type != SHT_REL && section.type != SHT_RELA) continue;
    if (section.info == 0 || section.info >= sections_.size())
      return Malformed(fmt::format("section {}: relocates section {} of {}", section.name,
                                   section.info, sections_.size()));
    const Section& target = sections_[section.info];
    // Only loaded sections are relocated here; .BTF, .BTF.ext and debug
    // information hold final offsets already.
    if ((target.flags & SHF_ALLOC) == 0 || target.name.starts_with(kDebugPrefix)) continue;
    if (section.type == SHT_RELA)
      return Unsupported(
          fmt::format("section {}: relocations with addends (SHT_RELA)", section.name));
    if (symbol_table_ == 0 || section.link != symbol_table_)
      return Malformed(fmt::format("section {}: symbols are in section {}, need the symbol table",
                                   section.name, section.link));
    if (section.data.size() % sizeof(Elf64_Rel) != 0)
      return Malformed(fmt::format("section {} of {} bytes, need a multiple of {}", section.name,
                                   section.data.size(), sizeof(Elf64_Rel)));
    const ByteReader entries(section.data);
    std::vector<Relocation>& out = relocations_[section.info];
    for (uint64_t at = 0; at < section.data.size(); at += sizeof(Elf64_Rel)) {
      const auto raw = *entries.Read<Elf64_Rel>(at);
      const auto symbol = static_cast<uint32_t>(ELF64_R_SYM(raw.r_info));
      if (symbol >= symbols_.size())
        return Malformed(fmt::format("section {}: relocation at {} names symbol {} of {}",
                                     section.name, raw.r_offset, symbol, symbols_.size()));
      if (raw.r_offset >= target.size)
        return Malformed(fmt::format("section {}: relocation at {} is beyond {} bytes",
                                     section.name, raw.r_offset, target.size));
      out.push_back({raw.r_offset, static_cast<uint32_t>(ELF64_R_TYPE(raw.r_info)), symbol});
    }
  }
  for (std::vector<Relocation>& list : relocations_)
    std::stable_sort(list.begin(), list.end(),
                     [](const Relocation& a, const Relocation& b) { return a.offset < b.offset; });
  return {};
}

}  // namespace skep::loader
