// SPDX-License-Identifier: Apache-2.0
// Bounds: what is known about the size of a number, read as unsigned and as
// signed. It stands for the set of numbers v with
//   umin <= v <= umax  and  smin <= signed(v) <= smax.
//
// Each operator returns bounds that contain op(x, y) for all members x and y of
// its operands, as precise as Linux 6.18's. None of them lets the two readings
// tighten each other: Scalar::Normalize() does that once at the end.

#ifndef SKEP_VERIFIER_BOUNDS_H_
#define SKEP_VERIFIER_BOUNDS_H_

#include <algorithm>

#include "verifier/tnum.h"
#include "verifier/word.h"

namespace skep::verifier {

template <int kBits>
struct BasicBounds {
  using W = Word<kBits>;
  using Unsigned = typename W::Unsigned;
  using Signed = typename W::Signed;

  Unsigned umin = 0;
  Unsigned umax = W::kMax;
  Signed smin = W::kSignedMin;
  Signed smax = W::kSignedMax;

  static constexpr BasicBounds Const(Unsigned v) { return {v, v, W::ToSigned(v), W::ToSigned(v)}; }
  static constexpr BasicBounds Unknown() { return {}; }
  // low <= v <= high; the signed reading follows where the range keeps its sign.
  static constexpr BasicBounds Range(Unsigned low, Unsigned high) {
    BasicBounds r{.umin = low, .umax = high};
    r.SignedFromUnsigned();
    return r;
  }

  // True if the bounds contradict themselves within one reading.
  constexpr bool Empty() const { return umin > umax || smin > smax; }
  constexpr bool IsConst() const { return umin == umax && smin == smax; }
  constexpr bool Contains(Unsigned v) const {
    const Signed s = W::ToSigned(v);
    return umin <= v && v <= umax && smin <= s && s <= smax;
  }
  // True if each range of other lies within the same range of this.
  constexpr bool Covers(const BasicBounds& other) const {
    return umin <= other.umin && other.umax <= umax && smin <= other.smin && other.smax <= smax;
  }

  constexpr void IntersectUnsigned(Unsigned low, Unsigned high) {
    umin = std::max(umin, low);
    umax = std::min(umax, high);
  }
  constexpr void IntersectSigned(Signed low, Signed high) {
    smin = std::max(smin, low);
    smax = std::min(smax, high);
  }
  // Intersects with low .. high, two bit patterns, in each reading in which they
  // are in order. Needs low <= high in at least one of them to mean a range.
  constexpr void IntersectWherever(Unsigned low, Unsigned high) {
    if (low <= high) IntersectUnsigned(low, high);
    if (W::ToSigned(low) <= W::ToSigned(high)) IntersectSigned(W::ToSigned(low), W::ToSigned(high));
  }
  // Forgets the signed range and takes the unsigned one for it where that does
  // not cross the sign.
  constexpr void SignedFromUnsigned() {
    smin = W::kSignedMin;
    smax = W::kSignedMax;
    if (W::ToSigned(umin) <= W::ToSigned(umax)) {
      smin = W::ToSigned(umin);
      smax = W::ToSigned(umax);
    }
  }
  // Tightens to the smallest and largest member of bits.
  constexpr void IntersectBits(BasicTnum<kBits> bits) {
    IntersectUnsigned(bits.Min(), bits.Max());
    IntersectSigned(W::ToSigned(bits.value | (bits.mask & W::kSignBit)),
                    W::ToSigned(bits.value | (bits.mask & ~W::kSignBit)));
  }
  // Lets the two readings tighten each other; needs !Empty(). Never drops a
  // member; may leave Empty() bounds if there was none.
  constexpr void Reconcile();

