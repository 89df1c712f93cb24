// SPDX-License-Identifier: Apache-2.0
// ElfWriter: a relocatable ELF64 object for the BPF machine, section by section.
// Layout: header, the sections in the order in which they are added, their
// names, section headers.
//
// Threads: a value of one thread.

#ifndef SKEP_LOADER_ELF_WRITER_H_
#define SKEP_LOADER_ELF_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace skep::loader {

// Strings that end in NUL, the first of them empty.
class StringTable {
 public:
  uint32_t Add(std::string_view text);
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(bytes_)); }

 private:
  std::string bytes_ = std::string(1, '\0');
};

class ElfWriter {
 public:
  struct Section {
    std::string_view name;
    uint32_t type = 0;
    uint64_t flags = 0;
    uint32_t link = 0;
    uint32_t info = 0;
    uint64_t entry_size = 0;
    uint64_t alignment = 8;
    uint64_t size = 0;  // of one without bytes (SHT_NOBITS)
  };

  ElfWriter();
  // Returns the index of the section, which starts at 1.
  uint32_t Add(const Section& section, std::span<const std::byte> bytes);
  std::vector<std::byte> Finish() &&;

 private:
  std::vector<std::byte> out_;
  std::vector<std::byte> headers_;
  StringTable names_;
};

}  // namespace skep::loader

#endif  // SKEP_LOADER_ELF_WRITER_H_
