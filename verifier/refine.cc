// SPDX-License-Identifier: Apache-2.0
#include "verifier/refine.h"

#include "verifier/refine_inl.h"

namespace skep::verifier {

template Decision DecideBranch(OpKind, int, const Scalar&, const Scalar&);
template bool Refine(OpKind, int, bool, Scalar&, Scalar&);
template bool SplitsIntoZeroAndOnes(OpKind, const Scalar&, const Scalar&, int*);

}  // namespace skep::verifier
