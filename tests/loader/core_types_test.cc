// SPDX-License-Identifier: Apache-2.0
// The three relations between types, on pairs built by hand.
#include "loader/core_types.h"

#include <gtest/gtest.h>

#include "tests/loader/core_pair.h"

namespace skep::loader {
namespace {

using Answer = CoreTypes::Answer;
using btf::Builder;
using btf::Kind;

// The same few types on both sides, so that an id names one of either.
struct Types {
  Builder b;
  uint32_t s32 = b.Int("int", 4, 1);
  uint32_t u32 = b.Int("unsigned int", 4);
  uint32_t u64 = b.Int("unsigned int", 8);  // another size by the same name
  uint32_t old_bits = b.Add("int", Kind::kInt, 0, 4, {1u << 24 | 3u << 16 | 5});
  uint32_t pointer = b.Pointer(s32);
  uint32_t to_pointer = b.Pointer(pointer);
  uint32_t constant = b.Add("", Kind::kConst, 0, s32);
  uint32_t alias = b.Add("number", Kind::kTypedef, 0, constant);
  uint32_t three = AddArray(b, s32, s32, 3);
  uint32_t four = AddArray(b, s32, s32, 4);
  uint32_t pointers = AddArray(b, pointer, s32, 3);
  uint32_t small = AddStruct(b, "s", 4, {{"a", s32, 0}});
  uint32_t large = AddStruct(b, "s___2", 8, {{"x", pointer, 0}, {"a", alias, 64}});
  uint32_t odd = AddStruct(b, "s___3", 8, {{"a", pointer, 0}});
  uint32_t either = AddStruct(b, "s", 4, {{"a", s32, 0}}, Kind::kUnion);
  uint32_t fwd_struct = b.Add("s", Kind::kFwd, 0, 0);
  uint32_t fwd_union = b.Add("s", Kind::kFwd, 0, 0, {}, true);
  uint32_t fwd_other = b.Add("t", Kind::kFwd, 0, 0);
  uint32_t colours = b.Add("e", Kind::kEnum, 2, 4, {b.Name("R"), 1, b.Name("G"), 2});
  uint32_t more =
      b.Add("e___2", Kind::kEnum, 3, 4, {b.Name("G"), 7, b.Name("B"), 8, b.Name("R___x"), 9});
  uint32_t wide = b.Add("e", Kind::kEnum64, 2, 8, {b.Name("R"), 1, 0, b.Name("G"), 2, 0});
  uint32_t other_enum = b.Add("f", Kind::kEnum, 1, 4, {b.Name("R"), 1});
  uint32_t real = b.Add("double", Kind::kFloat, 0, 8);
  uint32_t proto = b.Add("", Kind::kFuncProto, 1, s32, {b.Name("p"), to_pointer});
  uint32_t renamed = b.Add("", Kind::kFuncProto, 1, alias, {b.Name("q"), to_pointer});
  uint32_t longer = b.Add("", Kind::kFuncProto, 2, s32, {b.Name("p"), to_pointer, 0, s32});
  uint32_t returns_nothing = b.Add("", Kind::kFuncProto, 1, 0, {b.Name("p"), to_pointer});
  uint32_t to_small = b.Pointer(small);
  uint32_t to_large = b.Pointer(large);
  uint32_t to_fwd = b.Pointer(fwd_struct);
  uint32_t to_fwd_union = b.Pointer(fwd_union);
  uint32_t to_other = b.Pointer(fwd_other);
  uint32_t to_void = b.Pointer(0);
  uint32_t to_proto = b.Pointer(proto);
  uint32_t to_longer = b.Pointer(longer);
  std::shared_ptr<const btf::Btf> btf;
  uint64_t work = kCoreWork;

