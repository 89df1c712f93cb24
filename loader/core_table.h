// SPDX-License-Identifier: Apache-2.0
// CoreTable: what each CO-RE relocation record of an object resolves to in the
// target's types. Made once, before programs are linked, since several programs
// may hold one function.
//
// As with libbpf, types that are flavours of one name are all candidates; those
// that a first record of a local type rules out are out for the later ones; and
// candidates that remain must agree.
//
// Threads: immutable.

#ifndef SKEP_LOADER_CORE_TABLE_H_
#define SKEP_LOADER_CORE_TABLE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "btf/btf.h"
#include "loader/core_spec.h"
#include "loader/core_value.h"
#include "loader/object_types.h"

namespace skep::loader {

struct CoreEntry {
  CoreProblem problem = CoreProblem::kNone;
  CoreResolution resolution;  // if there is no problem
};

class CoreTable {
 public:
  CoreTable() = default;  // of an object without sections
  // `target` may be null: then only what the object's own types answer resolves,
  // the rest has the problem kNoTarget.
  static CoreTable Resolve(const ObjectTypes& types, const btf::Btf* target);

  // By index of types.sections[section].core_relocations.
  std::span<const CoreEntry> entries(uint32_t section) const { return sections_[section]; }

 private:
  std::vector<std::vector<CoreEntry>> sections_;
};

}  // namespace skep::loader

#endif  // SKEP_LOADER_CORE_TABLE_H_
