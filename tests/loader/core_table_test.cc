// SPDX-License-Identifier: Apache-2.0
// Each kind of CO-RE relocation on types built by hand.
#include "loader/core_table.h"

#include <gtest/gtest.h>

#include "tests/loader/core_pair.h"

namespace skep::loader {
namespace {

using btf::Kind;

// struct pair { int a; long b; } there, with something ahead of b here and there.
struct Moved : CorePair {
  uint32_t type = 0;
  Moved() {
    const uint32_t l_int = local.Int("int", 4, 1);
    const uint32_t l_long = local.Int("long", 8);
    type = AddStruct(local, "pair___mine", 16, {{"a", l_int, 0}, {"b", l_long, 64}});
    const uint32_t t_long = target.Int("unsigned long", 8);
    const uint32_t t_int = target.Int("int", 4, 1);
    AddStruct(target, "pair", 24, {{"x", t_long, 0}, {"b", t_int, 64}, {"a", t_int, 96}});
  }
};

TEST(CoreTable, MovesAFieldToWhereTheTargetHasIt) {
  Moved pair;
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, pair.type, "0:0"), 12);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, pair.type, "0:1"), 8);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, pair.type, "2:1"), 2 * 24 + 8);
  const CoreEntry entry = pair.Answer(CoreKind::kFieldByteOffset, pair.type, "0:1");
  EXPECT_EQ(entry.resolution.compiled, 8u);
  EXPECT_EQ(entry.resolution.compiled_size, 8u);
  EXPECT_EQ(entry.resolution.size, 4u);
  EXPECT_FALSE(entry.resolution.resizable) << "an int is signed there";
}

TEST(CoreTable, KnowsSizeSignAndShiftsOfAField) {
  Moved pair;
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteSize, pair.type, "0:1"), 4);
  EXPECT_EQ(pair.Value(CoreKind::kFieldSigned, pair.type, "0:1"), 1);
  EXPECT_EQ(pair.Value(CoreKind::kFieldLeftShift, pair.type, "0:1"), 32);
  EXPECT_EQ(pair.Value(CoreKind::kFieldRightShift, pair.type, "0:1"), 32);
  EXPECT_EQ(pair.Value(CoreKind::kFieldExists, pair.type, "0:1"), 1);
}

TEST(CoreTable, AnswersForWhatTheTargetDoesNotHave) {
  CorePair pair;
  const uint32_t l_int = pair.local.Int("int", 4, 1);
  const uint32_t gone = AddStruct(pair.local, "gone", 4, {{"a", l_int, 0}});
  const uint32_t less = AddStruct(pair.local, "less", 4, {{"a", l_int, 0}});
  const uint32_t other = AddStruct(pair.local, "other", 4, {{"a", l_int, 0}});
  const uint32_t t_int = pair.target.Int("int", 4, 1);
  AddStruct(pair.target, "less", 4, {{"b", t_int, 0}});
  AddStruct(pair.target, "other", 8, {{"a", pair.target.Pointer(t_int), 0}});
  for (const uint32_t type : {gone, less, other}) {
    EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, type, "0:0"), -1);
    EXPECT_EQ(pair.Value(CoreKind::kFieldExists, type, "0:0"), 0);
  }
  EXPECT_EQ(pair.Value(CoreKind::kTypeExists, gone, "0"), 0);
  EXPECT_EQ(pair.Value(CoreKind::kTypeExists, less, "0"), 1);
  EXPECT_EQ(pair.Value(CoreKind::kTypeIdTarget, gone, "0"), 0);
  EXPECT_EQ(pair.Value(CoreKind::kTypeSize, gone, "0"), 0);
  EXPECT_EQ(pair.Value(CoreKind::kTypeSize, other, "0"), 8);
}

TEST(CoreTable, WithoutATargetKnowsOnlyTheObjectsOwnIds) {
  Moved pair;
  pair.without_target = true;
  EXPECT_EQ(pair.Value(CoreKind::kTypeIdLocal, pair.type, "0"), pair.type);
  for (const CoreKind kind : {CoreKind::kTypeExists, CoreKind::kTypeIdTarget})
    EXPECT_EQ(pair.Answer(kind, pair.type, "0").problem, CoreProblem::kNoTarget);
  EXPECT_EQ(pair.Answer(CoreKind::kFieldExists, pair.type, "0:0").problem, CoreProblem::kNoTarget);
}