  Types() {
    auto parsed = b.Parse(btf::Origin::kObjectFile);
    EXPECT_TRUE(parsed) << parsed.error().message;
    btf = *parsed;
  }
  bool Fields(uint32_t local, uint32_t target) {
    return CoreTypes(*btf, *btf, work).FieldsAgree(local, target) == Answer::kYes;
  }
  bool Compatible(uint32_t local, uint32_t target) {
    return CoreTypes(*btf, *btf, work).Compatible(local, target) == Answer::kYes;
  }
  bool Match(uint32_t local, uint32_t target) {
    return CoreTypes(*btf, *btf, work).Match(local, target) == Answer::kYes;
  }
};

TEST(CoreTypes, LetFieldsOfOneKindStandForEachOther) {
  Types t;
  EXPECT_TRUE(t.Fields(t.s32, t.u64)) << "size and sign are the relocation's affair";
  EXPECT_TRUE(t.Fields(t.alias, t.u32));
  EXPECT_FALSE(t.Fields(t.s32, t.old_bits));
  EXPECT_FALSE(t.Fields(t.s32, t.pointer));
  EXPECT_FALSE(t.Fields(t.s32, t.real));
  EXPECT_TRUE(t.Fields(t.real, t.real));
  EXPECT_TRUE(t.Fields(t.pointer, t.to_proto));
  EXPECT_TRUE(t.Fields(t.three, t.four));
  EXPECT_FALSE(t.Fields(t.three, t.pointers));
  EXPECT_FALSE(t.Fields(t.three, t.s32));
  EXPECT_TRUE(t.Fields(t.small, t.either)) << "structs and unions mix";
  EXPECT_TRUE(t.Fields(t.colours, t.more));
  EXPECT_TRUE(t.Fields(t.colours, t.wide));
  EXPECT_FALSE(t.Fields(t.colours, t.other_enum));
  EXPECT_TRUE(t.Fields(t.fwd_struct, t.fwd_union));
  EXPECT_FALSE(t.Fields(t.fwd_struct, t.fwd_other));
  EXPECT_FALSE(t.Fields(t.proto, t.proto)) << "no field is a function";
}

TEST(CoreTypes, CompareShapesWithoutNamesForExistence) {
  Types t;
  EXPECT_TRUE(t.Compatible(t.small, t.odd)) << "members are not looked at";
  EXPECT_FALSE(t.Compatible(t.small, t.either));
  EXPECT_FALSE(t.Compatible(t.alias, t.s32)) << "the roots have to be of one kind";
  EXPECT_TRUE(t.Compatible(t.s32, t.u64));
  EXPECT_TRUE(t.Compatible(t.colours, t.wide));
  EXPECT_TRUE(t.Compatible(t.to_small, t.to_large));
  EXPECT_FALSE(t.Compatible(t.to_small, t.pointer));
  EXPECT_FALSE(t.Compatible(t.to_small, t.to_void));
  EXPECT_TRUE(t.Compatible(t.three, t.four));
  EXPECT_FALSE(t.Compatible(t.three, t.pointers));
  EXPECT_TRUE(t.Compatible(t.proto, t.renamed));
  EXPECT_FALSE(t.Compatible(t.proto, t.longer));
  EXPECT_FALSE(t.Compatible(t.proto, t.returns_nothing));
  EXPECT_FALSE(t.Compatible(t.real, t.real)) << "libbpf does not relocate floats as types";
}

TEST(CoreTypes, MatchASubsetWithTheSameNames) {
  Types t;
  EXPECT_TRUE(t.Match(t.small, t.small));
  EXPECT_TRUE(t.Match(t.small, t.large)) << "the target may have more, elsewhere";
  EXPECT_FALSE(t.Match(t.large, t.small));
  EXPECT_FALSE(t.Match(t.small, t.odd)) << "a member of another type";
  EXPECT_FALSE(t.Match(t.small, t.either));
  EXPECT_FALSE(t.Match(t.s32, t.u32));
  EXPECT_FALSE(t.Match(t.u32, t.u64));
  EXPECT_TRUE(t.Match(t.alias, t.s32));
  EXPECT_FALSE(t.Match(t.three, t.four));
  EXPECT_TRUE(t.Match(t.colours, t.more)) << "names count, numbers do not";
  EXPECT_FALSE(t.Match(t.more, t.colours));
  EXPECT_FALSE(t.Match(t.colours, t.wide)) << "another size";
  EXPECT_TRUE(t.Match(t.proto, t.renamed));
  EXPECT_FALSE(t.Match(t.proto, t.longer));
  EXPECT_FALSE(t.Match(t.to_proto, t.to_longer));
  EXPECT_FALSE(t.Match(t.real, t.real));
}

TEST(CoreTypes, MatchDeclarationsForDefinitionsBehindAPointerOnly) {
  Types t;
  EXPECT_TRUE(t.Match(t.to_small, t.to_fwd));
  EXPECT_TRUE(t.Match(t.to_fwd, t.to_small));
  EXPECT_FALSE(t.Match(t.to_small, t.to_fwd_union));
  EXPECT_FALSE(t.Match(t.to_fwd, t.to_fwd_union));
  EXPECT_FALSE(t.Match(t.to_fwd, t.to_other));
  EXPECT_FALSE(t.Match(t.small, t.fwd_struct));
  EXPECT_TRUE(t.Match(t.fwd_struct, t.fwd_struct));
  EXPECT_FALSE(t.Match(t.fwd_struct, t.fwd_union));
  // Behind a pointer members are not looked at.
  EXPECT_TRUE(t.Match(t.to_large, t.to_small));
}

TEST(CoreTypes, EndAtLongChainsAndSpentBudgets) {
  Builder b;
  uint32_t pointer = b.Int("int", 4, 1);
  for (int i = 0; i < 31; ++i) pointer = b.Pointer(pointer);
  const uint32_t longer = b.Pointer(pointer);
  const auto btf = b.Parse(btf::Origin::kObjectFile);
  ASSERT_TRUE(btf);
  uint64_t work = kCoreWork;
  CoreTypes types(**btf, **btf, work);
  EXPECT_EQ(types.Compatible(pointer, pointer), Answer::kYes);
  EXPECT_EQ(types.Compatible(longer, longer), Answer::kFailed);
  EXPECT_EQ(types.problem(), CoreProblem::kTooDeep);
  uint64_t little = 3;
  CoreTypes poor(**btf, **btf, little);
  EXPECT_EQ(poor.Match(pointer, pointer), Answer::kFailed);
  EXPECT_EQ(poor.problem(), CoreProblem::kTooMuchWork);
}

}  // namespace
}  // namespace skep::loader
