// SPDX-License-Identifier: Apache-2.0
#include "loader/elf_names.h"

#include <elf.h>
#include <fmt/format.h>

namespace skep::loader {

std::string SectionTypeName(uint32_t type) {
  switch (type) {
    case SHT_NULL:
      return "NULL";
    case SHT_PROGBITS:
      return "PROGBITS";
    case SHT_SYMTAB:
      return "SYMTAB";
    case SHT_STRTAB:
      return "STRTAB";
    case SHT_RELA:
      return "RELA";
    case SHT_NOBITS:
      return "NOBITS";
    case SHT_REL:
      return "REL";
    case 0x6fff4c03:
      return "LLVM_ADDRSIG";
    default:
      return fmt::format("{:#x}", type);
  }
}

std::string SectionFlagNames(uint64_t flags) {
  std::string out;
  if ((flags & SHF_WRITE) != 0) out += 'W';
  if ((flags & SHF_ALLOC) != 0) out += 'A';
  if ((flags & SHF_EXECINSTR) != 0) out += 'X';
  if ((flags & SHF_MERGE) != 0) out += 'M';
  if ((flags & SHF_STRINGS) != 0) out += 'S';
  return out;
}

std::string RelocationTypeName(uint32_t type) {
  switch (type) {
    case 0:
      return "R_BPF_NONE";
    case 1:
      return "R_BPF_64_64";
    case 2:
      return "R_BPF_64_ABS64";
    case 3:
      return "R_BPF_64_ABS32";
    case 4:
      return "R_BPF_64_NODYLD32";
    case 10:
      return "R_BPF_64_32";
    default:
      return std::to_string(type);
  }
}

}  // namespace skep::loader