TEST(CoreTable, LooksIntoStructsWithoutNamesOnBothSides) {
  CorePair pair;
  const uint32_t l_int = pair.local.Int("int", 4, 1);
  const uint32_t l_inner = AddStruct(pair.local, "", 8, {{"a", l_int, 0}, {"b", l_int, 32}});
  const uint32_t type = AddStruct(pair.local, "s", 12, {{"x", l_int, 0}, {"", l_inner, 32}});
  const uint32_t t_int = pair.target.Int("int", 4, 1);
  const uint32_t t_deep = AddStruct(pair.target, "", 4, {{"b", t_int, 0}}, Kind::kUnion);
  const uint32_t t_inner = AddStruct(pair.target, "", 8, {{"y", t_int, 0}, {"", t_deep, 32}});
  const uint32_t alias = pair.target.Add("hidden", Kind::kTypedef, 0, t_inner);
  AddStruct(pair.target, "s", 16, {{"", alias, 32}, {"a", t_int, 96}});
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, type, "0:1:0"), 12);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, type, "0:1:1"), 8);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, type, "0:0"), -1);
}

TEST(CoreTable, KeepsIndexesOfArraysInsideTheirBounds) {
  CorePair pair;
  const uint32_t l_int = pair.local.Int("int", 4, 1);
  const uint32_t l_row = AddArray(pair.local, l_int, l_int, 3);
  const uint32_t l_rows = AddArray(pair.local, l_row, l_int, 2);
  const uint32_t type = AddStruct(pair.local, "s", 24, {{"m", l_rows, 0}});
  const uint32_t t_int = pair.target.Int("int", 4, 1);
  const uint32_t t_row = AddArray(pair.target, t_int, t_int, 2);
  const uint32_t t_rows = AddArray(pair.target, t_row, t_int, 2);
  AddStruct(pair.target, "s", 24, {{"m", t_rows, 64}});
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, type, "0:0:1:1"), 8 + 8 + 4);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteSize, type, "0:0:1:1"), 4);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteSize, type, "0:0:1"), 8);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteSize, type, "0:0"), 16);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, type, "0:0:1:2"), -1) << "two columns there";
  EXPECT_EQ(pair.Answer(CoreKind::kFieldByteOffset, type, "0:0:2:0").problem,
            CoreProblem::kBadAccess);
  EXPECT_EQ(pair.Answer(CoreKind::kFieldSigned, type, "0:0:1:1").problem,
            CoreProblem::kElementProperty);
  // A load of the array's start loads one element, whatever the array's size.
  const CoreEntry start = pair.Answer(CoreKind::kFieldByteOffset, type, "0:0");
  EXPECT_EQ(start.resolution.compiled_size, 4u);
  EXPECT_TRUE(start.resolution.resizable);
}

TEST(CoreTable, ReadsBeyondTheEndOfALastArrayWithoutElementsOnly) {
  CorePair pair;
  const uint32_t l_int = pair.local.Int("int", 4, 1);
  const uint32_t l_open = AddArray(pair.local, l_int, l_int, 0);
  const uint32_t last = AddStruct(pair.local, "last", 4, {{"n", l_int, 0}, {"v", l_open, 32}});
  const uint32_t first = AddStruct(pair.local, "first", 4, {{"v", l_open, 0}, {"n", l_int, 0}});
  const uint32_t l_closed = AddArray(pair.local, l_int, l_int, 9);
  const uint32_t closed = AddStruct(pair.local, "last___x", 40, {{"v", l_closed, 0}});
  const uint32_t t_int = pair.target.Int("int", 4, 1);
  const uint32_t t_open = AddArray(pair.target, t_int, t_int, 0);
  AddStruct(pair.target, "last", 8, {{"n", t_int, 0}, {"v", t_open, 64}});
  AddStruct(pair.target, "first", 8, {{"v", t_open, 0}, {"n", t_int, 0}});
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, last, "0:1:7"), 8 + 28);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, closed, "0:0:8"), 8 + 32);
  EXPECT_EQ(pair.Answer(CoreKind::kFieldByteOffset, first, "0:0:0").problem,
            CoreProblem::kBadAccess);
}

TEST(CoreTable, LoadsABitfieldByTheSmallestAlignedWordAroundIt) {
  CorePair pair;
  const uint32_t l_int = pair.local.Int("unsigned int", 4);
  const uint32_t type =
      AddStruct(pair.local, "s", 8, {{"a", l_int, 0, 3}, {"b", l_int, 3, 7}, {"c", l_int, 40, 9}});
  const uint32_t t_char = pair.target.Int("unsigned char", 1);
  const uint32_t t_long = pair.target.Int("long", 8, 1);
  AddStruct(pair.target, "s", 16,
            {{"a", t_char, 0, 5}, {"b", t_char, 5, 7}, {"c", t_long, 64 + 60, 4}});
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, type, "0:0"), 0);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteSize, type, "0:0"), 1);
  EXPECT_EQ(pair.Value(CoreKind::kFieldLeftShift, type, "0:0"), 59);
  EXPECT_EQ(pair.Value(CoreKind::kFieldRightShift, type, "0:0"), 59);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteSize, type, "0:1"), 2) << "bits 5..11 cross a byte";
  EXPECT_EQ(pair.Value(CoreKind::kFieldLeftShift, type, "0:1"), 52);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, type, "0:2"), 8);
  EXPECT_EQ(pair.Value(CoreKind::kFieldLeftShift, type, "0:2"), 0);
  EXPECT_EQ(pair.Value(CoreKind::kFieldSigned, type, "0:2"), 1);
  const CoreEntry entry = pair.Answer(CoreKind::kFieldByteOffset, type, "0:1");
  EXPECT_FALSE(entry.resolution.checked) << "compilers choose the word";
  EXPECT_EQ(entry.resolution.compiled_size, 0u) << "a load's width is not the bitfield's affair";
}

