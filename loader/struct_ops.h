// SPDX-License-Identifier: Apache-2.0
// StructOps: which member of which of the kernel's structs a program of a
// section struct_ops/NAME implements. Variables of the sections .struct_ops and
// .struct_ops.link say so: their initialisers name the programs.
//
//   SEC(".struct_ops.link") struct tcp_congestion_ops reno = { .init = (void *)init };
//
// Threads: immutable.

#ifndef SKEP_LOADER_STRUCT_OPS_H_
#define SKEP_LOADER_STRUCT_OPS_H_

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "skep/map_spec.h"
#include "skep/result.h"

#include "loader/elf_file.h"
#include "loader/functions.h"
#include "loader/object_types.h"

namespace skep::loader {

struct StructOpsMember {
  uint32_t type = 0;    // the struct in the target BTF; 0 if no variable names the program
  uint32_t member = 0;  // its index there
};

class StructOps {
 public:
  // `target` may be null: then a program that a variable names is refused. Fails
  // with kMalformedObject, kUnsupported or kResourceLimit if a variable makes no
  // sense in itself.
  static Result<StructOps> Read(const ElfFile& elf, const ObjectTypes& types,
                                const FunctionTable& functions, const btf::Btf* target);

  // For an index into FunctionTable::all(). Fails if the variable of the program
  // does not fit the kernel's struct, or if two disagree.
  Result<StructOpsMember> Find(uint32_t function) const;
  // The variables, as StructOpsMaps has them.
  std::vector<MapSpec>& maps() { return maps_; }

 private:
  friend class StructOpsReader;
  struct Use {
    StructOpsMember member;
    std::optional<Error> error;
  };
  std::unordered_map<uint32_t, Use> uses_;  // by function
  std::vector<MapSpec> maps_;
};

}  // namespace skep::loader

#endif  // SKEP_LOADER_STRUCT_OPS_H_
