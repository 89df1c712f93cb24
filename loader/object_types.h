// SPDX-License-Identifier: Apache-2.0
// ObjectTypes: the BTF of an object, with what only the symbol table knows
// filled in: sizes of data sections, offsets of variables, and hidden functions
// made static (they are verified where they are called).

#ifndef SKEP_LOADER_OBJECT_TYPES_H_
#define SKEP_LOADER_OBJECT_TYPES_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "skep/result.h"

#include "btf/btf.h"
#include "btf/ext.h"
#include "loader/elf_file.h"

namespace skep::loader {

// The records of .BTF.ext that belong to one ELF section, ascending.
struct SectionTypes {
  std::vector<btf::FuncInfo> functions;
  std::vector<btf::LineInfo> lines;
  std::vector<btf::CoreRelocation> core_relocations;
};

// What the kernel, its configuration or another object supplies.
struct ExternDeclaration {
  std::string_view section;  // ".ksyms", ".kconfig", ".maps"
  uint32_t type = 0;         // a kVar or kFunc
};

struct ObjectTypes {
  std::shared_ptr<const btf::Btf> btf;  // null if the object has none
  std::vector<SectionTypes> sections;   // by ELF section index
  // BTF ids of data sections by name.
  std::unordered_map<std::string_view, uint32_t> data_sections;
  std::unordered_map<std::string_view, ExternDeclaration> externs;  // by name
  // Main functions with an exception callback: BTF id of the function to the
  // callback's name.
  std::unordered_map<uint32_t, std::string_view> exception_callbacks;
  // prog_flags that a main function asks for by a declaration tag, by BTF id.
  std::unordered_map<uint32_t, uint32_t> program_flags;
};

// Fails if .BTF or .BTF.ext is there and malformed. Views point into the ELF
// bytes or the Btf.
Result<ObjectTypes> ReadTypes(const ElfFile& elf);

}  // namespace skep::loader

#endif  // SKEP_LOADER_OBJECT_TYPES_H_
