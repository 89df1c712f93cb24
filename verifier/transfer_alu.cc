// SPDX-License-Identifier: Apache-2.0
#include "verifier/transfer_alu.h"

#include "verifier/transfer_alu_inl.h"

namespace skep::verifier {

template Scalar TransferAlu(OpKind, int, const Scalar&, const Scalar&, Precision);

}  // namespace skep::verifier
