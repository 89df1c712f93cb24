// SPDX-License-Identifier: Apache-2.0
#include "verifier/transfer_alu.h"

#include <random>

#include <gtest/gtest.h>

#include "isa/semantics.h"
#include "tests/verifier/random_scalar.h"
#include "tests/verifier/small_values.h"
#include "verifier/transfer_alu_inl.h"

namespace skep::verifier {
namespace {

constexpr std::array kSmallKinds = {OpKind::kAdd,  OpKind::kSub,  OpKind::kMul, OpKind::kAnd,
                                    OpKind::kOr,   OpKind::kXor,  OpKind::kLsh, OpKind::kRsh,
                                    OpKind::kArsh, OpKind::kNeg,  OpKind::kMov, OpKind::kDiv,
                                    OpKind::kMod,  OpKind::kSDiv, OpKind::kSMod};

constexpr std::array kAllKinds = {
    OpKind::kAdd,    OpKind::kSub,  OpKind::kMul,   OpKind::kAnd,    OpKind::kOr,
    OpKind::kXor,    OpKind::kLsh,  OpKind::kRsh,   OpKind::kArsh,   OpKind::kNeg,
    OpKind::kMov,    OpKind::kDiv,  OpKind::kMod,   OpKind::kSDiv,   OpKind::kSMod,
    OpKind::kToLe,   OpKind::kToBe, OpKind::kBswap, OpKind::kMovSx8, OpKind::kMovSx16,
    OpKind::kMovSx32};

bool IsByteOrder(OpKind kind) {
  return kind == OpKind::kToLe || kind == OpKind::kToBe || kind == OpKind::kBswap;
}

// The widths in which isa/opcodes.def has the kind.
std::vector<int> WidthsOf(OpKind kind) {
  if (IsByteOrder(kind)) return {16, 32, 64};
  if (kind == OpKind::kMovSx32) return {64};
  return {32, 64};
}

// Checks every member pair of (a, b); false, with a failure, if one is missed.
template <int kBits>
bool CheckPair(OpKind kind, int width, const BasicScalar<kBits>& a,
               const std::vector<uint32_t>& a_members, const BasicScalar<kBits>& b,
               const std::vector<uint32_t>& b_members, Precision precision) {
  const auto r = TransferAlu(kind, width, a, b, precision);
  for (const uint32_t x : a_members) {
    for (const uint32_t y : b_members) {
      const uint32_t z = EvalSmallAlu(kind, width, x, y);
      if (!r.Contains(z)) {
        ADD_FAILURE() << x << " op " << y << " = " << z << " is missed; kind "
                      << static_cast<int>(kind) << " width " << width;
        return false;
      }
    }
  }
  return true;
}

// All pairs of ManyScalars, all kinds, both widths, both precisions.
template <int kBits>
void CheckAllPairs(int mixed, size_t stride) {
  const auto scalars = ManyScalars<kBits>(mixed);
  std::vector<std::vector<uint32_t>> members;
  for (const auto& s : scalars) members.push_back(Members<kBits>(s));
  for (const OpKind kind : kSmallKinds) {
    for (const int width : {kBits / 2, kBits}) {
      for (size_t n = 0; n < scalars.size() * scalars.size(); n += stride) {
        const size_t i = n / scalars.size(), j = n % scalars.size();
        for (const Precision precision : {Precision::kLinux, Precision::kFull}) {
          if (!CheckPair(kind, width, scalars[i], members[i], scalars[j], members[j], precision)) {
            return;
          }
        }
      }
    }
  }
}

TEST(TransferAlu, ContainsEveryResultForAllPairsOfScalarsAt4Bits) { CheckAllPairs<4>(60, 1); }

TEST(TransferAlu, ContainsEveryResultForManyPairsOfScalarsAt6Bits) { CheckAllPairs<6>(100, 1009); }

TEST(TransferAlu, AgreesWithTheConcreteOperationOnConstants) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 20000; ++i) {
    const uint64_t x = HostileValue(random), y = HostileValue(random);
    for (const OpKind kind : kAllKinds) {
      for (const int width : WidthsOf(kind)) {
        const Scalar expected = Scalar::Const(EvalAlu(kind, width, x, y));
        ASSERT_EQ(TransferAlu(kind, width, Scalar::Const(x), Scalar::Const(y), Precision::kFull),
                  expected)
            << static_cast<int>(kind) << " " << width << " " << x << " " << y;
      }
    }
  }
}

TEST(TransferAlu, ContainsTheResultOfRandom64BitMembers) {
  std::mt19937_64 random(12);
  for (int i = 0; i < 60000; ++i) {
    const uint64_t x = HostileValue(random);
    const uint64_t y = random() % 3 == 0 ? random() % 64 : HostileValue(random);
    const Scalar a = RandomScalarAround(random, x);
    const Scalar b = random() % 3 == 0 ? Scalar::Const(y) : RandomScalarAround(random, y);
    for (const OpKind kind : kAllKinds) {
      for (const int width : WidthsOf(kind)) {
        for (const Precision precision : {Precision::kLinux, Precision::kFull}) {
          const Scalar r = TransferAlu(kind, width, a, b, precision);
          ASSERT_TRUE(r.Contains(EvalAlu(kind, width, x, y)))
              << static_cast<int>(kind) << " " << width << " " << x << " " << y;
        }
      }
    }
  }
}

