// SPDX-License-Identifier: Apache-2.0
#include "verifier/scalar.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/verifier/random_scalar.h"
#include "tests/verifier/small_values.h"

namespace skep::verifier {
namespace {

// Normalizes s and checks that it keeps exactly its members. Returns false, with
// a failure, if not.
template <int kBits>
bool CheckNormalize(BasicScalar<kBits> s) {
  const auto before = Members<kBits>(s);
  const auto original = s;
  if (!s.Normalize()) {
    EXPECT_TRUE(before.empty()) << "a scalar with members was called empty";
    return before.empty();
  }
  // Each view only shrinks, and no member is lost.
  const bool kept = Members<kBits>(s) == before;
  const bool shrunk = s.IsSubsetOf(original);
  EXPECT_TRUE(kept && shrunk) << "u " << original.wide.umin << ".." << original.wide.umax << " s "
                              << original.wide.smin << ".." << original.wide.smax << " low u "
                              << original.low.umin << ".." << original.low.umax << " low s "
                              << original.low.smin << ".." << original.low.smax << " bits "
                              << original.bits.value << "/" << original.bits.mask;
  return kept && shrunk;
}

// Calls f for every pair of an unsigned and a signed range of a width.
template <int kBits, typename F>
void ForAllBounds(F f) {
  const int32_t half = int32_t{kCount<kBits>} / 2;
  for (uint32_t ulow = 0; ulow < kCount<kBits>; ++ulow)
    for (uint32_t uhigh = ulow; uhigh < kCount<kBits>; ++uhigh)
      for (int32_t slow = -half; slow < half; ++slow)
        for (int32_t shigh = slow; shigh < half; ++shigh) {
          if (!f(BasicBounds<kBits>{ulow, uhigh, slow, shigh})) return;
        }
}

TEST(Scalar, NormalizeKeepsEveryMemberOfEveryRangeWithEveryTnum) {
  for (const auto bits : AllTnums<4>()) {
    ForAllBounds<4>([bits](BasicBounds<4> wide) { return CheckNormalize<4>({bits, wide, {}}); });
  }
}

TEST(Scalar, NormalizeKeepsEveryMemberOfEveryRangeWithEveryLowRange) {
  ForAllBounds<2>([](BasicBounds<2> low) {
    bool ok = true;
    ForAllBounds<4>([low, &ok](BasicBounds<4> wide) {
      return ok = CheckNormalize<4>({BasicTnum<4>::Unknown(), wide, low});
    });
    return ok;
  });
}

TEST(Scalar, NormalizeKeepsEveryMemberOfRandomViewsAt4And6And8Bits) {
  std::mt19937 random(3);
  for (int i = 0; i < 300000; ++i) ASSERT_TRUE(CheckNormalize(RandomSmall<4>(random)));
  for (int i = 0; i < 300000; ++i) ASSERT_TRUE(CheckNormalize(RandomSmall<6>(random)));
  for (int i = 0; i < 100000; ++i) ASSERT_TRUE(CheckNormalize(RandomSmall<8>(random)));
}

TEST(Scalar, NormalizeFindsEveryContradictionOfARangeWithARange) {
  ForAllBounds<4>([](BasicBounds<4> wide) {
    BasicScalar<4> s{BasicTnum<4>::Unknown(), wide, {}};
    const bool empty = Members<4>(s).empty();
    EXPECT_EQ(s.Normalize(), !empty);
    return s.Normalize() == !empty;
  });
}

TEST(Scalar, NormalizeKeepsAMemberOfRandom64BitViews) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 300000; ++i) {
    const uint64_t member = HostileValue(random);
    Scalar s = RandomViewsAround(random, member);
    ASSERT_TRUE(s.Contains(member));
    const Scalar before = s;
    ASSERT_TRUE(s.Normalize());
    ASSERT_TRUE(s.Contains(member)) << member;
    ASSERT_TRUE(s.IsSubsetOf(before));
  }
}

TEST(Scalar, IsAConstantInEveryViewOnceTheBitsAre) {
  std::mt19937_64 random(6);
  for (int i = 0; i < 10000; ++i) {
    const uint64_t v = HostileValue(random);
    Scalar s;
    s.bits = Tnum::Const(v);
    ASSERT_TRUE(s.Normalize());
    EXPECT_EQ(s, Scalar::Const(v));
    EXPECT_EQ(Scalar::FromRange(v, v), s);
    EXPECT_EQ(Scalar::FromSignedRange(static_cast<int64_t>(v), static_cast<int64_t>(v)), s);
  }
}

TEST(Scalar, LearnsTheLowHalfFromTheWholeAndTheReverse) {
  const Scalar s = Scalar::FromRange(0x10000000a, 0x10000000f);
  EXPECT_EQ(s.low.umin, 0xau);
  EXPECT_EQ(s.low.umax, 0xfu);
  EXPECT_EQ(s.low.smin, 10);
  EXPECT_EQ(s.bits, (Tnum{0x100000008, 7}));

  Scalar t = Scalar::FromRange(0x100000000, 0x380000000);
  t.low.smin = 1;
  ASSERT_TRUE(t.Normalize());
  EXPECT_EQ(t.wide.umin, 0x100000001u);
  EXPECT_EQ(t.wide.umax, 0x37fffffffu);
}

