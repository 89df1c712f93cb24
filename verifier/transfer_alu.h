// SPDX-License-Identifier: Apache-2.0
// What an arithmetic instruction does to abstract numbers.

#ifndef SKEP_VERIFIER_TRANSFER_ALU_H_
#define SKEP_VERIFIER_TRANSFER_ALU_H_

#include "isa/op.h"
#include "verifier/scalar.h"

namespace skep::verifier {

// How much an operation may find out.
enum class Precision : uint8_t {
  kLinux,  // what Linux 6.18 finds: division, remainder and shifts by an unknown
           // amount give an unknown 64-bit number, also in their 32-bit form
  kFull,   // also what it does not: those are bounded or folded
};

// The result of `dst op src` (`op src` for the moves, `op dst` for Neg and the
// byte order kinds, which do not read src): contains EvalAlu(kind, width, x, y)
// of isa/semantics.h for all members x of dst and y of src.
//
// kind: Add Sub Mul Div SDiv Mod SMod Or And Xor Lsh Rsh Arsh Neg Mov MovSx8
// MovSx16 MovSx32 ToLe ToBe Bswap; any other is a bug (SKEP_CHECK).
// width: as in isa/opcodes.def, 32 or 64, for byte order 16, 32 or 64. A 32-bit
// operation reads the low halves and zeroes the upper half of its result.
// src of a form with an immediate is Scalar::Const of the sign-extended
// immediate, for both widths.
template <int kBits>
BasicScalar<kBits> TransferAlu(OpKind kind, int width, const BasicScalar<kBits>& dst,
                               const BasicScalar<kBits>& src,
                               Precision precision = Precision::kLinux);

extern template Scalar TransferAlu(OpKind, int, const Scalar&, const Scalar&, Precision);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_TRANSFER_ALU_H_
