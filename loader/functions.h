// SPDX-License-Identifier: Apache-2.0
// FunctionTable: the functions of an object's code sections, from its symbol
// table. Threads: immutable. Lifetime: names are views into the ELF bytes.

#ifndef SKEP_LOADER_FUNCTIONS_H_
#define SKEP_LOADER_FUNCTIONS_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "skep/result.h"

#include "loader/elf_file.h"

namespace skep::loader {

inline constexpr uint32_t kInsnSize = 8;
inline constexpr uint32_t kNoFunction = 0xffffffff;

struct Function {
  std::string_view name;
  uint32_t section = 0;  // ELF section index
  uint32_t start = 0;    // slot in the section
  uint32_t count = 0;    // slots
  bool global = false;   // seen outside the object: not local, not hidden
  bool entry = false;    // a program; the others are subprograms only
};

class FunctionTable {
 public:
  // Fails with kMalformedObject if a function symbol is empty, not made of
  // whole instructions or ends beyond its section.
  static Result<FunctionTable> Read(const ElfFile& elf);

  // By section, then by offset, then as in the symbol table.
  std::span<const Function> all() const { return functions_; }
  // The index of the function that starts at `slot`; kNoFunction if none does.
  uint32_t FindStart(uint32_t section, uint64_t slot) const;
  // The index of the function of this name; kNoFunction if there is none.
  uint32_t FindName(std::string_view name) const;

 private:
  std::vector<Function> functions_;
};

}  // namespace skep::loader

#endif  // SKEP_LOADER_FUNCTIONS_H_
