// SPDX-License-Identifier: Apache-2.0
// The kernel functions of model/kfuncs.h under the verifier's own name.

#ifndef SKEP_VERIFIER_KFUNCS_H_
#define SKEP_VERIFIER_KFUNCS_H_

#include "model/kfuncs.h"

namespace skep::verifier {

using model::FindKfunc;
using model::IsGraphFunction;
using model::Kfunc;
using model::KfuncSpec;
using model::KfuncTable;
using model::MayCall;
using model::MayRunUnderLock;
namespace kfunc = model::kfunc;

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_KFUNCS_H_
