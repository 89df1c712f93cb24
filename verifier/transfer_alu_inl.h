// SPDX-License-Identifier: Apache-2.0
// Definition of transfer_alu.h's template, for transfer_alu.cc and for tests
// that instantiate it at small widths.
//
// Add, Sub, Mul, And, Or and Xor: the lower half of the result depends on the
// lower halves of the operands alone, so each view is computed from the same
// view, and the 32-bit operation is the lower half of the 64-bit one. Shifts
// move bits across the halves, so each width has its own rule.

#ifndef SKEP_VERIFIER_TRANSFER_ALU_INL_H_
#define SKEP_VERIFIER_TRANSFER_ALU_INL_H_

#include <algorithm>

#include "base/check.h"
#include "isa/semantics.h"
#include "verifier/scalar_inl.h"
#include "verifier/transfer_alu.h"

namespace skep::verifier {

// Add, Sub, Mul, And, Or, Xor on tnums.
//
// Sound because: the operators of tnum.h are.
template <int kBits>
BasicTnum<kBits> TransferBits(OpKind kind, BasicTnum<kBits> a, BasicTnum<kBits> b) {
  if (kind == OpKind::kAdd) return Add(a, b);
  if (kind == OpKind::kSub) return Sub(a, b);
  if (kind == OpKind::kMul) return Mul(a, b);
  if (kind == OpKind::kAnd) return And(a, b);
  if (kind == OpKind::kOr) return Or(a, b);
  SKEP_CHECK(kind == OpKind::kXor);
  return Xor(a, b);
}

// The same on bounds, given a tnum that contains every result.
//
// Sound because: the operators of bounds.h are; for Xor, a result lies between
// the smallest and the largest member of bits.
template <int kBits>
BasicBounds<kBits> TransferBounds(OpKind kind, const BasicBounds<kBits>& a,
                                  const BasicBounds<kBits>& b, BasicTnum<kBits> bits) {
  if (kind == OpKind::kAdd) return Add(a, b);
  if (kind == OpKind::kSub) return Sub(a, b);
  if (kind == OpKind::kMul) return Mul(a, b);
  if (kind == OpKind::kAnd) return And(a, b, bits);
  if (kind == OpKind::kOr) return Or(a, b, bits);
  SKEP_CHECK(kind == OpKind::kXor);
  return BasicBounds<kBits>::Range(bits.Min(), bits.Max());
}

// The lower half after a 32-bit operation, with a zero upper half.
//
// Sound because: TruncateToLow looks at nothing but the lower half.
template <int kBits>
BasicScalar<kBits> FromLow(BasicTnum<kBits / 2> bits, const BasicBounds<kBits / 2>& low) {
  return BasicScalar<kBits>{BasicTnum<kBits>::ZeroExtend(bits), {}, low}.TruncateToLow();
}

// Add, Sub, Mul, And, Or, Xor.
//
// Sound because: TransferBits and TransferBounds are, on the whole register and
// on its lower half, and bits.Low() contains the lower half of every result.
template <int kBits>
BasicScalar<kBits> TransferViews(OpKind kind, bool narrow, const BasicScalar<kBits>& a,
                                 const BasicScalar<kBits>& b) {
  if (narrow) {
    const auto bits = TransferBits(kind, a.bits.Low(), b.bits.Low());
    return FromLow<kBits>(bits, TransferBounds(kind, a.low, b.low, bits));
  }
  const auto bits = TransferBits(kind, a.bits, b.bits);
  BasicScalar<kBits> r{bits, TransferBounds(kind, a.wide, b.wide, bits),
                       TransferBounds(kind, a.low, b.low, bits.Low())};
  return r.Normalize() ? r : BasicScalar<kBits>::Unknown();
}

// Lsh, Rsh, Arsh by `amount` on one width.
//
// Sound because: the operators of tnum.h are.
template <int kBits>
BasicTnum<kBits> ShiftBits(OpKind kind, BasicTnum<kBits> a, int amount) {
  if (kind == OpKind::kLsh) return Lsh(a, amount);
  if (kind == OpKind::kRsh) return Rsh(a, amount);
  SKEP_CHECK(kind == OpKind::kArsh);
  return Arsh(a, amount);
}

// Sound because: the operators of bounds.h are.
template <int kBits>
BasicBounds<kBits> ShiftBounds(OpKind kind, const BasicBounds<kBits>& a, int amount) {
  if (kind == OpKind::kLsh) return Lsh(a, amount);
  if (kind == OpKind::kRsh) return Rsh(a, amount);
  SKEP_CHECK(kind == OpKind::kArsh);
  return Arsh(a, amount);
}

// A shift by a known amount, less than the width.
//
// Sound because: ShiftBits and ShiftBounds are. The lower half of a 64-bit
// right shift takes in bits of the upper half, so nothing is said about its
// bounds; of a left shift it depends on the lower half alone. A left shift by
// half the width makes the lower half the upper one, sign included, over zeros,
// so the signed order of the lower halves is that of the results.
template <int kBits>
BasicScalar<kBits> TransferShift(OpKind kind, bool narrow, const BasicScalar<kBits>& a,
                                 int amount) {
  if (narrow) {
    return FromLow<kBits>(ShiftBits(kind, a.bits.Low(), amount), ShiftBounds(kind, a.low, amount));
  }
  using W = Word<kBits>;
  BasicScalar<kBits> r{ShiftBits(kind, a.bits, amount), ShiftBounds(kind, a.wide, amount), {}};
  if (kind == OpKind::kLsh) {
    r.low = Lsh(a.low, amount);
    if (amount == kBits / 2) {
      using Signed = typename W::Signed;
      r.wide.smin = static_cast<Signed>(Signed{a.low.smin} * (Signed{1} << (kBits / 2)));
      r.wide.smax = static_cast<Signed>(Signed{a.low.smax} * (Signed{1} << (kBits / 2)));
    }
  }
  return r.Normalize() ? r : BasicScalar<kBits>::Unknown();
}

// The shift amount, if Linux would look at it: one value, less than the width
// (the whole source register, also for a 32-bit shift); else -1.
template <int kBits>
int KnownShiftAmount(bool narrow, const BasicScalar<kBits>& src) {
  if (src.wide.umax >= (narrow ? kBits / 2 : kBits)) return -1;
  return src.bits.IsConst() ? static_cast<int>(src.value()) : -1;
}

// Any result of an operation of this width.
template <int kBits>
BasicScalar<kBits> AnyResult(bool narrow) {
  return BasicScalar<kBits>::AnyOfWidth(narrow ? kBits / 2 : kBits);
}

// A shift by an amount that is taken modulo the width.
//
// Sound because: it joins the results for every amount that a member of src
// gives: `reduced` contains them all.
template <int kBits>
BasicScalar<kBits> TransferShiftByAny(OpKind kind, bool narrow, const BasicScalar<kBits>& dst,
                                      const BasicScalar<kBits>& src) {
  const int width = narrow ? kBits / 2 : kBits;
  // A width that is no power of two exists in tests only; there the amounts
  // are whatever remains, so nothing is known.
  if ((width & (width - 1)) != 0) return AnyResult<kBits>(narrow);
  const auto reduced = And(src.bits, BasicTnum<kBits>::Const(static_cast<uint32_t>(width - 1)));
  BasicScalar<kBits> r;
  bool first = true;
  for (int amount = 0; amount < width; ++amount) {
    if (!reduced.Contains(static_cast<uint32_t>(amount))) continue;
    const auto shifted = TransferShift(kind, narrow, dst, amount);
    r = first ? shifted : Join(r, shifted);
    first = false;
  }
  return r;
}

// a / b on one width; a zero divisor gives zero.
//
// Sound because: a quotient grows with a and shrinks with b; the largest is
// that of the largest a and the least divisor that is not zero.
template <int kBits>
BasicBounds<kBits> Quotient(const BasicBounds<kBits>& a, const BasicBounds<kBits>& b) {
  if (b.umax == 0) return BasicBounds<kBits>::Const(0);
  const auto least = b.umin == 0 ? b.umin + 1 : b.umin;
  return BasicBounds<kBits>::Range(b.umin == 0 ? 0 : a.umin / b.umax, a.umax / least);
}

// a % b on one width; a zero divisor leaves a.
//
// Sound because: a remainder is at most a, and less than a divisor that is not
// zero; if every a is less than every b, it is a.
template <int kBits>
BasicBounds<kBits> Remainder(const BasicBounds<kBits>& a, const BasicBounds<kBits>& b) {
  if (a.umax < b.umin || b.umax == 0) return a;
  return BasicBounds<kBits>::Range(0, b.umin == 0 ? a.umax : std::min(a.umax, b.umax - 1));
}

// The kinds that Linux does not follow, as precisely as is cheap.
//
// Sound because: constants are folded with the concrete operation; Quotient and
// Remainder are sound; anything else is any number of the width.
template <int kBits>
BasicScalar<kBits> TransferFully(OpKind kind, int width, const BasicScalar<kBits>& dst,
                                 const BasicScalar<kBits>& src) {
  const bool narrow = width < kBits;
  if constexpr (kBits == 64) {
    if (narrow ? dst.IsConstLow() && src.IsConstLow() : dst.IsConst() && src.IsConst()) {
      return Scalar::Const(EvalAlu(kind, width, dst.bits.value, src.bits.value));
    }
  }
  if (kind == OpKind::kLsh || kind == OpKind::kRsh || kind == OpKind::kArsh) {
    return TransferShiftByAny(kind, narrow, dst, src);
  }
  BasicScalar<kBits> r;
  if (kind == OpKind::kDiv) {
    if (narrow) return FromLow<kBits>({}, Quotient(dst.low, src.low));
    r.wide = Quotient(dst.wide, src.wide);
  } else if (kind == OpKind::kMod) {
    if (narrow) return FromLow<kBits>({}, Remainder(dst.low, src.low));
    r.wide = Remainder(dst.wide, src.wide);
  } else {
    SKEP_CHECK(kind == OpKind::kSDiv || kind == OpKind::kSMod);
    return AnyResult<kBits>(narrow);
  }
  return r.Normalize() ? r : BasicScalar<kBits>::Unknown();
}

// ToLe, ToBe, Bswap: the low `width` bits, swapped or not (the host is
// little-endian), zero-extended.
//
// Sound because: a swap moves each bit with what is known about it; bounds say
// nothing about the swapped number and are dropped.
inline Scalar TransferByteOrder(OpKind kind, int width, const Scalar& a) {
  if (kind == OpKind::kToLe) return width == 64 ? a : a.Truncate(width);
  Scalar r;
  r.bits = {SwapBytes(a.bits.value, width), SwapBytes(a.bits.mask, width)};
  return r.Normalize() ? r : Scalar::Unknown();
}

// Sound because: each case is; an unknown number contains every result.
template <int kBits>
BasicScalar<kBits> TransferAlu(OpKind kind, int width, const BasicScalar<kBits>& dst,
                               const BasicScalar<kBits>& src, Precision precision) {
  using S = BasicScalar<kBits>;
  SKEP_CHECK(ClassOf(kind) == OpClass::kAlu);
  const bool narrow = width < kBits;
  if (kind == OpKind::kAdd || kind == OpKind::kSub || kind == OpKind::kMul ||
      kind == OpKind::kAnd || kind == OpKind::kOr || kind == OpKind::kXor) {
    return TransferViews(kind, narrow, dst, src);
  }
  if (kind == OpKind::kNeg) return TransferViews(OpKind::kSub, narrow, S::Const(0), dst);
  if (kind == OpKind::kMov) return narrow ? src.TruncateToLow() : src;
  if constexpr (kBits == 64) {
    const int from = kind == OpKind::kMovSx8    ? 8
                     : kind == OpKind::kMovSx16 ? 16
                     : kind == OpKind::kMovSx32 ? 32
                                                : 0;
    if (from != 0) return narrow ? src.SignExtendLow(from) : src.SignExtend(from);
    if (kind == OpKind::kToLe || kind == OpKind::kToBe || kind == OpKind::kBswap) {
      return TransferByteOrder(kind, width, dst);
    }
  }
  if (kind == OpKind::kLsh || kind == OpKind::kRsh || kind == OpKind::kArsh) {
    const int amount = KnownShiftAmount(narrow, src);
    if (amount >= 0) return TransferShift(kind, narrow, dst, amount);
  }
  return precision == Precision::kLinux ? S::Unknown() : TransferFully(kind, width, dst, src);
}

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_TRANSFER_ALU_INL_H_
