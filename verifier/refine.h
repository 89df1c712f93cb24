// SPDX-License-Identifier: Apache-2.0
// What a conditional jump says about the two numbers it compares.
//
// kind is one of JEq JNe JGt JGe JLt JLe JSet JSGt JSGe JSLt JSLe of
// isa/op.h, any other is a bug (SKEP_CHECK); width is 32 (compares the low
// halves) or 64. An immediate is Scalar::Const of the sign-extended immediate,
// for both widths.

#ifndef SKEP_VERIFIER_REFINE_H_
#define SKEP_VERIFIER_REFINE_H_

#include "isa/op.h"
#include "verifier/scalar.h"

namespace skep::verifier {

enum class Decision : uint8_t {
  kUnknown,   // some members may jump, some may fall through
  kTaken,     // no pair of members falls through
  kNotTaken,  // no pair of members jumps
};

// Which way `if a op b` goes for the members of a and b.
template <int kBits>
Decision DecideBranch(OpKind kind, int width, const BasicScalar<kBits>& a,
                      const BasicScalar<kBits>& b);

// Drops from a and b (both, as far as Linux 6.18 does) members that cannot be
// there after `if a op b` jumped (taken) or fell through. Never drops x of a and
// y of b if the pair (x, y) goes that way. Returns false if it finds that no
// pair does: that side is dead, and a and b then mean nothing.
//
// a and b may be the same object or stand for the same register.
template <int kBits>
[[nodiscard]] bool Refine(OpKind kind, int width, bool taken, BasicScalar<kBits>& a,
                          BasicScalar<kBits>& b);

// True if Linux explores `dst op src` (And or Or) as two states, one with dst
// all zeros and one with dst all ones before the operation: dst is known to be
// 0 or -1 (as a whole, or in its low half) and src is a constant. *width says
// which part of dst is split: 64, use Scalar::Const(0) and Const(~0); or 32, use
// dst.WithLowConst(0) and (~0). Linux goes on with all ones and comes back for
// zero.
template <int kBits>
bool SplitsIntoZeroAndOnes(OpKind kind, const BasicScalar<kBits>& dst,
                           const BasicScalar<kBits>& src, int* width);

extern template Decision DecideBranch(OpKind, int, const Scalar&, const Scalar&);
extern template bool Refine(OpKind, int, bool, Scalar&, Scalar&);
extern template bool SplitsIntoZeroAndOnes(OpKind, const Scalar&, const Scalar&, int*);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_REFINE_H_