TEST(TransferAlu, ReturnsNormalizedScalars) {
  std::mt19937_64 random(13);
  for (int i = 0; i < 20000; ++i) {
    const Scalar a = RandomScalarAround(random, HostileValue(random));
    const Scalar b = RandomScalarAround(random, HostileValue(random));
    for (const OpKind kind : kAllKinds) {
      for (const int width : WidthsOf(kind)) {
        const Scalar r = TransferAlu(kind, width, a, b, Precision::kFull);
        Scalar again = r;
        ASSERT_TRUE(again.Normalize());
        EXPECT_TRUE(again.IsSubsetOf(r));
        if (width < 64 && !IsByteOrder(kind)) {
          EXPECT_LE(r.wide.umax, UINT32_MAX);
        }
      }
    }
  }
}

Scalar Transfer(OpKind kind, int width, const Scalar& a, const Scalar& b) {
  return TransferAlu(kind, width, a, b);
}

TEST(TransferAlu, KeepsASumInBoundsIfNoEndWrapsOrBothDo) {
  const Scalar sum = Transfer(OpKind::kAdd, 64, Scalar::FromRange(1, 10), Scalar::FromRange(5, 7));
  EXPECT_EQ(sum.wide.umin, 6u);
  EXPECT_EQ(sum.wide.umax, 17u);
  // 2^64 - 10 .. 2^64 - 5, plus 20, wraps at both ends.
  const Scalar wrapped =
      Transfer(OpKind::kAdd, 64, Scalar::FromSignedRange(-10, -5), Scalar::Const(20));
  EXPECT_EQ(wrapped, Scalar::FromRange(10, 15));
  const Scalar crossing = Transfer(
      OpKind::kAdd, 64, Scalar::FromRange(~uint64_t{0} - 1, ~uint64_t{0}), Scalar::FromRange(1, 4));
  EXPECT_EQ(crossing.wide.umin, 0u);
  EXPECT_EQ(crossing.wide.umax, ~uint64_t{0});
  EXPECT_EQ(crossing.wide.smin, -1);
  EXPECT_EQ(crossing.wide.smax, 3);
}

TEST(TransferAlu, MultipliesSignedRanges) {
  const Scalar r =
      Transfer(OpKind::kMul, 64, Scalar::FromSignedRange(-3, 5), Scalar::FromSignedRange(-7, 2));
  EXPECT_EQ(r.wide.smin, -35);
  EXPECT_EQ(r.wide.smax, 21);
}

TEST(TransferAlu, MaskBoundsAnUnknownNumber) {
  const Scalar r = Transfer(OpKind::kAnd, 64, Scalar::Unknown(), Scalar::Const(0xff8));
  EXPECT_EQ(r.wide.umax, 0xff8u);
  EXPECT_EQ(r.bits, (Tnum{0, 0xff8}));
}

TEST(TransferAlu, SignExtensionByTwoShiftsKeepsTheLowHalf) {
  Scalar s;
  s.low.IntersectSigned(-4, 9);
  ASSERT_TRUE(s.Normalize());
  const Scalar up = Transfer(OpKind::kLsh, 64, s, Scalar::Const(32));
  const Scalar down = Transfer(OpKind::kArsh, 64, up, Scalar::Const(32));
  EXPECT_EQ(down.wide.smin, -4);
  EXPECT_EQ(down.wide.smax, 9);
}

TEST(TransferAlu, FollowsLinuxInWhatItDoesNotFollow) {
  const Scalar six = Scalar::Const(6), three = Scalar::Const(3);
  for (const OpKind kind : {OpKind::kDiv, OpKind::kMod, OpKind::kSDiv, OpKind::kSMod}) {
    EXPECT_TRUE(Transfer(kind, 64, six, three).IsUnknown());
    EXPECT_TRUE(Transfer(kind, 32, six, three).IsUnknown());
  }
  EXPECT_TRUE(Transfer(OpKind::kLsh, 64, six, Scalar::Const(64)).IsUnknown());
  EXPECT_TRUE(Transfer(OpKind::kRsh, 32, six, Scalar::FromRange(1, 2)).IsUnknown());
}

TEST(TransferAlu, SwapsWhatIsKnownAboutTheBytes) {
  const Scalar byte = Scalar::FromRange(0, 255);
  EXPECT_EQ(Transfer(OpKind::kToBe, 16, byte, {}).bits, (Tnum{0, 0xff00}));
  EXPECT_EQ(Transfer(OpKind::kBswap, 32, byte, {}).bits, (Tnum{0, 0xff000000}));
  EXPECT_EQ(Transfer(OpKind::kToLe, 16, Scalar::Unknown(), {}), Scalar::FromRange(0, 0xffff));
  EXPECT_EQ(Transfer(OpKind::kToLe, 64, byte, {}), byte);
}

TEST(TransferAlu, FullPrecisionBoundsDivisionAndShiftsByARange) {
  const auto full = [](OpKind kind, int width, const Scalar& a, const Scalar& b) {
    return TransferAlu(kind, width, a, b, Precision::kFull);
  };
  EXPECT_EQ(full(OpKind::kMod, 64, Scalar::Unknown(), Scalar::Const(10)), Scalar::FromRange(0, 9));
  EXPECT_EQ(full(OpKind::kDiv, 64, Scalar::FromRange(10, 100), Scalar::FromRange(2, 5)),
            Scalar::FromRange(2, 50));
  EXPECT_EQ(full(OpKind::kDiv, 64, Scalar::FromRange(10, 100), Scalar::Const(0)), Scalar::Const(0));
  EXPECT_EQ(full(OpKind::kLsh, 64, Scalar::Const(1), Scalar::FromRange(0, 3)).wide.umax, 8u);
}

}  // namespace
}  // namespace skep::verifier
