// SPDX-License-Identifier: Apache-2.0
// LinkProgram: from the functions of an object to the code of one program. The
// entry function comes first, then each subprogram that it needs, directly or
// through others, once, in the order in which the code reaches them; calls,
// map references and function addresses are resolved and BTF records move
// along.
//
// Threads: LinkProgram changes only its budget.

#ifndef SKEP_LOADER_LINK_H_
#define SKEP_LOADER_LINK_H_

#include <cstdint>
#include <string>

#include "skep/program.h"
#include "skep/result.h"

#include "loader/core_table.h"
#include "loader/elf_file.h"
#include "loader/externs.h"
#include "loader/functions.h"
#include "loader/map_table.h"
#include "loader/object_types.h"
#include "loader/struct_ops.h"

namespace skep::loader {

// An object, taken apart.
struct ObjectFile {
  ElfFile elf;
  ObjectTypes types;
  FunctionTable functions;
  MapTable maps;
  ExternTable externs;
  StructOps struct_ops;
  std::string license;
  ObjectOptions options{};
  CoreTable core{};  // against options.target_btf
};

// How many bytes all programs of an object may take together. Each of them has
// its own copy of the subprograms, line table and map definitions it needs, so
// that without a limit a small file could ask for the product of its programs
// and its subprograms.
class LinkBudget {
 public:
  explicit LinkBudget(uint64_t bytes) : left_(bytes) {}
  // Fails with kResourceLimit if fewer than `bytes` are left.
  Result<void> Take(uint64_t bytes);

 private:
  uint64_t left_;
};

// Links the function `entry`, an index into object.functions. Fails with
// kMalformedObject, kUnsupported, kUnresolved or kResourceLimit.
Result<Program> LinkProgram(const ObjectFile& object, uint32_t entry, LinkBudget& budget);

}  // namespace skep::loader

#endif  // SKEP_LOADER_LINK_H_
