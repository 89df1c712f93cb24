// SPDX-License-Identifier: Apache-2.0
// Definitions of refine.h's templates, for refine.cc and for tests that
// instantiate them at small widths.

#ifndef SKEP_VERIFIER_REFINE_INL_H_
#define SKEP_VERIFIER_REFINE_INL_H_

#include <bit>
#include <utility>

#include "base/check.h"
#include "verifier/refine.h"
#include "verifier/scalar_inl.h"

namespace skep::verifier {

// The kind that jumps exactly if `kind` falls through. JSet has none.
inline OpKind Inverse(OpKind kind) {
  if (kind == OpKind::kJEq) return OpKind::kJNe;
  if (kind == OpKind::kJNe) return OpKind::kJEq;
  if (kind == OpKind::kJGt) return OpKind::kJLe;
  if (kind == OpKind::kJGe) return OpKind::kJLt;
  if (kind == OpKind::kJLt) return OpKind::kJGe;
  if (kind == OpKind::kJLe) return OpKind::kJGt;
  if (kind == OpKind::kJSGt) return OpKind::kJSLe;
  if (kind == OpKind::kJSGe) return OpKind::kJSLt;
  if (kind == OpKind::kJSLt) return OpKind::kJSGe;
  SKEP_CHECK(kind == OpKind::kJSLe);
  return OpKind::kJSGt;
}

// The kind that jumps for (b, a) exactly if `kind` jumps for (a, b), for the
// four "greater" kinds; so that the rules below need "less" alone.
inline bool MirrorGreater(OpKind* kind) {
  if (*kind == OpKind::kJGt) return *kind = OpKind::kJLt, true;
  if (*kind == OpKind::kJGe) return *kind = OpKind::kJLe, true;
  if (*kind == OpKind::kJSGt) return *kind = OpKind::kJSLt, true;
  if (*kind == OpKind::kJSGe) return *kind = OpKind::kJSLe, true;
  return false;
}

template <int kBits>
constexpr bool Disjoint(const BasicBounds<kBits>& a, const BasicBounds<kBits>& b) {
  return a.umin > b.umax || a.umax < b.umin || a.smin > b.smax || a.smax < b.smin;
}

// Decides `a kind b` from one width. `kind` is no "greater" kind.
//
// Sound because: an order is decided if it holds (fails) for the pair of ends
// that is worst (best) for it. Equality fails if any view keeps the numbers
// apart, and holds if both are the same constant. a & b is non-zero if a bit is
// known 1 in both, zero if every bit is known 0 in one of them.
template <int kBits>
Decision DecideView(OpKind kind, BasicTnum<kBits> a_bits, const BasicBounds<kBits>& a,
                    BasicTnum<kBits> b_bits, const BasicBounds<kBits>& b) {
  const auto decide = [](bool always, bool never) {
    return always ? Decision::kTaken : never ? Decision::kNotTaken : Decision::kUnknown;
  };
  if (kind == OpKind::kJLt) return decide(a.umax < b.umin, a.umin >= b.umax);
  if (kind == OpKind::kJLe) return decide(a.umax <= b.umin, a.umin > b.umax);
  if (kind == OpKind::kJSLt) return decide(a.smax < b.smin, a.smin >= b.smax);
  if (kind == OpKind::kJSLe) return decide(a.smax <= b.smin, a.smin > b.smax);
  if (kind == OpKind::kJSet) {
    // Linux looks only if one side is a constant.
    if (!a_bits.IsConst() && !b_bits.IsConst()) return Decision::kUnknown;
    return decide((a_bits.value & b_bits.value) != 0, (a_bits.Max() & b_bits.Max()) == 0);
  }
  const bool same = a_bits.IsConst() && b_bits.IsConst() && a_bits.value == b_bits.value;
  const bool apart = !a_bits.Overlaps(b_bits) || Disjoint(a, b);
  if (kind == OpKind::kJEq) return decide(same, apart);
  SKEP_CHECK(kind == OpKind::kJNe);
  return decide(apart, same);
}

// Sound because: DecideView is; and numbers whose lower halves differ differ.
template <int kBits>
Decision DecideBranch(OpKind kind, int width, const BasicScalar<kBits>& a,
                      const BasicScalar<kBits>& b) {
  SKEP_CHECK(ClassOf(kind) == OpClass::kBranch);
  if (MirrorGreater(&kind)) return DecideBranch(kind, width, b, a);
  if (width < kBits) return DecideView(kind, a.bits.Low(), a.low, b.bits.Low(), b.low);
  const Decision decision = DecideView(kind, a.bits, a.wide, b.bits, b.wide);
  if (decision == Decision::kUnknown && Disjoint(a.low, b.low)) {
    if (kind == OpKind::kJEq) return Decision::kNotTaken;
    if (kind == OpKind::kJNe) return Decision::kTaken;
  }
  return decision;
}

// Keeps what `a kind b` leaves, for the orders. False if nothing is left.
//
// Sound because: if x <= y then x <= max(b) and y >= min(a); if x < y then each
// with one to spare, which is there because x is not the greatest number and y
// not the least.
template <int kBits>
bool RefineOrder(OpKind kind, BasicBounds<kBits>& a, BasicBounds<kBits>& b) {
  using W = Word<kBits>;
  if (kind == OpKind::kJLt || kind == OpKind::kJLe) {
    const typename W::Unsigned gap = kind == OpKind::kJLt ? 1 : 0;
    if (b.umax < gap || a.umin > W::kMax - gap) return false;
    const auto least = a.umin + gap;
    a.umax = std::min(a.umax, b.umax - gap);
    b.umin = std::max(b.umin, least);
    return true;
  }
  SKEP_CHECK(kind == OpKind::kJSLt || kind == OpKind::kJSLe);
  const typename W::Signed gap = kind == OpKind::kJSLt ? 1 : 0;
  if (b.smax < W::kSignedMin + gap || a.smin > W::kSignedMax - gap) return false;
  const auto least = a.smin + gap;
  a.smax = std::min(a.smax, b.smax - gap);
  b.smin = std::max(b.smin, least);
  return true;
}

// Keeps what equality leaves in both.
//
// Sound because: the common value is in every view of both.
template <int kBits>
bool RefineEqual(BasicTnum<kBits>& a_bits, BasicBounds<kBits>& a, BasicTnum<kBits>& b_bits,
                 BasicBounds<kBits>& b) {
  const auto common = Intersect(a_bits, b_bits);
  if (!common) return false;
  a_bits = b_bits = *common;
  a.IntersectUnsigned(b.umin, b.umax);
  a.IntersectSigned(b.smin, b.smax);
  b = a;
  return true;
}

// Keeps what `not equal to v` leaves.
//
// Sound because: only v itself is cut off, where it is an end.
template <int kBits>
bool RefineNotEqual(BasicBounds<kBits>& a, typename Word<kBits>::Unsigned v) {
  const auto s = Word<kBits>::ToSigned(v);
  if ((a.umin == v && a.umax == v) || (a.smin == s && a.smax == s)) return false;
  if (a.umin == v) ++a.umin;
  if (a.umax == v) --a.umax;
  if (a.smin == s) ++a.smin;
  if (a.smax == s) --a.smax;
  return true;
}

// Keeps what `x & v` non-zero (set) or zero leaves of x, for a constant v of the
// width that the jump compares.
//
// Sound because: zero means that every bit of v is 0 in x. Non-zero says which
// bit is 1 only if v has one bit. Linux gives up the bounds of x in the zero
// case and keeps the bits alone; forgetting drops nothing.
template <int kBits>
bool RefineTest(bool set, BasicScalar<kBits>& x, typename Word<kBits>::Unsigned v) {
  if (set) {
    if ((x.bits.Max() & v) == 0) return false;
    if (std::has_single_bit(v)) x.bits = Or(x.bits, BasicTnum<kBits>::Const(v));
    return true;
  }
  if ((x.bits.value & v) != 0) return false;
  x.bits = And(x.bits, BasicTnum<kBits>::Const(Word<kBits>::kMax & ~v));
  x.wide = {};
  x.low = {};
  return true;
}

// The rules for the kinds that look at one width: bits and bounds of it in both
// numbers. `kind` is no "greater" kind.
//
// Sound because: each rule is.
template <int kBits>
bool RefineView(OpKind kind, BasicTnum<kBits>& a_bits, BasicBounds<kBits>& a,
                BasicTnum<kBits>& b_bits, BasicBounds<kBits>& b) {
  if (kind == OpKind::kJEq) return RefineEqual(a_bits, a, b_bits, b);
  if (kind == OpKind::kJNe) {
    if (b_bits.IsConst()) return RefineNotEqual(a, b_bits.value);
    return !a_bits.IsConst() || RefineNotEqual(b, a_bits.value);
  }
  return RefineOrder(kind, a, b);
}

// Sound because: RefineTest and RefineView are, on the width that the jump
// compares, and Normalize never drops a member.
template <int kBits>
bool Refine(OpKind kind, int width, bool taken, BasicScalar<kBits>& a, BasicScalar<kBits>& b) {
  SKEP_CHECK(ClassOf(kind) == OpClass::kBranch);
  const bool narrow = width < kBits;
  const auto is_const = [narrow](const BasicScalar<kBits>& s) {
    return narrow ? s.IsConstLow() : s.IsConst();
  };
  const auto low_value = [](const BasicScalar<kBits>& s) { return s.bits.Low().value; };

  bool alive = true;
  if (kind == OpKind::kJSet) {
    // The upper bits of the constant do not count in a 32-bit test.
    if (is_const(b)) {
      alive = RefineTest(taken, a, narrow ? low_value(b) : b.value());
    } else if (is_const(a)) {
      alive = RefineTest(taken, b, narrow ? low_value(a) : a.value());
    }
    return alive && a.Normalize() && b.Normalize();
  }
  if (!taken) kind = Inverse(kind);
  if (MirrorGreater(&kind)) return Refine(kind, width, true, b, a);
  if (narrow) {
    auto a_bits = a.bits.Low(), b_bits = b.bits.Low();
    alive = RefineView(kind, a_bits, a.low, b_bits, b.low);
    a.bits = a.bits.WithLow(a_bits);
    b.bits = b.bits.WithLow(b_bits);
  } else {
    alive = RefineView(kind, a.bits, a.wide, b.bits, b.wide);
  }
  return alive && a.Normalize() && b.Normalize();
}

// Needs no soundness argument of its own: 0 and -1 are all the members of dst.
template <int kBits>
bool SplitsIntoZeroAndOnes(OpKind kind, const BasicScalar<kBits>& dst,
                           const BasicScalar<kBits>& src, int* width) {
  if ((kind != OpKind::kAnd && kind != OpKind::kOr) || !src.IsConst()) return false;
  if (dst.wide.smin == -1 && dst.wide.smax == 0) {
    *width = kBits;
    return true;
  }
  *width = kBits / 2;
  return dst.low.smin == -1 && dst.low.smax == 0;
}

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_REFINE_INL_H_
