// SPDX-License-Identifier: Apache-2.0
#include "isa/semantics.h"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace skep {
namespace {

constexpr uint64_t kMin64 = uint64_t{1} << 63;
constexpr uint64_t kMin32 = uint64_t{1} << 31;
constexpr uint64_t kMinusOne = ~uint64_t{0};

TEST(EvalAlu, DivisionByZeroYieldsZeroAndModuloLeavesTheDividend) {
  EXPECT_EQ((EvalAlu<OpKind::kDiv, 64>(7, 0)), 0u);
  EXPECT_EQ((EvalAlu<OpKind::kSDiv, 64>(kMinusOne, 0)), 0u);
  EXPECT_EQ((EvalAlu<OpKind::kMod, 64>(kMinusOne, 0)), kMinusOne);
  EXPECT_EQ((EvalAlu<OpKind::kSMod, 64>(kMinusOne, 0)), kMinusOne);
}

TEST(EvalAlu, Modulo32ByZeroZeroExtendsTheDividend) {
  EXPECT_EQ((EvalAlu<OpKind::kMod, 32>(kMinusOne, 0)), 0xffffffffu);
  EXPECT_EQ((EvalAlu<OpKind::kSMod, 32>(kMinusOne, 0)), 0xffffffffu);
}

TEST(EvalAlu, Division32LooksAtTheLowHalfOfTheDivisorOnly) {
  EXPECT_EQ((EvalAlu<OpKind::kDiv, 32>(7, uint64_t{1} << 32)), 0u);
  EXPECT_EQ((EvalAlu<OpKind::kMod, 32>(7, uint64_t{1} << 32)), 7u);
}

TEST(EvalAlu, SmallestValueDividedByMinusOneWraps) {
  EXPECT_EQ((EvalAlu<OpKind::kSDiv, 64>(kMin64, kMinusOne)), kMin64);
  EXPECT_EQ((EvalAlu<OpKind::kSMod, 64>(kMin64, kMinusOne)), 0u);
  EXPECT_EQ((EvalAlu<OpKind::kSDiv, 32>(kMin32, kMinusOne)), kMin32);
  EXPECT_EQ((EvalAlu<OpKind::kSMod, 32>(kMin32, kMinusOne)), 0u);
}

TEST(EvalAlu, SignedModuloTakesTheSignOfTheDividend) {
  EXPECT_EQ((EvalAlu<OpKind::kSMod, 64>(static_cast<uint64_t>(-13), 3)), static_cast<uint64_t>(-1));
  EXPECT_EQ((EvalAlu<OpKind::kSMod, 64>(13, static_cast<uint64_t>(-3))), 1u);
}

TEST(EvalAlu, ShiftCountsAreTakenModuloTheWidth) {
  EXPECT_EQ((EvalAlu<OpKind::kLsh, 64>(1, 65)), 2u);
  EXPECT_EQ((EvalAlu<OpKind::kRsh, 32>(4, 33)), 2u);
  EXPECT_EQ((EvalAlu<OpKind::kArsh, 32>(kMin32, 36)), 0xf8000000u);
  EXPECT_EQ((EvalAlu<OpKind::kArsh, 64>(kMin64, kMinusOne)), kMinusOne);
}

TEST(EvalAlu, ThirtyTwoBitResultsHaveAZeroUpperHalf) {
  EXPECT_EQ((EvalAlu<OpKind::kAdd, 32>(0xffffffff, 2)), 1u);
  EXPECT_EQ((EvalAlu<OpKind::kNeg, 32>(1, 0)), 0xffffffffu);
  EXPECT_EQ((EvalAlu<OpKind::kMovSx8, 32>(0, 0x80)), 0xffffff80u);
  EXPECT_EQ((EvalAlu<OpKind::kMovSx8, 64>(0, 0x80)), 0xffffffffffffff80u);
}

TEST(EvalAlu, ByteOrderDropsWhatIsAboveTheWidth) {
  constexpr uint64_t value = 0x1122334455667788;
  EXPECT_EQ((EvalAlu<OpKind::kToLe, 16>(value, 0)), 0x7788u);
  EXPECT_EQ((EvalAlu<OpKind::kToBe, 16>(value, 0)), 0x8877u);
  EXPECT_EQ((EvalAlu<OpKind::kBswap, 32>(value, 0)), 0x88776655u);
  EXPECT_EQ((EvalAlu<OpKind::kToBe, 64>(value, 0)), 0x8877665544332211u);
}

TEST(EvalJump, NarrowComparisonsIgnoreTheUpperHalf) {
  EXPECT_TRUE((EvalJump<OpKind::kJEq, 32>(0x100000001, 1)));
  EXPECT_FALSE((EvalJump<OpKind::kJEq, 64>(0x100000001, 1)));
  EXPECT_TRUE((EvalJump<OpKind::kJSLt, 32>(0xffffffff, 0)));
  EXPECT_FALSE((EvalJump<OpKind::kJSLt, 64>(0xffffffff, 0)));
  EXPECT_TRUE((EvalJump<OpKind::kJSet, 64>(kMin64, kMinusOne)));
  EXPECT_FALSE((EvalJump<OpKind::kJSet, 32>(kMin64, kMinusOne)));
}

TEST(EvalAtomic, CompareExchange32ComparesLowHalves) {
  EXPECT_EQ((EvalAtomic<OpKind::kCmpXchg, 32>(5, 9, 0x700000005)), 9u);
  EXPECT_EQ((EvalAtomic<OpKind::kCmpXchg, 64>(5, 9, 0x700000005)), 5u);
}

// Compares the two forms of one row and counts it, if it is a row of arithmetic,
// conditional jumps or atomics. A template, because only there does `if
// constexpr` keep the other forms from being instantiated.
template <Op op>
void CompareForms(uint64_t a, uint64_t b, int& rows) {
  constexpr OpInfo kInfo = Info(op);
  if constexpr (ClassOf(kInfo.kind) == OpClass::kAlu) {
    ASSERT_EQ(EvalAlu(kInfo.kind, kInfo.width, a, b), (EvalAlu<kInfo.kind, kInfo.width>(a, b)));
    ++rows;
  }
  if constexpr (ClassOf(kInfo.kind) == OpClass::kBranch) {
    ASSERT_EQ(EvalJump(kInfo.kind, kInfo.width, a, b), (EvalJump<kInfo.kind, kInfo.width>(a, b)));
    ++rows;
  }
  if constexpr (ClassOf(kInfo.kind) == OpClass::kAtomic) {
    ASSERT_EQ(EvalAtomic(kInfo.kind, kInfo.width, a, b, 1),
              (EvalAtomic<kInfo.kind, kInfo.width>(a, b, 1)));
    ++rows;
  }
}

// Every row of the table, for every pair of hostile values: the run-time form
// equals the compile-time form. Fails if a row dispatches to another kind.
TEST(EvalAtRunTime, EqualsTheCompileTimeFormForEveryRow) {
  const std::vector<uint64_t> values = {
      0,      1,          2,          31,     32,         63,        64,
      kMin32, kMin32 - 1, 0xffffffff, kMin64, kMin64 - 1, kMinusOne, 0x123456789abcdef0};
  int rows = 0;
  for (const uint64_t a : values) {
    for (const uint64_t b : values) {
#define SKEP_OP(name, ...)               \
  CompareForms<Op::k##name>(a, b, rows); \
  ASSERT_FALSE(HasFatalFailure()) << #name << " " << a << " " << b;
#include "isa/opcodes.def"
    }
  }
  EXPECT_GT(rows, 0);
}

}  // namespace
}  // namespace skep
