// SPDX-License-Identifier: Apache-2.0
// ExternTable: the variables and functions that an object declares and the
// kernel supplies: of section .kconfig values of its configuration, of .ksyms
// its functions (kfuncs), its variables and addresses of its symbols.
//
// What cannot be resolved is an error of the programs that use it, not of the
// object. Threads: immutable. Lifetime: names are views into the ELF bytes.

#ifndef SKEP_LOADER_EXTERNS_H_
#define SKEP_LOADER_EXTERNS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "skep/extern_info.h"
#include "skep/program.h"
#include "skep/result.h"

#include "loader/elf_file.h"
#include "loader/map_table.h"
#include "loader/object_types.h"

namespace skep::loader {

struct Extern {
  std::string_view name;
  ExternKind kind = ExternKind::kConfig;
  bool weak = false;   // zero if it is not found
  uint32_t type = 0;   // the kVar or kFunc of the object's BTF
  bool found = false;  // `value` holds
  uint64_t value = 0;  // kConfig: offset in the map; kSymbol: address; else id in the target BTF
  uint32_t size = 0;   // kConfig: bytes
  std::optional<Error> error;  // why no program may use it
};

class ExternTable {
 public:
  // Adds the map .kconfig to `maps` if there are values for it. Fails with
  // kResourceLimit if those take more than a megabyte.
  static Result<ExternTable> Read(const ElfFile& elf, const ObjectTypes& types,
                                  const ObjectOptions& options, std::string_view object_name,
                                  MapTable& maps);

  // In libbpf's order: .kconfig by alignment, size and name, then .ksyms by
  // name. Calls of weak functions that are missing name their place in it.
  std::span<const Extern> all() const { return externs_; }
  // The extern of this symbol of the object; null if it is none.
  const Extern* Find(std::string_view symbol) const;
  // As skep::Externs shows them.
  std::vector<ExternInfo> Describe() const;
  // Index into MapTable::specs. REQUIRES: there is an extern of kConfig.
  uint32_t config_map() const { return config_map_; }

 private:
  void Collect(const ElfFile& elf, const ObjectTypes& types);

  std::vector<Extern> externs_;
  std::unordered_map<std::string_view, uint32_t> by_name_;
  uint32_t config_map_ = 0;
};

// ---- the parts, one a file ------------------------------------------------

// kconfig.cc. Places the variables of the section .kconfig, whose offsets
// compilers leave at 0, as libbpf does. Sizes and offsets stop at UINT32_MAX.
btf::Btf::SectionLayout LayOutConfig(const btf::Btf& btf, uint32_t datasec);
// Finds values for `externs`, all kConfig, and writes them to `bytes`.
void ResolveConfig(const btf::Btf& btf, const ObjectOptions& options, std::span<Extern> externs,
                   std::span<std::byte> bytes);
// ksyms.cc. Finds `externs`, none kConfig, in the target.
void ResolveKernelSymbols(const btf::Btf& btf, const ObjectOptions& options,
                          std::span<Extern> externs);

}  // namespace skep::loader

#endif  // SKEP_LOADER_EXTERNS_H_
