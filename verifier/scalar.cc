// SPDX-License-Identifier: Apache-2.0
#include "verifier/scalar.h"

#include "verifier/scalar_inl.h"

namespace skep::verifier {

template struct BasicScalar<64>;
template Scalar Join(const Scalar&, const Scalar&);
template Scalar Widen(const Scalar&, const Scalar&);

}  // namespace skep::verifier
