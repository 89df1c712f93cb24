// SPDX-License-Identifier: Apache-2.0
// ElfFile: sections, symbols and relocations of a little-endian ELF64 object
// for the BPF machine, read from bytes that nobody vouches for.
//
// Every offset, size, count and index in an ElfFile is inside its table or its
// bytes; nothing is allocated by a number of the file beyond a small factor of
// the file's size. Threads: immutable. Lifetime: names and data are views into
// the bytes, which must outlive it.

#ifndef SKEP_LOADER_ELF_FILE_H_
#define SKEP_LOADER_ELF_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "skep/result.h"

namespace skep::loader {

struct Section {
  std::string_view name;
  uint32_t type = 0;   // SHT_*
  uint64_t flags = 0;  // SHF_*
  uint64_t size = 0;
  std::span<const std::byte> data;  // `size` bytes; empty for SHT_NOBITS
  uint32_t link = 0;
  uint32_t info = 0;
  uint64_t entry_size = 0;

  bool IsCode() const;  // SHT_PROGBITS, executable
};

struct Symbol {
  std::string_view name;
  uint8_t type = 0;        // STT_*
  uint8_t binding = 0;     // STB_*
  uint8_t visibility = 0;  // STV_*
  uint16_t section = 0;    // index, or SHN_UNDEF, SHN_ABS, SHN_COMMON
  uint64_t value = 0;
  uint64_t size = 0;
};

struct Relocation {
  uint64_t offset = 0;  // in the target section
  uint32_t type = 0;    // R_BPF_*
  uint32_t symbol = 0;  // index into symbols()
};

class ElfFile {
 public:
  // Fails with kMalformedObject, or with kUnsupported for big-endian files,
  // other machines and relocations with addends.
  static Result<ElfFile> Parse(std::span<const std::byte> bytes);

  std::span<const Section> sections() const { return sections_; }
  // Index 0 is the null symbol. Empty if the file has no symbol table.
  std::span<const Symbol> symbols() const { return symbols_; }
  // The first section of this name, or null.
  const Section* FindSection(std::string_view name) const;
  // The relocations of the section with this index, ascending by offset.
  std::span<const Relocation> relocations(uint32_t section) const { return relocations_[section]; }

 private:
  ElfFile() = default;
  Result<void> ReadSections(std::span<const std::byte> bytes);
  Result<void> ReadSymbols();
  Result<void> ReadRelocations();

  std::vector<Section> sections_;
  std::vector<Symbol> symbols_;
  std::vector<std::vector<Relocation>> relocations_;  // by section index
  uint32_t symbol_table_ = 0;                         // section index
};

}  // namespace skep::loader

#endif  // SKEP_LOADER_ELF_FILE_H_