TEST(CoreTable, RefusesABitfieldThatNoWordCovers) {
  CorePair pair;
  const uint32_t l_long = pair.local.Int("long", 8);
  const uint32_t type = AddStruct(pair.local, "s", 8, {{"a", l_long, 0, 33}});
  const uint32_t t_char = pair.target.Int("char", 1);
  AddStruct(pair.target, "s", 24, {{"a", t_char, 63, 33}});
  EXPECT_EQ(pair.Answer(CoreKind::kFieldByteOffset, type, "0:0").problem,
            CoreProblem::kWideBitfield);
}

TEST(CoreTable, FindsEnumeratorsByNameInEnumsOfEitherSize) {
  CorePair pair;
  const uint32_t type = pair.local.Add(
      "colour", Kind::kEnum, 3, 4,
      {pair.local.Name("RED___v1"), 1, pair.local.Name("BLUE"), 7, pair.local.Name("PINK"), 9});
  pair.target.Add(
      "colour", Kind::kEnum64, 2, 8,
      {pair.target.Name("BLUE"), 0x89abcdef, 0x12345678, pair.target.Name("RED"), 5, 0});
  EXPECT_EQ(pair.Value(CoreKind::kEnumeratorValue, type, "0"), 5);
  EXPECT_EQ(pair.Value(CoreKind::kEnumeratorValue, type, "1"), 0x1234567889abcdef);
  EXPECT_EQ(pair.Value(CoreKind::kEnumeratorExists, type, "1"), 1);
  EXPECT_EQ(pair.Value(CoreKind::kEnumeratorExists, type, "2"), 0);
  EXPECT_EQ(pair.Value(CoreKind::kEnumeratorValue, type, "2"), -1);
  EXPECT_EQ(pair.Answer(CoreKind::kEnumeratorValue, type, "3").problem, CoreProblem::kBadAccess);
}

TEST(CoreTable, ExtendsEnumeratorsOf32BitsBySign) {
  CorePair pair;
  const uint32_t type =
      pair.local.Add("e", Kind::kEnum, 1, 4, {pair.local.Name("TOP"), 0x80000000});
  pair.target.Add("e", Kind::kEnum, 1, 4, {pair.target.Name("TOP"), 0xfffffffe});
  const CoreEntry entry = pair.Answer(CoreKind::kEnumeratorValue, type, "0");
  EXPECT_EQ(entry.resolution.compiled, 0xffffffff80000000u);
  EXPECT_EQ(entry.resolution.value, 0xfffffffffffffffeu);
}

// Two structs of one name, whose field lies in one or two places.
CorePair TwoFlavours(uint32_t second_bit, uint32_t& type) {
  CorePair pair;
  const uint32_t l_int = pair.local.Int("int", 4, 1);
  type = AddStruct(pair.local, "s", 8, {{"a", l_int, 0}, {"b", l_int, 32}});
  const uint32_t t_int = pair.target.Int("int", 4, 1);
  AddStruct(pair.target, "s", 12, {{"a", t_int, 32}, {"c", t_int, 64}});
  AddStruct(pair.target, "s___two", 12, {{"a", t_int, second_bit}, {"b", t_int, 64}});
  return pair;
}

TEST(CoreTable, TakesSeveralFlavoursThatAgree) {
  uint32_t type = 0;
  CorePair pair = TwoFlavours(32, type);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, type, "0:0"), 4);
}

TEST(CoreTable, RefusesFlavoursThatDisagree) {
  uint32_t type = 0;
  CorePair pair = TwoFlavours(0, type);
  EXPECT_EQ(pair.Answer(CoreKind::kFieldByteOffset, type, "0:0").problem,
            CoreProblem::kAmbiguousOffset);
  EXPECT_EQ(pair.Answer(CoreKind::kTypeIdTarget, type, "0").problem, CoreProblem::kAmbiguousValue);
}

