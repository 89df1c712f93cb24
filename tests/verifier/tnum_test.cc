// SPDX-License-Identifier: Apache-2.0
#include "verifier/tnum.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/verifier/small_values.h"

namespace skep::verifier {
namespace {

// The best tnum that contains all of `values`.
template <int kBits>
BasicTnum<kBits> Best(const std::vector<uint32_t>& values) {
  auto best = BasicTnum<kBits>::Const(values.front());
  for (const uint32_t v : values) {
    best = BasicTnum<kBits>::Make(best.value, best.mask | (best.value ^ v));
  }
  return best;
}

struct BinaryResult {
  int64_t pairs = 0;
  int64_t best = 0;
};

// Checks op(a, b) against every concrete result for all pairs of tnums; counts
// where it is the best tnum there is.
template <int kBits, typename Abstract>
BinaryResult CheckBinary(OpKind kind, Abstract op) {
  BinaryResult result;
  const auto tnums = AllTnums<kBits>();
  std::vector<std::vector<uint32_t>> members;
  for (const auto t : tnums) members.push_back(Members<kBits>(t));
  for (size_t i = 0; i < tnums.size(); ++i) {
    for (size_t j = 0; j < tnums.size(); ++j) {
      const auto r = op(tnums[i], tnums[j]);
      EXPECT_EQ(r.value & r.mask, 0u);
      std::vector<uint32_t> values;
      for (const uint32_t x : members[i]) {
        for (const uint32_t y : members[j]) {
          values.push_back(EvalSmallAlu(kind, kBits, x, y));
          if (!r.Contains(values.back())) {
            ADD_FAILURE() << x << " op " << y << " is outside (" << r.value << ", " << r.mask
                          << "), kind " << static_cast<int>(kind);
            return result;
          }
        }
      }
      ++result.pairs;
      result.best += r == Best<kBits>(values) ? 1 : 0;
    }
  }
  return result;
}

template <int kBits>
void CheckBestBinaryOperators() {
  using T = BasicTnum<kBits>;
  const auto expect_best = [](BinaryResult r) { EXPECT_EQ(r.best, r.pairs); };
  expect_best(CheckBinary<kBits>(OpKind::kAdd, [](T a, T b) { return Add(a, b); }));
  expect_best(CheckBinary<kBits>(OpKind::kSub, [](T a, T b) { return Sub(a, b); }));
  expect_best(CheckBinary<kBits>(OpKind::kAnd, [](T a, T b) { return And(a, b); }));
  expect_best(CheckBinary<kBits>(OpKind::kOr, [](T a, T b) { return Or(a, b); }));
  expect_best(CheckBinary<kBits>(OpKind::kXor, [](T a, T b) { return Xor(a, b); }));
  expect_best(CheckBinary<kBits>(OpKind::kNeg, [](T a, T) { return Neg(a); }));
}

TEST(Tnum, AddSubAndOrXorNegAreSoundAndBestAt4Bits) { CheckBestBinaryOperators<4>(); }
TEST(Tnum, AddSubAndOrXorNegAreSoundAndBestAt5Bits) { CheckBestBinaryOperators<5>(); }

TEST(Tnum, MulIsSoundAndMostlyBestUpTo6Bits) {
  const auto mul4 = CheckBinary<4>(OpKind::kMul, [](auto a, auto b) { return Mul(a, b); });
  EXPECT_GE(mul4.best * 100, mul4.pairs * 95) << mul4.best << " of " << mul4.pairs;
  const auto mul5 = CheckBinary<5>(OpKind::kMul, [](auto a, auto b) { return Mul(a, b); });
  EXPECT_GE(mul5.best * 100, mul5.pairs * 90) << mul5.best << " of " << mul5.pairs;
  CheckBinary<6>(OpKind::kMul, [](auto a, auto b) { return Mul(a, b); });
}

TEST(Tnum, ShiftsAreSoundAndBest) {
  for (const auto t : AllTnums<6>()) {
    for (int amount = 0; amount < 6; ++amount) {
      std::vector<uint32_t> left, right, signed_right;
      for (const uint32_t v : Members<6>(t)) {
        const auto n = static_cast<uint32_t>(amount);
        left.push_back(EvalSmallAlu(OpKind::kLsh, 6, v, n));
        right.push_back(EvalSmallAlu(OpKind::kRsh, 6, v, n));
        signed_right.push_back(EvalSmallAlu(OpKind::kArsh, 6, v, n));
      }
      EXPECT_EQ(Lsh(t, amount), Best<6>(left));
      EXPECT_EQ(Rsh(t, amount), Best<6>(right));
      EXPECT_EQ(Arsh(t, amount), Best<6>(signed_right));
    }
  }
}

TEST(Tnum, RangeIsTheBestTnumOfItsMembers) {
  for (uint32_t low = 0; low < 64; ++low) {
    std::vector<uint32_t> values;
    for (uint32_t high = low; high < 64; ++high) {
      values.push_back(high);
      EXPECT_EQ(BasicTnum<6>::Range(low, high), Best<6>(values));
    }
  }
}

TEST(Tnum, CeilingIsTheSmallestMemberFromThereOn) {
  for (const auto t : AllTnums<6>()) {
    const auto members = Members<6>(t);
    for (uint32_t v = 0; v <= t.Max(); ++v) {
      EXPECT_EQ(t.Ceiling(v), *std::lower_bound(members.begin(), members.end(), v));
    }
  }
  EXPECT_EQ((Tnum{0, ~uint64_t{1}}.Ceiling(~uint64_t{0} - 2)), ~uint64_t{1});
  EXPECT_EQ(Tnum::Unknown().Ceiling(~uint64_t{0}), ~uint64_t{0});
}

TEST(Tnum, SetRelationsAgreeWithMembers) {
  const auto tnums = AllTnums<4>();
  for (const auto a : tnums) {
    EXPECT_EQ(a.IsConst(), Members<4>(a).size() == 1);
    EXPECT_EQ(a.IsUnknown(), Members<4>(a).size() == 16);
    EXPECT_EQ(a.Min(), Members<4>(a).front());
    EXPECT_EQ(a.Max(), Members<4>(a).back());
    for (const auto b : tnums) {
      std::vector<uint32_t> both, either;
      for (uint32_t v = 0; v < 16; ++v) {
        if (a.Contains(v) && b.Contains(v)) both.push_back(v);
        if (a.Contains(v) || b.Contains(v)) either.push_back(v);
      }
      EXPECT_EQ(a.Covers(b), both.size() == Members<4>(b).size());
      EXPECT_EQ(a.Overlaps(b), !both.empty());
      const auto common = Intersect(a, b);
      ASSERT_EQ(common.has_value(), !both.empty());
      if (common) {
        EXPECT_EQ(Members<4>(*common), both);
      }
      EXPECT_EQ(Union(a, b), Best<4>(either));
    }
  }
}

TEST(Tnum, PartsOfARegisterAgreeWithMembers) {
  for (const auto t : AllTnums<6>()) {
    std::vector<uint32_t> halves;
    for (const uint32_t v : Members<6>(t)) halves.push_back(v & 7);
    EXPECT_EQ(t.Low(), Best<3>(halves));
    EXPECT_EQ(BasicTnum<6>::ZeroExtend(t.Low()), Best<6>(halves));
    for (int width = 1; width <= 6; ++width) {
      std::vector<uint32_t> cut;
      for (const uint32_t v : Members<6>(t)) cut.push_back(v & ((1u << width) - 1));
      EXPECT_EQ(t.Truncate(width), Best<6>(cut));
    }
    for (const auto low : AllTnums<3>()) {
      std::vector<uint32_t> joined;
      for (const uint32_t v : Members<6>(t)) {
        for (const uint32_t w : Members<3>(low)) joined.push_back((v & ~7u) | w);
      }
      EXPECT_EQ(t.WithLow(low), Best<6>(joined));
    }
    for (const uint32_t size : {1u, 2u, 4u, 8u}) {
      bool aligned = true;
      for (const uint32_t v : Members<6>(t)) aligned = aligned && v % size == 0;
      EXPECT_EQ(t.IsAligned(size), aligned);
    }
  }
}

TEST(Tnum, OperatorsAreSoundOnRandom64BitMembers) {
  std::mt19937_64 random(7);
  const auto sparse = [&random] { return random() & random() & random(); };
  for (int i = 0; i < 200000; ++i) {
    const uint64_t x = random(), y = i % 3 == 0 ? sparse() : random();
    const Tnum a = Tnum::Make(x, i % 2 == 0 ? sparse() : random());
    const Tnum b = Tnum::Make(y, i % 5 == 0 ? random() : sparse());
    ASSERT_TRUE(a.Contains(x) && b.Contains(y));
    ASSERT_TRUE(Add(a, b).Contains(x + y));
    ASSERT_TRUE(Sub(a, b).Contains(x - y));
    ASSERT_TRUE(Mul(a, b).Contains(x * y));
    ASSERT_TRUE(And(a, b).Contains(x & y));
    ASSERT_TRUE(Or(a, b).Contains(x | y));
    ASSERT_TRUE(Xor(a, b).Contains(x ^ y));
    ASSERT_TRUE(Neg(a).Contains(0 - x));
    const int n = static_cast<int>(random() % 64);
    ASSERT_TRUE(Lsh(a, n).Contains(x << n));
    ASSERT_TRUE(Rsh(a, n).Contains(x >> n));
    ASSERT_TRUE(Arsh(a, n).Contains(static_cast<uint64_t>(static_cast<int64_t>(x) >> n)));
    ASSERT_TRUE(Union(a, b).Contains(x) && Union(a, b).Contains(y));
    ASSERT_TRUE(Tnum::Range(std::min(x, y), std::max(x, y)).Contains(x));
    ASSERT_TRUE(Intersect(a, Tnum::Make(x, random())).value().Contains(x));
  }
}

TEST(Tnum, RangeAcrossTheTopBitKnowsNothing) {
  EXPECT_EQ(Tnum::Range(0x7fffffffffffffff, 0x8000000000000000), Tnum::Unknown());
  EXPECT_EQ(Tnum::Range(0, 0), Tnum::Const(0));
  EXPECT_EQ(Tnum::Range(16, 31), (Tnum{16, 15}));
}

}  // namespace
}  // namespace skep::verifier
