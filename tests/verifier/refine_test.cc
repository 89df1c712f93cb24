// SPDX-License-Identifier: Apache-2.0
#include "verifier/refine.h"

#include <random>

#include <gtest/gtest.h>

#include "isa/semantics.h"
#include "tests/verifier/random_scalar.h"
#include "tests/verifier/small_values.h"
#include "verifier/refine_inl.h"

namespace skep::verifier {
namespace {

// Checks decision and refinement of one pair of scalars against every pair of
// members; false, with a failure, if a pair is lost.
template <int kBits>
bool CheckJump(OpKind kind, int width, const BasicScalar<kBits>& a,
               const std::vector<uint32_t>& a_members, const BasicScalar<kBits>& b,
               const std::vector<uint32_t>& b_members) {
  const Decision decision = DecideBranch(kind, width, a, b);
  BasicScalar<kBits> ra[2] = {a, a}, rb[2] = {b, b};
  const bool alive[2] = {Refine(kind, width, false, ra[0], rb[0]),
                         Refine(kind, width, true, ra[1], rb[1])};
  for (const uint32_t x : a_members) {
    for (const uint32_t y : b_members) {
      const bool jumps = EvalSmallJump(kind, width, x, y);
      const size_t side = jumps ? 1 : 0;
      const bool decided_right =
          decision == Decision::kUnknown || (decision == Decision::kTaken) == jumps;
      const bool kept = alive[side] && ra[side].Contains(x) && rb[side].Contains(y);
      if (!decided_right || !kept) {
        ADD_FAILURE() << x << " and " << y << ": " << (kept ? "decided wrongly" : "lost")
                      << "; kind " << static_cast<int>(kind) << " width " << width;
        return false;
      }
    }
  }
  return true;
}

template <int kBits>
void CheckAllPairs(int mixed, size_t stride) {
  const auto scalars = ManyScalars<kBits>(mixed);
  std::vector<std::vector<uint32_t>> members;
  for (const auto& s : scalars) members.push_back(Members<kBits>(s));
  for (const OpKind kind : kJumps) {
    for (const int width : {kBits / 2, kBits}) {
      for (size_t n = 0; n < scalars.size() * scalars.size(); n += stride) {
        const size_t i = n / scalars.size(), j = n % scalars.size();
        if (!CheckJump(kind, width, scalars[i], members[i], scalars[j], members[j])) return;
      }
    }
  }
}

TEST(Refine, KeepsEveryPairThatGoesThatWayForAllPairsOfScalarsAt4Bits) { CheckAllPairs<4>(200, 1); }

TEST(Refine, KeepsEveryPairThatGoesThatWayForManyPairsOfScalarsAt6Bits) {
  CheckAllPairs<6>(200, 503);
}

TEST(Refine, KeepsEveryMemberThatGoesThatWayIfBothSidesAreOneRegister) {
  for (const auto& s : ManyScalars<4>(500)) {
    for (const OpKind kind : kJumps) {
      for (const int width : {2, 4}) {
        for (const bool taken : {false, true}) {
          auto r = s;
          const bool alive = Refine(kind, width, taken, r, r);
          for (const uint32_t v : Members<4>(s)) {
            if (EvalSmallJump(kind, width, v, v) != taken) continue;
            ASSERT_TRUE(alive && r.Contains(v)) << v << " kind " << static_cast<int>(kind);
          }
        }
      }
    }
  }
}

TEST(Refine, KeepsRandom64BitMembers) {
  std::mt19937_64 random(21);
  for (int i = 0; i < 200000; ++i) {
    const uint64_t x = HostileValue(random);
    const uint64_t y = random() % 4 == 0 ? x + random() % 3 - 1 : HostileValue(random);
    const Scalar a = RandomScalarAround(random, x);
    const Scalar b = random() % 3 == 0 ? Scalar::Const(y) : RandomScalarAround(random, y);
    for (const OpKind kind : kJumps) {
      for (const int width : {32, 64}) {
        const bool jumps = EvalJump(kind, width, x, y);
        const Decision decision = DecideBranch(kind, width, a, b);
        ASSERT_NE(decision, jumps ? Decision::kNotTaken : Decision::kTaken);
        Scalar ra = a, rb = b;
        ASSERT_TRUE(Refine(kind, width, jumps, ra, rb));
        ASSERT_TRUE(ra.Contains(x) && rb.Contains(y))
            << static_cast<int>(kind) << " " << width << " " << x << " " << y;
        ASSERT_TRUE(ra.IsSubsetOf(a) || kind == OpKind::kJSet);
        ASSERT_TRUE(rb.IsSubsetOf(b) || kind == OpKind::kJSet);
      }
    }
  }
}

TEST(DecideBranch, DecidesEveryPairOfRangesThatAllMembersAgreeOn) {
  // For ranges alone the orders and equality are decided completely.
  for (uint32_t alow = 0; alow < 16; ++alow)
    for (uint32_t ahigh = alow; ahigh < 16; ++ahigh)
      for (uint32_t blow = 0; blow < 16; ++blow)
        for (uint32_t bhigh = blow; bhigh < 16; ++bhigh) {
          const auto a = BasicScalar<4>::FromRange(alow, ahigh);
          const auto b = BasicScalar<4>::FromRange(blow, bhigh);
          for (const OpKind kind : {OpKind::kJGt, OpKind::kJGe, OpKind::kJLt, OpKind::kJLe,
                                    OpKind::kJEq, OpKind::kJNe}) {
            bool some = false, all = true;
            for (uint32_t x = alow; x <= ahigh; ++x)
              for (uint32_t y = blow; y <= bhigh; ++y) {
                const bool jumps = EvalSmallJump(kind, 4, x, y);
                some = some || jumps;
                all = all && jumps;
              }
            const Decision want = all     ? Decision::kTaken
                                  : !some ? Decision::kNotTaken
                                          : Decision::kUnknown;
            ASSERT_EQ(DecideBranch(kind, 4, a, b), want)
                << alow << ".." << ahigh << " " << blow << ".." << bhigh;
          }
        }
}

// Refines `kind` against a constant on the given side.
Scalar After(OpKind kind, int width, bool taken, Scalar a, uint64_t constant) {
  Scalar b = Scalar::Const(constant);
  EXPECT_TRUE(Refine(kind, width, taken, a, b));
  return a;
}

TEST(Refine, BoundsBothOperandsOfALess) {
  Scalar a = Scalar::FromRange(5, 100), b = Scalar::FromRange(0, 50);
  ASSERT_TRUE(Refine(OpKind::kJLt, 64, true, a, b));
  EXPECT_EQ(a, Scalar::FromRange(5, 49));
  EXPECT_EQ(b, Scalar::FromRange(6, 50));
}

TEST(Refine, FindsADeadSide) {
  Scalar a = Scalar::FromRange(5, 10), b = Scalar::FromRange(20, 30);
  EXPECT_FALSE(Refine(OpKind::kJGe, 64, true, a, b));
  Scalar x = Scalar::Unknown(), zero = Scalar::Const(0);
  EXPECT_FALSE(Refine(OpKind::kJLt, 64, true, x, zero));
  Scalar c = Scalar::Const(7), d = Scalar::Const(7);
  EXPECT_FALSE(Refine(OpKind::kJNe, 64, true, c, d));
}

TEST(Refine, CutsAnEndOffThatIsExcluded) {
  EXPECT_EQ(After(OpKind::kJNe, 64, true, Scalar::FromRange(0, 9), 0).wide.umin, 1u);
  EXPECT_EQ(After(OpKind::kJEq, 64, false, Scalar::FromRange(0, 9), 9).wide.umax, 8u);
  EXPECT_EQ(After(OpKind::kJNe, 64, true, Scalar::FromRange(0, 9), 5), Scalar::FromRange(0, 9));
}

TEST(Refine, LearnsBitsFromATest) {
  EXPECT_EQ(After(OpKind::kJSet, 64, true, Scalar::Unknown(), 8).bits, Tnum::Make(8, ~8ull));
  EXPECT_EQ(After(OpKind::kJSet, 64, true, Scalar::Unknown(), 12), Scalar::Unknown());
  EXPECT_EQ(After(OpKind::kJSet, 64, false, Scalar::Unknown(), ~7ull), Scalar::FromRange(0, 7));
}

TEST(Refine, A32BitCompareLeavesTheUpperHalfAlone) {
  const Scalar s = After(OpKind::kJLt, 32, true, Scalar::Unknown(), 10);
  EXPECT_EQ(s.low.umax, 9u);
  EXPECT_EQ(s.bits, (Tnum{0, 0xffffffff0000000f}));
}

TEST(SplitsIntoZeroAndOnes, ForAMaskOfANumberThatIsZeroOrMinusOne) {
  const Scalar sign = Scalar::FromSignedRange(-1, 0), mask = Scalar::Const(0xff);
  int width = 0;
  EXPECT_TRUE(SplitsIntoZeroAndOnes(OpKind::kAnd, sign, mask, &width));
  EXPECT_EQ(width, 64);
  EXPECT_TRUE(SplitsIntoZeroAndOnes(OpKind::kOr, sign, mask, &width));
  EXPECT_FALSE(SplitsIntoZeroAndOnes(OpKind::kXor, sign, mask, &width));
  EXPECT_FALSE(SplitsIntoZeroAndOnes(OpKind::kAnd, sign, sign, &width));
  EXPECT_FALSE(SplitsIntoZeroAndOnes(OpKind::kAnd, Scalar::FromSignedRange(-1, 1), mask, &width));
  Scalar low;
  low.low.IntersectSigned(-1, 0);
  ASSERT_TRUE(low.Normalize());
  EXPECT_TRUE(SplitsIntoZeroAndOnes(OpKind::kAnd, low, mask, &width));
  EXPECT_EQ(width, 32);
}

}  // namespace
}  // namespace skep::verifier
