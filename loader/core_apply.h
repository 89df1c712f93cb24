// SPDX-License-Identifier: Apache-2.0
// ApplyCore: patches a copy of a function's code by the object's CoreTable.

#ifndef SKEP_LOADER_CORE_APPLY_H_
#define SKEP_LOADER_CORE_APPLY_H_

#include <cstdint>
#include <span>
#include <vector>

#include "skep/insn.h"
#include "skep/program.h"
#include "skep/result.h"

#include "loader/functions.h"
#include "loader/link.h"

namespace skep::loader {

// `code` is the function's, whose first slot is `base` in the program. Adds to
// `unresolved` what the target has nothing for. Fails with kUnresolved if a
// relocation cannot be decided, and as PatchCore does.
Result<void> ApplyCore(const ObjectFile& object, const Function& function, uint32_t base,
                       std::span<Insn> code, LinkBudget& budget,
                       std::vector<UnresolvedRelocation>& unresolved);

// What `skep inspect` shows, in the order of the records.
std::vector<CoreRelocationInfo> ListCore(const ObjectFile& object);

}  // namespace skep::loader

#endif  // SKEP_LOADER_CORE_APPLY_H_