TEST(Scalar, LearnsFromASignedRangeThatCrossesZeroWhichHalfItIsIn) {
  Scalar s = Scalar::FromRange(10, 0x8000000000000000);
  s.wide.smin = -5;
  s.wide.smax = 100;
  ASSERT_TRUE(s.Normalize());
  EXPECT_EQ(s, Scalar::FromRange(10, 100));
}

TEST(Scalar, LearnsThatASignExtendedHalfThatIsNotNegativeHasAZeroUpperHalf) {
  Scalar s;
  s.wide.smin = INT32_MIN;
  s.wide.smax = INT32_MAX;
  s.low.smin = 0;
  ASSERT_TRUE(s.Normalize());
  EXPECT_EQ(s, Scalar::FromRange(0, INT32_MAX));
}

TEST(Scalar, IsAConstantIfOnlyOneMemberOfItsBitsIsInRange) {
  Scalar s = Scalar::FromRange(1, 0x80);
  s.bits = {0, 0x80};
  ASSERT_TRUE(s.Normalize());
  EXPECT_EQ(s, Scalar::Const(0x80));
  Scalar none = Scalar::FromRange(1, 0x7f);
  none.bits = {0, 0x80};
  EXPECT_FALSE(none.Normalize());
}

TEST(Scalar, TruncatesAndExtendsEveryMember) {
  for (const auto& s : ManyScalars<6>(2000)) {
    for (int width = 1; width < 6; ++width) {
      const auto truncated = s.Truncate(width);
      const auto extended = s.SignExtend(width);
      for (const uint32_t v : Members<6>(s)) {
        const uint32_t cut = v & ((1u << width) - 1);
        ASSERT_TRUE(truncated.Contains(cut)) << v << " to " << width;
        const auto signed_cut = static_cast<uint32_t>(SignedOf(cut, width)) & 63;
        ASSERT_TRUE(extended.Contains(signed_cut)) << v << " to " << width;
        if (width < 3) {
          ASSERT_TRUE(s.SignExtendLow(width).Contains(signed_cut & 7));
        }
      }
    }
    for (const uint32_t v : Members<6>(s)) ASSERT_TRUE(s.TruncateToLow().Contains(v & 7));
  }
}

TEST(Scalar, KnowsTheNumbersOfAWidth) {
  EXPECT_EQ(Scalar::AnyOfWidth(8), Scalar::FromRange(0, 255));
  EXPECT_EQ(Scalar::AnyOfWidth(32), Scalar::FromRange(0, UINT32_MAX));
  EXPECT_EQ(Scalar::AnyOfWidth(64), Scalar::Unknown());
  EXPECT_EQ(Scalar::AnySignedOfWidth(8).wide.smin, -128);
  EXPECT_EQ(Scalar::AnySignedOfWidth(8).wide.smax, 127);
  EXPECT_EQ(Scalar::AnySignedOfWidth(8).low.smin, -128);
  EXPECT_EQ(Scalar::AnySignedOfWidth(32).wide.smax, INT32_MAX);
}

TEST(Scalar, SignExtensionOfARangeThatReachesTheTopBitIsAnyNumberOfTheWidth) {
  EXPECT_EQ(Scalar::FromRange(0, 255).SignExtend(8), Scalar::AnySignedOfWidth(8));
  EXPECT_EQ(Scalar::FromRange(0x180, 0x1ff).SignExtend(8), Scalar::FromSignedRange(-128, -1));
  EXPECT_EQ(Scalar::FromRange(3, 100).SignExtend(8), Scalar::FromRange(3, 100));
}

TEST(Scalar, SubsetsOrderMembersAndJoinsHoldBoth) {
  const auto scalars = ManyScalars<4>(300);
  for (const auto& a : scalars) {
    for (const auto& b : scalars) {
      const auto joined = Join(a, b);
      const auto widened = Widen(a, b);
      for (uint32_t v = 0; v < 16; ++v) {
        if (a.IsSubsetOf(b) && a.Contains(v)) {
          ASSERT_TRUE(b.Contains(v));
        }
        if (a.Contains(v) || b.Contains(v)) {
          ASSERT_TRUE(joined.Contains(v));
          ASSERT_TRUE(widened.Contains(v));
        }
      }
      EXPECT_TRUE(a.IsSubsetOf(widened) && b.IsSubsetOf(widened));
    }
  }
}

TEST(Scalar, WideningEndsWithinAFewSteps) {
  std::mt19937_64 random(9);
  for (int i = 0; i < 200; ++i) {
    Scalar s = Scalar::Const(random());
    int changes = 0;
    for (int step = 0; step < 2000; ++step) {
      const Scalar next = Widen(s, Join(s, Scalar::Const(HostileValue(random))));
      changes += next == s ? 0 : 1;
      s = next;
    }
    EXPECT_LE(changes, 64 + 8);
  }
}

}  // namespace
}  // namespace skep::verifier
