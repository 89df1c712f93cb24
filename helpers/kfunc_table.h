// SPDX-License-Identifier: Apache-2.0
// The kernel functions (kfuncs) that run in this build: the rows SKEP_KFUNC of
// model/kfuncs.def with their functions, as entries of the runtime's helper table.
// Lowering turns a call of one into a helper call.
//
// Threads: constants.

#ifndef SKEP_HELPERS_KFUNC_TABLE_H_
#define SKEP_HELPERS_KFUNC_TABLE_H_

#include <cstddef>
#include <optional>
#include <span>

#include "skep/helper.h"

#include "model/kfuncs.h"

namespace skep {

// One spec for each function that runs, ascending by Kfunc. Their ids are
// model::KfuncHelperId; all five arguments count as read, and of unknown kind.
std::span<const HelperSpec> RunningKfuncs();

// The place in RunningKfuncs(); nullopt if this build only verifies the function.
std::optional<size_t> FindRunningKfunc(model::Kfunc id);

}  // namespace skep

#endif  // SKEP_HELPERS_KFUNC_TABLE_H_