TEST(CoreTable, RulesOutFlavoursThatAnEarlierRecordDidNotMatch) {
  uint32_t type = 0;
  CorePair pair = TwoFlavours(0, type);
  pair.Ask(CoreKind::kFieldByteOffset, type, "0:1");
  pair.Ask(CoreKind::kFieldByteOffset, type, "0:0");
  const auto answers = pair.Answers();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].resolution.value, 8u);
  EXPECT_EQ(answers[1].problem, CoreProblem::kNone);
  EXPECT_EQ(answers[1].resolution.value, 0u) << "only s___two has b";
}

TEST(CoreTable, KeepsAllCandidatesWhenNoneMatches) {
  uint32_t type = 0;
  CorePair pair = TwoFlavours(32, type);
  const uint32_t l_int = pair.local.Int("int", 4, 1);
  const uint32_t odd = AddStruct(pair.local, "s", 8, {{"z", l_int, 0}, {"a", l_int, 32}});
  pair.Ask(CoreKind::kFieldExists, odd, "0:0");
  pair.Ask(CoreKind::kFieldByteOffset, odd, "0:1");
  const auto answers = pair.Answers();
  EXPECT_EQ(answers[0].resolution.value, 0u);
  EXPECT_EQ(answers[1].resolution.value, 4u);
}

TEST(CoreTable, TellsKindsApartAmongTypesOfOneName) {
  CorePair pair;
  const uint32_t l_int = pair.local.Int("int", 4, 1);
  const uint32_t as_struct = AddStruct(pair.local, "thing", 4, {{"a", l_int, 0}});
  const uint32_t as_typedef = pair.local.Add("thing", Kind::kTypedef, 0, as_struct);
  const uint32_t t_int = pair.target.Int("int", 4, 1);
  const uint32_t t_inner = AddStruct(pair.target, "inner", 12, {{"a", t_int, 64}});
  pair.target.Add("thing", Kind::kTypedef, 0, t_inner);
  EXPECT_EQ(pair.Value(CoreKind::kTypeExists, as_struct, "0"), 0);
  EXPECT_EQ(pair.Value(CoreKind::kTypeExists, as_typedef, "0"), 1);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, as_typedef, "0:0"), 8);
  EXPECT_EQ(pair.Value(CoreKind::kFieldByteOffset, as_struct, "0:0"), -1);
}

TEST(CoreTable, RefusesRecordsThatMakeNoSense) {
  Moved pair;
  const uint32_t unnamed = AddStruct(pair.local, "", 4, {});
  for (const char* access : {"", ":", "0:", "0::1", "0:9", "-1", "0x0", "0:1:0", "99999999999"})
    EXPECT_EQ(pair.Answer(CoreKind::kFieldByteOffset, pair.type, access).problem,
              CoreProblem::kBadAccess)
        << access;
  EXPECT_EQ(pair.Answer(CoreKind::kTypeExists, pair.type, "0:0").problem, CoreProblem::kBadAccess);
  EXPECT_EQ(pair.Answer(CoreKind::kEnumeratorValue, pair.type, "0").problem,
            CoreProblem::kBadAccess);
  EXPECT_EQ(pair.Answer(static_cast<CoreKind>(13), pair.type, "0").problem,
            CoreProblem::kUnknownKind);
  EXPECT_EQ(pair.Answer(CoreKind::kTypeExists, unnamed, "0").problem, CoreProblem::kAnonymous);
  EXPECT_EQ(pair.Answer(CoreKind::kFieldByteOffset, 0, "0").problem, CoreProblem::kNoSize);
  EXPECT_EQ(pair.Answer(CoreKind::kFieldByteOffset, pair.type, "2147483647").problem,
            CoreProblem::kTooFar);
  std::string deep = "0";
  for (int i = 0; i < 64; ++i) deep += ":0";
  EXPECT_EQ(pair.Answer(CoreKind::kFieldByteOffset, pair.type, deep).problem,
            CoreProblem::kTooDeep);
}

// Structs that hold the next one twice: 2^40 ways to look for a member.
TEST(CoreTable, EndsWhateverTheTypesAskOfIt) {
  CorePair pair;
  const uint32_t l_int = pair.local.Int("int", 4, 1);
  const uint32_t type = AddStruct(pair.local, "s", 4, {{"a", l_int, 0}});
  uint32_t inner = AddStruct(pair.target, "", 0, {});
  for (int i = 0; i < 40; ++i)
    inner = AddStruct(pair.target, i == 39 ? "s" : "", 0, {{"", inner, 0}, {"", inner, 0}});
  EXPECT_EQ(pair.Answer(CoreKind::kFieldByteOffset, type, "0:0").problem,
            CoreProblem::kTooMuchWork);
}

}  // namespace
}  // namespace skep::loader
