// SPDX-License-Identifier: Apache-2.0
// Every value and every abstract value of a small machine, and what the
// instructions do to concrete values there: the reference of the exhaustive
// tests. Written with plain arithmetic on ints, not with verifier/word.h.

#ifndef SKEP_TESTS_VERIFIER_SMALL_VALUES_H_
#define SKEP_TESTS_VERIFIER_SMALL_VALUES_H_

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "isa/op.h"
#include "verifier/scalar_inl.h"

namespace skep::verifier {

template <int kBits>
inline constexpr uint32_t kCount = uint32_t{1} << kBits;

// All tnums of a width, 3^kBits of them.
template <int kBits>
std::vector<BasicTnum<kBits>> AllTnums() {
  std::vector<BasicTnum<kBits>> all;
  for (uint32_t mask = 0; mask < kCount<kBits>; ++mask) {
    for (uint32_t value = 0; value < kCount<kBits>; ++value) {
      if ((value & mask) == 0) all.push_back({value, mask});
    }
  }
  return all;
}

// The members of anything that has Contains.
template <int kBits, typename Set>
std::vector<uint32_t> Members(const Set& set) {
  std::vector<uint32_t> members;
  for (uint32_t v = 0; v < kCount<kBits>; ++v) {
    if (set.Contains(v)) members.push_back(v);
  }
  return members;
}

inline int32_t SignedOf(uint32_t v, int bits) {
  const uint32_t sign = uint32_t{1} << (bits - 1);
  return static_cast<int32_t>((v & (2 * sign - 1)) ^ sign) - static_cast<int32_t>(sign);
}

// `x kind y` on `width` bits, zero-extended, on a machine of any size.
inline uint32_t EvalSmallAlu(OpKind kind, int width, uint32_t x, uint32_t y) {
  const uint32_t all = (uint32_t{1} << width) - 1;
  x &= all;
  y &= all;
  const int64_t sx = SignedOf(x, width), sy = SignedOf(y, width);
  const int count = static_cast<int>(y) % width;
  uint64_t r = 0;
  if (kind == OpKind::kAdd) r = uint64_t{x} + y;
  if (kind == OpKind::kSub) r = uint64_t{x} - y;
  if (kind == OpKind::kMul) r = uint64_t{x} * y;
  if (kind == OpKind::kAnd) r = x & y;
  if (kind == OpKind::kOr) r = x | y;
  if (kind == OpKind::kXor) r = x ^ y;
  if (kind == OpKind::kNeg) r = 0 - uint64_t{x};
  if (kind == OpKind::kMov) r = y;
  if (kind == OpKind::kLsh) r = uint64_t{x} << count;
  if (kind == OpKind::kRsh) r = x >> count;
  if (kind == OpKind::kArsh) r = static_cast<uint64_t>(sx >> count);
  if (kind == OpKind::kDiv) r = y == 0 ? 0 : x / y;
  if (kind == OpKind::kMod) r = y == 0 ? x : x % y;
  if (kind == OpKind::kSDiv) r = y == 0 ? 0 : static_cast<uint64_t>(sx / sy);
  if (kind == OpKind::kSMod) r = y == 0 ? x : static_cast<uint64_t>(sx % sy);
  return static_cast<uint32_t>(r) & all;
}

inline bool EvalSmallJump(OpKind kind, int width, uint32_t x, uint32_t y) {
  const uint32_t all = (uint32_t{1} << width) - 1;
  x &= all;
  y &= all;
  const int32_t sx = SignedOf(x, width), sy = SignedOf(y, width);
  if (kind == OpKind::kJEq) return x == y;
  if (kind == OpKind::kJNe) return x != y;
  if (kind == OpKind::kJGt) return x > y;
  if (kind == OpKind::kJGe) return x >= y;
  if (kind == OpKind::kJLt) return x < y;
  if (kind == OpKind::kJLe) return x <= y;
  if (kind == OpKind::kJSet) return (x & y) != 0;
  if (kind == OpKind::kJSGt) return sx > sy;
  if (kind == OpKind::kJSGe) return sx >= sy;
  if (kind == OpKind::kJSLt) return sx < sy;
  return sx <= sy;  // kJSLe
}

inline constexpr std::array kJumps = {OpKind::kJEq,  OpKind::kJNe,  OpKind::kJGt,  OpKind::kJGe,
                                      OpKind::kJLt,  OpKind::kJLe,  OpKind::kJSet, OpKind::kJSGt,
                                      OpKind::kJSGe, OpKind::kJSLt, OpKind::kJSLe};

// Views that need not agree and need not have a member in common.
template <int kBits>
BasicScalar<kBits> RandomSmall(std::mt19937& random) {
  const auto bounds = [&random]<int kWidth>(BasicBounds<kWidth> b) {
    const auto pick = [&random] { return static_cast<uint32_t>(random()) % kCount<kWidth>; };
    if (random() % 3 != 0) {
      const uint32_t x = pick(), y = pick();
      b.IntersectUnsigned(std::min(x, y), std::max(x, y));
    }
    if (random() % 3 != 0) {
      const int32_t x = SignedOf(pick(), kWidth), y = SignedOf(pick(), kWidth);
      b.IntersectSigned(std::min(x, y), std::max(x, y));
    }
    return b;
  };
  BasicScalar<kBits> s;
  s.wide = bounds(BasicBounds<kBits>{});
  s.low = bounds(BasicBounds<kBits / 2>{});
  if (random() % 3 != 0) {
    s.bits = BasicTnum<kBits>::Make(static_cast<uint32_t>(random()) % kCount<kBits>,
                                    static_cast<uint32_t>(random()) % kCount<kBits>);
  }
  return s;
}

// Normalized scalars of a small machine: every unsigned range, every signed
// range, every tnum, every range and tnum of the lower half, and `mixed` random
// ones that have all views at once; each once.
template <int kBits>
std::vector<BasicScalar<kBits>> ManyScalars(int mixed) {
  using S = BasicScalar<kBits>;
  constexpr int kHalf = kBits / 2;
  std::vector<S> all;
  const auto add = [&all](S s) {
    if (!s.Normalize()) return;
    for (const S& seen : all) {
      if (seen == s) return;
    }
    all.push_back(s);
  };
  for (uint32_t low = 0; low < kCount<kBits>; ++low) {
    for (uint32_t high = low; high < kCount<kBits>; ++high) {
      add(S::FromRange(low, high));
      const int32_t offset = int32_t{kCount<kBits>} / 2;
      add(S::FromSignedRange(static_cast<int32_t>(low) - offset,
                             static_cast<int32_t>(high) - offset));
    }
  }
  for (const auto bits : AllTnums<kBits>()) {
    S s;
    s.bits = bits;
    add(s);
  }
  for (uint32_t low = 0; low < kCount<kHalf>; ++low) {
    for (uint32_t high = low; high < kCount<kHalf>; ++high) {
      S s;
      s.low.IntersectUnsigned(low, high);
      add(s);
      S t;
      const int32_t offset = int32_t{kCount<kHalf>} / 2;
      t.low.IntersectSigned(static_cast<int32_t>(low) - offset,
                            static_cast<int32_t>(high) - offset);
      add(t);
    }
  }
  std::mt19937 random(1);
  for (int i = 0; i < mixed; ++i) add(RandomSmall<kBits>(random));
  return all;
}

}  // namespace skep::verifier

#endif  // SKEP_TESTS_VERIFIER_SMALL_VALUES_H_
