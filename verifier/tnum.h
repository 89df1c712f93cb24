// SPDX-License-Identifier: Apache-2.0
// Tnum: a tracked number. Each bit is known to be 0, known to be 1, or unknown.
//
// A tnum stands for the set of numbers v with (v & ~mask) == value. The
// invariant (value & mask) == 0 holds for every tnum that these functions
// return, and is expected of every tnum they are given; two tnums are then
// equal exactly if they stand for the same set. A tnum has at least one member:
// the empty set is not a tnum, so Intersect() says when it would be needed.
//
// Each operator returns a tnum that contains op(x, y) for all members x and y
// of its operands. Add, Sub, And, Or, Xor, Neg and shifts by a known amount are
// the best such tnum; Mul is not always (the best one costs too much), and is
// as precise as Linux 6.18's.
//
// Background: Vishwanathan et al., "Sound, Precise, and Fast Abstract
// Interpretation with Tristate Numbers" (CGO 2022).

#ifndef SKEP_VERIFIER_TNUM_H_
#define SKEP_VERIFIER_TNUM_H_

#include <bit>
#include <cstdint>
#include <optional>

#include "verifier/word.h"

namespace skep::verifier {

template <int kBits>
struct BasicTnum {
  using W = Word<kBits>;
  using Unsigned = typename W::Unsigned;

  Unsigned value = 0;
  Unsigned mask = W::kMax;  // 1 = this bit is unknown

  // The single number v.
  static constexpr BasicTnum Const(Unsigned v) { return {v, 0}; }
  // Every number.
  static constexpr BasicTnum Unknown() { return {0, W::kMax}; }
  // The best tnum that contains all of low .. high; needs low <= high.
  //
  // Sound because: the bits above the highest one in which the two ends differ
  // are shared by every number between them.
  static constexpr BasicTnum Range(Unsigned low, Unsigned high) {
    const Unsigned below = OnesThroughTopBit(low ^ high);
    return {low & ~below, below};
  }
  // The tnum that knows the bits of value outside mask; drops the others.
  static constexpr BasicTnum Make(Unsigned value, Unsigned mask) { return {value & ~mask, mask}; }

  constexpr Unsigned Min() const { return value; }
  constexpr Unsigned Max() const { return value | mask; }
  constexpr bool IsConst() const { return mask == 0; }
  constexpr bool IsUnknown() const { return mask == W::kMax; }
  constexpr bool Contains(Unsigned v) const { return (v & ~mask) == value; }
  // True if every member of other is a member of this.
  constexpr bool Covers(BasicTnum other) const {
    return (other.mask & ~mask) == 0 && Contains(other.value);
  }
  // True if the two have a member in common.
  constexpr bool Overlaps(BasicTnum other) const {
    return ((value ^ other.value) & ~mask & ~other.mask) == 0;
  }
  // True if every member is a multiple of size, a power of two.
  constexpr bool IsAligned(Unsigned size) const { return (Max() & (size - 1)) == 0; }

  // The smallest member that is not less than v; needs v <= Max().
  //
  // Sound because: let k be the highest bit at which v breaks a known bit. A
  // member that equals v above k exists and exceeds v if the known bit is 1; the
  // least one has 0 in its unknown bits below. If the known bit is 0, a member
  // must exceed v above k: add one there, with the known bits set so that they
  // pass the carry on to the unknown ones.
  constexpr Unsigned Ceiling(Unsigned v) const {
    if (v <= value) return value;
    const Unsigned broken = (v ^ value) & ~mask;
    if (broken == 0) return v;
    const Unsigned through = OnesThroughTopBit(broken);
    if ((value & broken) > (v & broken)) return (v & mask & ~through) | value;
    return (W::Wrap(uint64_t{v | (W::kMax & ~mask) | through} + 1) & mask) | value;
  }

  // The low bits as a number, the upper ones zero; 1 <= bits <= kBits.
  constexpr BasicTnum Truncate(int bits) const {
    const Unsigned keep = W::kMax >> (kBits - bits);
    return {value & keep, mask & keep};
  }
  // The lower half of the register, as a number of half the width.
  constexpr BasicTnum<kBits / 2> Low() const {
    using Half = Word<kBits / 2>;
    return {Half::Wrap(value), Half::Wrap(mask)};
  }
  // This number with its lower half replaced.
  constexpr BasicTnum WithLow(BasicTnum<kBits / 2> low) const {
    constexpr Unsigned kUpper = W::kMax & ~Unsigned{Word<kBits / 2>::kMax};
    return {(value & kUpper) | low.value, (mask & kUpper) | low.mask};
  }
  // A number of half the width, zero-extended.
  static constexpr BasicTnum ZeroExtend(BasicTnum<kBits / 2> low) { return {low.value, low.mask}; }

  friend constexpr bool operator==(const BasicTnum&, const BasicTnum&) = default;

