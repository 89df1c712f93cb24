// SPDX-License-Identifier: Apache-2.0
// MatchCoreSpec: the same question about another type: from what a record asks
// of an object's type to where a target's type has it.
//
// Named members are searched by name, also inside anonymous structs and unions,
// at whatever depth the target has them; array elements keep their index.

#ifndef SKEP_LOADER_CORE_MATCH_H_
#define SKEP_LOADER_CORE_MATCH_H_

#include <cstdint>

#include "btf/btf.h"
#include "loader/core_spec.h"
#include "loader/core_types.h"

namespace skep::loader {

// Looks for what `local` names in the type `candidate` of `target`. kYes: it is
// in `out`; kNo: that type does not have it; kFailed: types.problem() or, if
// that is kNone, `problem` says why.
CoreTypes::Answer MatchCoreSpec(CoreKind kind, const CoreSpec& local, const btf::Btf& target,
                                uint32_t candidate, CoreTypes& types, CoreSpec& out,
                                CoreProblem& problem);

}  // namespace skep::loader

#endif  // SKEP_LOADER_CORE_MATCH_H_
