// SPDX-License-Identifier: Apache-2.0
#include "loader/elf_writer.h"

#include <cstring>

#include <elf.h>

#ifndef EM_BPF
#define EM_BPF 247
#endif

namespace skep::loader {
namespace {

void Append(std::vector<std::byte>& to, const Elf64_Shdr& header) {
  const size_t at = to.size();
  to.resize(at + sizeof header);
  std::memcpy(to.data() + at, &header, sizeof header);
}

}  // namespace

uint32_t StringTable::Add(std::string_view text) {
  if (text.empty()) return 0;
  const auto at = static_cast<uint32_t>(bytes_.size());
  bytes_.append(text).push_back('\0');
  return at;
}

ElfWriter::ElfWriter() : out_(sizeof(Elf64_Ehdr)) { Append(headers_, Elf64_Shdr{}); }

uint32_t ElfWriter::Add(const Section& section, std::span<const std::byte> bytes) {
  const uint64_t alignment = section.alignment == 0 ? 1 : section.alignment;
  out_.resize((out_.size() + alignment - 1) / alignment * alignment);
  Elf64_Shdr header{};
  header.sh_name = names_.Add(section.name);
  header.sh_type = section.type;
  header.sh_flags = section.flags;
  header.sh_offset = out_.size();
  header.sh_size = section.type == SHT_NOBITS ? section.size : bytes.size();
  header.sh_link = section.link;
  header.sh_info = section.info;
  header.sh_addralign = alignment;
  header.sh_entsize = section.entry_size;
  Append(headers_, header);
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  return static_cast<uint32_t>(headers_.size() / sizeof(Elf64_Shdr)) - 1;
}

std::vector<std::byte> ElfWriter::Finish() && {
  Elf64_Shdr names{};
  names.sh_name = names_.Add(".shstrtab");
  names.sh_type = SHT_STRTAB;
  names.sh_offset = out_.size();
  names.sh_size = names_.bytes().size();
  names.sh_addralign = 1;
  Append(headers_, names);
  out_.insert(out_.end(), names_.bytes().begin(), names_.bytes().end());
  out_.resize((out_.size() + 7) / 8 * 8);

  Elf64_Ehdr elf{};
  std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
  elf.e_ident[EI_CLASS] = ELFCLASS64;
  elf.e_ident[EI_DATA] = ELFDATA2LSB;
  elf.e_ident[EI_VERSION] = EV_CURRENT;
  elf.e_type = ET_REL;
  elf.e_machine = EM_BPF;
  elf.e_version = EV_CURRENT;
  elf.e_ehsize = sizeof elf;
  elf.e_shoff = out_.size();
  elf.e_shentsize = sizeof(Elf64_Shdr);
  const auto count = static_cast<uint16_t>(headers_.size() / sizeof(Elf64_Shdr));
  elf.e_shnum = count;
  elf.e_shstrndx = static_cast<uint16_t>(count - 1);
  std::memcpy(out_.data(), &elf, sizeof elf);
  out_.insert(out_.end(), headers_.begin(), headers_.end());
  return std::move(out_);
}

}  // namespace skep::loader