 private:
  static constexpr Unsigned OnesThroughTopBit(Unsigned v) {
    return v == 0 ? 0 : W::kMax >> (kBits - static_cast<int>(std::bit_width(v)));
  }
};

using Tnum = BasicTnum<64>;

// The members of both; nothing if they have none in common.
template <int kBits>
constexpr std::optional<BasicTnum<kBits>> Intersect(BasicTnum<kBits> a, BasicTnum<kBits> b) {
  if (!a.Overlaps(b)) return std::nullopt;
  const auto mask = a.mask & b.mask;
  return BasicTnum<kBits>{(a.value | b.value) & ~mask, mask};
}

// The best tnum that contains both.
//
// Sound because: a bit stays known only where both know it and agree.
template <int kBits>
constexpr BasicTnum<kBits> Union(BasicTnum<kBits> a, BasicTnum<kBits> b) {
  return BasicTnum<kBits>::Make(a.value, a.mask | b.mask | (a.value ^ b.value));
}

// a + b (mod 2^kBits).
//
// Sound because: carries are monotone in the operands. The smallest sum
// (unknown bits 0) and the largest (unknown bits 1) agree on a carry into a bit
// exactly if no choice of the unknown bits changes it; so a sum bit can vary
// only where those two sums differ or an operand bit is unknown.
template <int kBits>
constexpr BasicTnum<kBits> Add(BasicTnum<kBits> a, BasicTnum<kBits> b) {
  using W = Word<kBits>;
  const auto smallest = W::Wrap(a.value + b.value);
  const auto largest = W::Wrap(smallest + a.mask + b.mask);
  return BasicTnum<kBits>::Make(smallest, (smallest ^ largest) | a.mask | b.mask);
}

// a - b (mod 2^kBits).
//
// Sound because: borrows shrink as a grows and grow with b. The two extreme
// differences (a largest and b smallest, a smallest and b largest) agree on a
// borrow exactly if no choice of the unknown bits changes it.
template <int kBits>
constexpr BasicTnum<kBits> Sub(BasicTnum<kBits> a, BasicTnum<kBits> b) {
  using W = Word<kBits>;
  const auto base = W::Wrap(a.value - b.value);
  const auto largest = W::Wrap(base + a.mask);
  const auto smallest = W::Wrap(base - b.mask);
  return BasicTnum<kBits>::Make(base, (smallest ^ largest) | a.mask | b.mask);
}

// -a (mod 2^kBits).
//
// Sound because: it is 0 - a.
template <int kBits>
constexpr BasicTnum<kBits> Neg(BasicTnum<kBits> a) {
  return Sub(BasicTnum<kBits>::Const(0), a);
}

// a & b.
//
// Sound because: a result bit is 1 if both bits are known 1, and can be 1 only
// if both can be.
template <int kBits>
constexpr BasicTnum<kBits> And(BasicTnum<kBits> a, BasicTnum<kBits> b) {
  const auto value = a.value & b.value;
  return {value, (a.Max() & b.Max()) & ~value};
}

// a | b.
//
// Sound because: a result bit is 1 if either bit is known 1, and unknown only
// if one is unknown and none is known 1.
template <int kBits>
constexpr BasicTnum<kBits> Or(BasicTnum<kBits> a, BasicTnum<kBits> b) {
  const auto value = a.value | b.value;
  return {value, (a.mask | b.mask) & ~value};
}

// a ^ b.
//
// Sound because: a result bit is known where both bits are.
template <int kBits>
constexpr BasicTnum<kBits> Xor(BasicTnum<kBits> a, BasicTnum<kBits> b) {
  return BasicTnum<kBits>::Make(a.value ^ b.value, a.mask | b.mask);
}

// a << amount; 0 <= amount < kBits.
//
// Sound because: every bit moves with what is known about it; zeros come in.
template <int kBits>
constexpr BasicTnum<kBits> Lsh(BasicTnum<kBits> a, int amount) {
  using W = Word<kBits>;
  return {W::Wrap(a.value << amount), W::Wrap(a.mask << amount)};
}

// a >> amount, zeros come in; 0 <= amount < kBits.
//
// Sound because: every bit moves with what is known about it.
template <int kBits>
constexpr BasicTnum<kBits> Rsh(BasicTnum<kBits> a, int amount) {
  return {a.value >> amount, a.mask >> amount};
}

// a >> amount, copies of the top bit come in; 0 <= amount < kBits.
//
// Sound because: value and mask both shift in their own top bit, so what comes
// in is unknown if the top bit is unknown and equals it otherwise.
template <int kBits>
constexpr BasicTnum<kBits> Arsh(BasicTnum<kBits> a, int amount) {
  using W = Word<kBits>;
  return {W::ToUnsigned(W::ToSigned(a.value) >> amount),
          W::ToUnsigned(W::ToSigned(a.mask) >> amount)};
}

// a * b (mod 2^kBits): long multiplication.
//
// Sound because: before bit i of a is looked at, sum contains the product of
// the lower bits of a with b. A known 1 adds b << i, a known 0 adds nothing,
// and an unknown bit may do either, which the union of the two covers. Once every
// bit that b can still touch is unknown, further steps change nothing.
template <int kBits>
constexpr BasicTnum<kBits> Mul(BasicTnum<kBits> a, BasicTnum<kBits> b) {
  using W = Word<kBits>;
  BasicTnum<kBits> sum = BasicTnum<kBits>::Const(0);
  if (a.IsConst() && b.IsConst()) return BasicTnum<kBits>::Const(W::Wrap(a.value * b.value));
  for (; a.Max() != 0; a = Rsh(a, 1), b = Lsh(b, 1)) {
    const auto untouched = (b.Max() - 1) & ~b.Max();  // the zeros below b's lowest bit
    if (((sum.mask | untouched) & W::kMax) == W::kMax) break;
    if ((a.value & 1) != 0) {
      sum = Add(sum, b);
    } else if ((a.mask & 1) != 0) {
      sum = Union(sum, Add(sum, b));
    }
  }
  return sum;
}

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_TNUM_H_
