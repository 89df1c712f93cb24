// SPDX-License-Identifier: Apache-2.0
// What an ELF object has besides programs and maps, for `skep inspect`: sections
// and relocations as they are in the file.
//
// Threads: pure functions.

#ifndef SKEP_TOOLS_ELF_SUMMARY_H_
#define SKEP_TOOLS_ELF_SUMMARY_H_

#include <string>

#include "loader/elf_file.h"
#include "tools/output.h"

namespace skep::tools {

// [{"name", "type", "flags", "size", "relocations"}], in file order.
Json SectionsJson(const loader::ElfFile& elf);
// [{"section", "offset", "type", "symbol"}], of all sections.
Json RelocationsJson(const loader::ElfFile& elf);

// The same as tables; relocations are counted by section, type and symbol. Empty if
// there are none.
std::string SectionsText(const loader::ElfFile& elf);
std::string RelocationsText(const loader::ElfFile& elf);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_ELF_SUMMARY_H_
