// SPDX-License-Identifier: Apache-2.0
// Definitions of scalar.h's templates, for scalar.cc and for tests that
// instantiate them at small widths.

#ifndef SKEP_VERIFIER_SCALAR_INL_H_
#define SKEP_VERIFIER_SCALAR_INL_H_

#include "verifier/scalar.h"

namespace skep::verifier {

// The half-width readings from the full-width ones.
//
// Sound because: if all members share their upper half, their lower halves are
// in the same order as they are, so the lower halves of the ends bound them, in
// each reading in which those are in order. If the upper half takes two
// neighbouring values, the lower halves run from low(first end) to the top and
// on from zero to low(last end); if the first is negative and the last is not,
// that is a signed range.
template <int kBits>
void BasicScalar<kBits>::LowFromWide() {
  using H = Word<kHalf>;
  const auto from_ends = [this](Unsigned first, Unsigned last) {
    const auto first_low = H::Wrap(first), last_low = H::Wrap(last);
    const auto first_high = H::Wrap(first >> kHalf), last_high = H::Wrap(last >> kHalf);
    if (first_high == last_high) {
      low.IntersectWherever(first_low, last_low);
    } else if (H::Wrap(first_high + uint64_t{1}) == last_high && H::ToSigned(first_low) < 0 &&
               H::ToSigned(last_low) >= 0) {
      low.IntersectSigned(H::ToSigned(first_low), H::ToSigned(last_low));
    }
  };
  from_ends(wide.umin, wide.umax);
  from_ends(Wide::W::ToUnsigned(wide.smin), Wide::W::ToUnsigned(wide.smax));
}

// The full-width readings from the half-width ones.
//
// Sound because: a member that shares its upper half with an end of a range
// lies on the inner side of that upper half joined to the least (greatest) lower
// half there is; any other member lies further inside. The order of numbers
// that share their upper half is the unsigned order of the lower halves, so a
// signed half-width range serves where it does not cross the sign.
// Last rule: if no lower half is negative and the whole is a sign-extended half,
// then the upper half cannot be all ones: such a member would be below smin.
template <int kBits>
void BasicScalar<kBits>::WideFromLow() {
  using W = Word<kBits>;
  using H = Word<kHalf>;
  constexpr Unsigned kUpper = W::kMax & ~Unsigned{H::kMax};
  const auto join = [](Unsigned end, typename H::Unsigned half) { return (end & kUpper) | half; };
  const auto tighten = [this, join](typename H::Unsigned least, typename H::Unsigned greatest) {
    wide.IntersectUnsigned(join(wide.umin, least), join(wide.umax, greatest));
    wide.IntersectSigned(W::ToSigned(join(W::ToUnsigned(wide.smin), least)),
                         W::ToSigned(join(W::ToUnsigned(wide.smax), greatest)));
  };
  tighten(low.umin, low.umax);
  if (H::ToUnsigned(low.smin) <= H::ToUnsigned(low.smax)) {
    tighten(H::ToUnsigned(low.smin), H::ToUnsigned(low.smax));
  }
  if (low.smin >= 0 && wide.smin >= H::kSignedMin && wide.smax <= H::kSignedMax) {
    wide.IntersectSigned(low.smin, low.smax);
    wide.IntersectUnsigned(H::ToUnsigned(low.smin), H::ToUnsigned(low.smax));
  }
}

// The bounds from the bits, and all from a value that is the only one in both.
// Returns false on a contradiction.
//
// Sound because: every member is one of bits. If exactly one member of bits
// lies between umin and umax, no other value has both views.
template <int kBits>
bool BasicScalar<kBits>::BoundsFromBits() {
  low.IntersectBits(bits.Low());
  wide.IntersectBits(bits);
  if (Empty()) return false;
  if (bits.IsConst() || bits.IsUnknown()) return true;
  const Unsigned only = bits.Ceiling(wide.umin);
  if (only > wide.umax) return false;
  if (only != bits.Max() && bits.Ceiling(only + 1) <= wide.umax) return true;
  bits = Bits::Const(only);
  low.IntersectBits(bits.Low());
  wide.IntersectBits(bits);
  return !Empty();
}

// The bits from the unsigned readings. Returns false on a contradiction.
//
// Sound because: Tnum::Range contains the range, and the members of both sides
// are members of the intersection.
template <int kBits>
bool BasicScalar<kBits>::BitsFromBounds() {
  const auto whole = Intersect(bits, Bits::Range(wide.umin, wide.umax));
  if (!whole) return false;
  const auto half = Intersect(whole->Low(), BasicTnum<kHalf>::Range(low.umin, low.umax));
  if (!half) return false;
  bits = whole->WithLow(*half);
  return true;
}

// Normalize for numbers whose upper half is zero and whose lower half is not
// negative, after BoundsFromBits: all four readings are then one range. What the
// rounds of Normalize come to, at once.
//
// Sound because: such a number is the same in all readings, so that it lies in
// the intersection of their ranges; then as BitsFromBounds and BoundsFromBits.
template <int kBits>
bool BasicScalar<kBits>::NormalizeSmall() {
  const auto least = std::max({wide.smin, Signed{low.smin}, Signed{0}});
  const auto greatest = std::min(wide.smax, Signed{low.smax});
  if (greatest < least) return false;
  Unsigned first = std::max({wide.umin, Unsigned{low.umin}, static_cast<Unsigned>(least)});
  Unsigned last = std::min({wide.umax, Unsigned{low.umax}, static_cast<Unsigned>(greatest)});
  if (first > last) return false;
  const auto members = Intersect(bits, Bits::Range(first, last));
  if (!members) return false;
  bits = *members;
  first = std::max(first, bits.Min());
  last = std::min(last, bits.Max());
  if (first > last) return false;
  if (!bits.IsConst()) {
    const Unsigned only = bits.Ceiling(first);
    if (only > last) return false;
    if (only == bits.Max() || bits.Ceiling(only + 1) > last) {
      bits = Bits::Const(only);
      first = last = only;
    }
  }
  wide = Wide::Range(first, last);
  low = Low::Range(Word<kHalf>::Wrap(first), Word<kHalf>::Wrap(last));
  return true;
}

// Sound because: each step replaces one view by its intersection with what the
// other views imply, so a value that all views contain stays in all of them.
// Three rounds, as Linux; a round that changes nothing would repeat itself.
// (One step of Linux can loosen a bound: where WideFromLow intersects by its last
// rule, Linux assigns. Ours is then the tighter one.)
template <int kBits>
bool BasicScalar<kBits>::Normalize() {
  if (IsUnknown()) return true;  // very common, and nothing follows from it
  if (!BoundsFromBits()) return false;
  if (bits.IsConst()) return true;  // all bounds are that value now
  if (wide.umax <= Word<kHalf>::kMax >> 1) return NormalizeSmall();
  for (int round = 0; round < 3; ++round) {
    const Wide wide_before = wide;
    const Low low_before = low;
    LowFromWide();
    if (low.Empty()) return false;
    low.Reconcile();
    wide.Reconcile();
    WideFromLow();
    if (Empty()) return false;
    if (wide == wide_before && low == low_before) break;
  }
  return BitsFromBounds() && BoundsFromBits();
}

// For results of operations on scalars that have members: so do they, unless
// an operand was empty without anyone having noticed; then anything contains
// the result.
template <int kBits>
void BasicScalar<kBits>::NormalizeMember() {
  if (!Normalize()) *this = Unknown();
}

template <int kBits>
BasicScalar<kBits> BasicScalar<kBits>::FromRange(Unsigned low_end, Unsigned high_end) {
  BasicScalar r;
  r.wide.IntersectUnsigned(low_end, high_end);
  r.NormalizeMember();
  return r;
}

template <int kBits>
BasicScalar<kBits> BasicScalar<kBits>::FromSignedRange(Signed low_end, Signed high_end) {
  BasicScalar r;
  r.wide.IntersectSigned(low_end, high_end);
  r.NormalizeMember();
  return r;
}

template <int kBits>
BasicScalar<kBits> BasicScalar<kBits>::AnyOfWidth(int width) {
  return width == kBits ? Unknown() : Unknown().Truncate(width);
}

template <int kBits>
BasicScalar<kBits> BasicScalar<kBits>::AnySignedOfWidth(int width) {
  return width == kBits ? Unknown() : Unknown().SignExtend(width);
}

// Sound because: if both ends agree above `width`, so does every member, and
// dropping those bits keeps the order; else any number of that width can be
// left. The lower half is untouched if width covers it.
template <int kBits>
BasicScalar<kBits> BasicScalar<kBits>::Truncate(int width) const {
  using W = Word<kBits>;
  const Unsigned keep = W::kMax >> (kBits - width);
  BasicScalar r;
  if (width <= kHalf && IsUnknown()) {  // every load of less than a register
    r.bits = bits.Truncate(width);
    r.wide = {0, keep, 0, W::ToSigned(keep)};
    if (width < kHalf) r.low = Low::Range(0, Word<kHalf>::Wrap(keep));
    return r;
  }
  r.bits = bits.Truncate(width);
  r.wide = {0, keep, 0, W::ToSigned(keep)};
  if ((wide.umin & ~keep) == (wide.umax & ~keep)) {
    r.wide = {wide.umin & keep, wide.umax & keep, W::ToSigned(wide.umin & keep),
              W::ToSigned(wide.umax & keep)};
  }
  if (width >= kHalf) r.low = low;
  r.NormalizeMember();
  return r;
}

// Makes the upper half zero, given bits and bounds of the lower half.
//
// Sound because: with a zero upper half the number is its lower half read as
// unsigned; it is never negative, and equals the signed lower half where that
// is never negative either.
template <int kBits>
void BasicScalar<kBits>::ZeroExtendLow() {
  using H = Word<kHalf>;
  bits = Bits::ZeroExtend(bits.Low());
  wide = {low.umin, low.umax, 0, static_cast<Signed>(H::kMax)};
  if (low.smin >= 0) wide.IntersectSigned(low.smin, low.smax);
}

template <int kBits>
BasicScalar<kBits> BasicScalar<kBits>::TruncateToLow() const {
  BasicScalar r = *this;
  r.ZeroExtendLow();
  r.NormalizeMember();
  return r;
}

// The sign-extended low `width` bits of a number of kBits bits with these
// bounds. Returns any number that width can give if the bounds do not tell.
//
// Sound because: if both ends of the signed range agree above `width`, the low
// bits of the members are in the members' order; if further both ends have the
// same top bit among them, all members do, and extension keeps the order.
template <int kBits>
BasicBounds<kBits> SignExtendBounds(const BasicBounds<kBits>& a, int width) {
  using W = Word<kBits>;
  const auto extend = [width](typename W::Signed v) {
    const auto top = W::Wrap(uint64_t{W::ToUnsigned(v)} << (kBits - width));
    return W::ToSigned(top) >> (kBits - width);
  };
  const auto low = extend(a.smin), high = extend(a.smax);
  if (a.smin >> width == a.smax >> width && (low < 0) == (high < 0)) {
    return {W::ToUnsigned(low), W::ToUnsigned(high), low, high};
  }
  const auto most = static_cast<typename W::Signed>(W::kMax >> (kBits - width + 1));
  return {.smin = -most - 1, .smax = most};
}

// Sound because: SignExtendBounds; and for the lower half, a number of at most
// half the width, sign-extended, has itself as its signed lower half.
template <int kBits>
BasicScalar<kBits> BasicScalar<kBits>::SignExtend(int width) const {
  using W = Word<kBits>;
  BasicScalar r;
  if (IsConst()) {
    const Signed up = W::ToSigned(W::Wrap(uint64_t{value()} << (kBits - width)));
    return Const(W::ToUnsigned(up >> (kBits - width)));
  }
  r.wide = SignExtendBounds(wide, width);
  if (width <= kHalf) {
    r.low.smin = static_cast<typename Low::Signed>(r.wide.smin);
    r.low.smax = static_cast<typename Low::Signed>(r.wide.smax);
  }
  r.NormalizeMember();
  return r;
}

// Sound because: SignExtendBounds over the lower half alone.
template <int kBits>
BasicScalar<kBits> BasicScalar<kBits>::SignExtendLow(int width) const {
  BasicScalar r;
  r.low = SignExtendBounds(low, width);
  r.ZeroExtendLow();
  r.NormalizeMember();
  return r;
}

// Sound because: each view is the hull of the two.
template <int kBits>
BasicScalar<kBits> Join(const BasicScalar<kBits>& a, const BasicScalar<kBits>& b) {
  BasicScalar<kBits> r{Union(a.bits, b.bits), Join(a.wide, b.wide), Join(a.low, b.low)};
  return r.Normalize() ? r : BasicScalar<kBits>::Unknown();
}

template <int kBits>
constexpr BasicBounds<kBits> Widen(const BasicBounds<kBits>& before,
                                   const BasicBounds<kBits>& now) {
  BasicBounds<kBits> r = before;
  const BasicBounds<kBits> unknown;
  if (now.umin < before.umin) r.umin = unknown.umin;
  if (now.umax > before.umax) r.umax = unknown.umax;
  if (now.smin < before.smin) r.smin = unknown.smin;
  if (now.smax > before.smax) r.smax = unknown.smax;
  return r;
}

// Sound because: each view is `before`'s, or that with an end moved outward to
// its limit where `now` lies outside.
template <int kBits>
BasicScalar<kBits> Widen(const BasicScalar<kBits>& before, const BasicScalar<kBits>& now) {
  return {Union(before.bits, now.bits), Widen(before.wide, now.wide), Widen(before.low, now.low)};
}

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_SCALAR_INL_H_
