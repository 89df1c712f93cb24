// SPDX-License-Identifier: Apache-2.0
// Scalar: an abstract 64-bit number, what the verifier knows about the number
// in a register or stack slot. It stands for the set of values v with
//   bits.Contains(v),  wide.Contains(v)  and  low.Contains(the low half of v).
//
// The functions here, in transfer_alu.h and in refine.h return normalized
// scalars: the views have tightened each other. They follow Linux 6.18 step for
// step (kernel/bpf/verifier.c, reg_bounds_sync and its callers), because users
// read the bounds in the log and programs are written against their precision;
// more passes would find slightly tighter bounds.
//
// A Scalar has members, unless a function says that it left none.
//
// Trivially copyable, 64 bytes. The width is a parameter for the sake of the
// tests (word.h); everything else uses Scalar.

#ifndef SKEP_VERIFIER_SCALAR_H_
#define SKEP_VERIFIER_SCALAR_H_

#include <cstdint>
#include <type_traits>

#include "verifier/bounds.h"
#include "verifier/tnum.h"

namespace skep::verifier {

template <int kBits>
struct BasicScalar {
  static constexpr int kHalf = kBits / 2;
  using Bits = BasicTnum<kBits>;
  using Wide = BasicBounds<kBits>;
  using Low = BasicBounds<kHalf>;
  using Unsigned = typename Wide::Unsigned;
  using Signed = typename Wide::Signed;

  Bits bits;
  Wide wide;  // the whole register (Linux: umin, umax, smin, smax)
  Low low;    // its lower half (Linux: u32_min, u32_max, s32_min, s32_max)

  static constexpr BasicScalar Unknown() { return {}; }
  static constexpr BasicScalar Const(Unsigned v) {
    return {Bits::Const(v), Wide::Const(v), Low::Const(Word<kHalf>::Wrap(v))};
  }
  // low <= v <= high; needs low <= high.
  static BasicScalar FromRange(Unsigned low, Unsigned high);
  static BasicScalar FromSignedRange(Signed low, Signed high);
  // Any number of the given width, zero- or sign-extended; 1 <= width <= kBits.
  // What a load of that width yields when nothing is known about memory.
  static BasicScalar AnyOfWidth(int width);
  static BasicScalar AnySignedOfWidth(int width);

  constexpr bool IsConst() const { return bits.IsConst(); }
  // True if the lower half has one value.
  constexpr bool IsConstLow() const { return bits.Low().IsConst(); }
  constexpr bool IsUnknown() const { return *this == Unknown(); }
  // The value; needs IsConst().
  constexpr Unsigned value() const { return bits.value; }
  constexpr bool Contains(Unsigned v) const {
    return bits.Contains(v) && wide.Contains(v) && low.Contains(Word<kHalf>::Wrap(v));
  }
  // True if each view of this lies within the same view of other; then every
  // member of this is one of other. (Linux: range_within and tnum_in.)
  constexpr bool IsSubsetOf(const BasicScalar& other) const {
    return other.wide.Covers(wide) && other.low.Covers(low) && other.bits.Covers(bits);
  }

  // Lets each view tighten the others. Never drops a member. Returns false if
  // it finds that there is none; the fields then mean nothing. It finds every
  // contradiction between two views that the result would show, not every one.
  [[nodiscard]] bool Normalize();

  // The low `width` bits, zero-extended; 1 <= width < kBits.
  BasicScalar Truncate(int width) const;
  // This number with its lower half known to be v, which must be possible. Not
  // normalized: like Linux, it leaves the whole to the operation that follows
  // (see SplitsIntoZeroAndOnes in refine.h).
  BasicScalar WithLowConst(typename Low::Unsigned v) const {
    return {bits.WithLow(BasicTnum<kHalf>::Const(v)), wide, Low::Const(v)};
  }
  // The low half, zero-extended: what a 32-bit move leaves in the register.
  BasicScalar TruncateToLow() const;
  // The low `width` bits, sign-extended to the register; 1 <= width < kBits.
  BasicScalar SignExtend(int width) const;
  // The low `width` bits, sign-extended to the lower half, zeros above;
  // 1 <= width < kBits / 2.
  BasicScalar SignExtendLow(int width) const;

  friend constexpr bool operator==(const BasicScalar&, const BasicScalar&) = default;

 private:
  void LowFromWide();
  void WideFromLow();
  bool BitsFromBounds();
  constexpr bool Empty() const { return wide.Empty() || low.Empty(); }
  bool BoundsFromBits();
  void NormalizeMember();
  bool NormalizeSmall();
  void ZeroExtendLow();
};

// The smallest scalar, view by view, that contains both.
template <int kBits>
BasicScalar<kBits> Join(const BasicScalar<kBits>& a, const BasicScalar<kBits>& b);

// A scalar that contains both, for loops: a view that changed between `before`
// and `now` goes to its limit, so that a chain of Widen calls ends after a few
// steps (each bound jumps once, each bit of the tnum is lost once).
template <int kBits>
BasicScalar<kBits> Widen(const BasicScalar<kBits>& before, const BasicScalar<kBits>& now);

using Scalar = BasicScalar<64>;

extern template struct BasicScalar<64>;
extern template Scalar Join(const Scalar&, const Scalar&);
extern template Scalar Widen(const Scalar&, const Scalar&);

static_assert(sizeof(Scalar) == 64 && std::is_trivially_copyable_v<Scalar>);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_SCALAR_H_