  friend constexpr bool operator==(const BasicBounds&, const BasicBounds&) = default;
};

// Sound because: a range that does not cross the sign is in the same order in
// both readings, so each may take the other's ends. A signed range that crosses
// it is two unsigned pieces, [0, smax] and [smin, max]; if the unsigned range
// reaches only one of them, every member lies there, and there the readings
// agree again.
template <int kBits>
constexpr void BasicBounds<kBits>::Reconcile() {
  if (W::ToSigned(umin) <= W::ToSigned(umax)) {
    IntersectSigned(W::ToSigned(umin), W::ToSigned(umax));
  }
  const Unsigned low = W::ToUnsigned(smin);
  const Unsigned high = W::ToUnsigned(smax);
  if (low <= high) {
    IntersectUnsigned(low, high);
  } else if (smin <= smax && umax < low) {
    smin = W::ToSigned(umin);
    umax = std::min(umax, high);
  } else if (smin <= smax && high < umin) {
    smax = W::ToSigned(umax);
    umin = std::max(umin, low);
  }
}

// a + b.
//
// Sound because: the exact sums lie between the sums of the ends. Signed: kept
// if neither end leaves the machine's range. Unsigned: if both ends wrap or
// neither does, then all sums wrap equally often and keep their order.
template <int kBits>
constexpr BasicBounds<kBits> Add(const BasicBounds<kBits>& a, const BasicBounds<kBits>& b) {
  using W = Word<kBits>;
  BasicBounds<kBits> r;
  const bool low_wraps = W::AddOverflows(a.umin, b.umin, &r.umin);
  const bool high_wraps = W::AddOverflows(a.umax, b.umax, &r.umax);
  if (low_wraps != high_wraps) {
    r.umin = 0;
    r.umax = W::kMax;
  }
  const bool low_leaves = W::AddOverflows(a.smin, b.smin, &r.smin);
  const bool high_leaves = W::AddOverflows(a.smax, b.smax, &r.smax);
  if (low_leaves || high_leaves) {
    r.smin = W::kSignedMin;
    r.smax = W::kSignedMax;
  }
  return r;
}

// a - b.
//
// Sound because: the exact differences lie between smallest minus largest and
// largest minus smallest; the rest is as in Add.
template <int kBits>
constexpr BasicBounds<kBits> Sub(const BasicBounds<kBits>& a, const BasicBounds<kBits>& b) {
  using W = Word<kBits>;
  BasicBounds<kBits> r;
  const bool low_wraps = W::SubOverflows(a.umin, b.umax, &r.umin);
  const bool high_wraps = W::SubOverflows(a.umax, b.umin, &r.umax);
  if (low_wraps != high_wraps) {
    r.umin = 0;
    r.umax = W::kMax;
  }
  const bool low_leaves = W::SubOverflows(a.smin, b.smax, &r.smin);
  const bool high_leaves = W::SubOverflows(a.smax, b.smin, &r.smax);
  if (low_leaves || high_leaves) {
    r.smin = W::kSignedMin;
    r.smax = W::kSignedMax;
  }
  return r;
}

// a * b.
//
// Sound because: a product is linear in each factor, so over a box of factors
// it is extreme at a corner; kept only if no corner leaves the machine's range.
// (Unsigned: the largest product is that of the largest factors.)
template <int kBits>
constexpr BasicBounds<kBits> Mul(const BasicBounds<kBits>& a, const BasicBounds<kBits>& b) {
  using W = Word<kBits>;
  BasicBounds<kBits> r;
  if (W::MulOverflows(a.umax, b.umax, &r.umax)) {
    r.umax = W::kMax;
  } else {
    r.umin = W::Wrap(a.umin * b.umin);
  }
  typename W::Signed corner[4];
  const bool leaves = static_cast<int>(W::MulOverflows(a.smin, b.smin, &corner[0])) |
                      static_cast<int>(W::MulOverflows(a.smin, b.smax, &corner[1])) |
                      static_cast<int>(W::MulOverflows(a.smax, b.smin, &corner[2])) |
                      static_cast<int>(W::MulOverflows(a.smax, b.smax, &corner[3]));
  if (!leaves) {
    r.smin = std::min(std::min(corner[0], corner[1]), std::min(corner[2], corner[3]));
    r.smax = std::max(std::max(corner[0], corner[1]), std::max(corner[2], corner[3]));
  }
  return r;
}

// a & b, given a tnum that contains every result.
//
// Sound because: no result exceeds either operand, and none is below the
// smallest member of bits.
template <int kBits>
constexpr BasicBounds<kBits> And(const BasicBounds<kBits>& a, const BasicBounds<kBits>& b,
                                 BasicTnum<kBits> bits) {
  return BasicBounds<kBits>::Range(bits.Min(), std::min(a.umax, b.umax));
}

// a | b, given a tnum that contains every result.
//
// Sound because: no result is below either operand, and none is above the
// largest member of bits.
template <int kBits>
constexpr BasicBounds<kBits> Or(const BasicBounds<kBits>& a, const BasicBounds<kBits>& b,
                                BasicTnum<kBits> bits) {
  return BasicBounds<kBits>::Range(std::max(a.umin, b.umin), bits.Max());
}

// a << amount; 0 <= amount. An amount that is no shift of this width (the lower
// half of a 64-bit shift) gives Unknown().
//
// Sound because: the unsigned range is kept only if its top end loses no bit,
// and then shifting is monotone. The signed range is dropped.
template <int kBits>
constexpr BasicBounds<kBits> Lsh(const BasicBounds<kBits>& a, int amount) {
  using W = Word<kBits>;
  BasicBounds<kBits> r;
  if (amount < kBits && a.umax <= W::kSignBit >> amount) {
    r.umin = W::Wrap(a.umin << amount);
    r.umax = W::Wrap(a.umax << amount);
  }
  return r;
}

// a >> amount, zeros come in; 0 <= amount < kBits.
//
// Sound because: an unsigned shift is monotone. The signed range is dropped.
template <int kBits>
constexpr BasicBounds<kBits> Rsh(const BasicBounds<kBits>& a, int amount) {
  return {.umin = a.umin >> amount, .umax = a.umax >> amount};
}

// a >> amount, copies of the top bit come in; 0 <= amount < kBits.
//
// Sound because: a signed shift is monotone. The unsigned range is dropped.
template <int kBits>
constexpr BasicBounds<kBits> Arsh(const BasicBounds<kBits>& a, int amount) {
  return {.smin = a.smin >> amount, .smax = a.smax >> amount};
}

// The smallest bounds that contain both.
template <int kBits>
constexpr BasicBounds<kBits> Join(const BasicBounds<kBits>& a, const BasicBounds<kBits>& b) {
  return {std::min(a.umin, b.umin), std::max(a.umax, b.umax), std::min(a.smin, b.smin),
          std::max(a.smax, b.smax)};
}

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_BOUNDS_H_
