// SPDX-License-Identifier: Apache-2.0
// Each rule of Btf::Parse: bytes that break it alone, the message and Linux's
// errno.
#include <cerrno>
#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include "tests/btf/builder.h"

namespace skep::btf {
namespace {

constexpr int kNotSupported = 524;

struct Case {
  std::string name;
  std::string message;  // a part of it
  int sys_errno;
  std::function<void(Builder&)> build;  // int is type 1
};

std::vector<Case> Cases() {
  return {
      {"BadMagic", "no BTF magic", EINVAL, [](Builder& b) { b.magic = 0x1234; }},
      {"BigEndian", "big-endian BTF", EINVAL, [](Builder& b) { b.magic = 0x9feb; }},
      {"OtherVersion", "BTF version 2", kNotSupported, [](Builder& b) { b.version = 2; }},
      {"UnknownFlags", "header flags", kNotSupported, [](Builder& b) { b.flags = 1; }},
      {"TypesNotAtTheHeader", "overlap or leave gaps", EINVAL,
       [](Builder& b) { b.type_shift = 4, b.string_shift = 0; }},
      {"UnalignedTypes", "not aligned", EINVAL, [](Builder& b) { b.type_shift = 1; }},
      {"StringsOutside", "outside the BTF bytes", EINVAL, [](Builder& b) { b.string_shift = 1; }},
      {"TypesOutside", "outside the BTF bytes", EINVAL, [](Builder& b) { b.type_shift = -4; }},
      {"StringsWithoutNulAtTheStart", "start with the empty string", EINVAL,
       [](Builder& b) { b.strings()[0] = 'x'; }},
      {"StringsWithoutNulAtTheEnd", "does not end in a NUL", EINVAL,
       [](Builder& b) { b.strings() += 'x'; }},
      {"NameOutside", "name offset 99", EINVAL,
       [](Builder& b) {
         for (const uint32_t w : {99u, 2u << 24, 1u}) b.Word(w);
       }},
      {"UnknownKind", "unknown kind 20", EINVAL,
       [](Builder& b) { b.Add("x", static_cast<Kind>(20), 0, 0); }},
      {"KindZero", "unknown kind 0", EINVAL, [](Builder& b) { b.Add("x", Kind::kVoid, 0, 0); }},
      {"UnknownInfoBits", "unknown bits in info", EINVAL,
       [](Builder& b) {
         for (const uint32_t w : {0u, 2u << 24 | 1u << 20, 1u}) b.Word(w);
       }},
      {"CutOffType", "is cut off", EINVAL, [](Builder& b) { b.Word(0); }},
      {"CutOffMembers", "is cut off", EINVAL,
       [](Builder& b) {
         b.Add("s", Kind::kStruct, 2, 4, {0, 1, 0});
       }},
      {"IntWiderThanItsBytes", "64 bits in 4 bytes", EINVAL,
       [](Builder& b) { b.Add("i", Kind::kInt, 0, 4, {64}); }},
      {"IntOf129Bits", "129 bits", EINVAL,
       [](Builder& b) { b.Add("i", Kind::kInt, 0, 17, {129}); }},
      {"IntOfUnknownEncoding", "unknown encoding 0x3", kNotSupported,
       [](Builder& b) { b.Int("i", 4, 3); }},
      {"FloatOfThreeBytes", "size is 3", EINVAL,
       [](Builder& b) { b.Add("f", Kind::kFloat, 0, 3); }},
      {"EnumOfThreeBytes", "size is 3", EINVAL, [](Builder& b) { b.Add("e", Kind::kEnum, 0, 3); }},
      {"PointerWithAName", "must not have a name", EINVAL,
       [](Builder& b) { b.Add("p", Kind::kPtr, 0, 1); }},
      {"PointerToNowhere", "refers to type 9", EINVAL, [](Builder& b) { b.Pointer(9); }},
      {"TypedefWithoutAName", "has no name", EINVAL,
       [](Builder& b) { b.Add("", Kind::kTypedef, 0, 1); }},
      {"TypedefWithASpace", "invalid name 'a b'", EINVAL,
       [](Builder& b) { b.Add("a b", Kind::kTypedef, 0, 1); }},
      {"TypedefWithMembers", "vlen is 1", EINVAL,
       [](Builder& b) { b.Add("t", Kind::kTypedef, 1, 1); }},
      {"ConstWithTheKindFlag", "kind flag", EINVAL,
       [](Builder& b) { b.Add("", Kind::kConst, 0, 1, {}, true); }},
      {"ArrayWithoutElementType", "element type is 0", EINVAL,
       [](Builder& b) {
         b.Add("", Kind::kArray, 0, 0, {0, 1, 1});
       }},
      {"ArrayIndexedByAPointer", "refers to type 2 (ptr)", EINVAL,
       [](Builder& b) {
         b.Add("", Kind::kArray, 0, 0, {1, b.Pointer(1), 1});
       }},
      {"ArrayOfFunctions", "has no size", EINVAL,
       [](Builder& b) {
         const uint32_t proto = b.Add("", Kind::kFuncProto, 0, 1);
         b.Add("", Kind::kArray, 0, 0, {proto, 1, 2});
       }},
      {"ArrayOver4GiB", "need less than 2^32", EINVAL,
       [](Builder& b) {
         b.Add("", Kind::kArray, 0, 0, {1, 1, 0x40000000});
       }},
      {"MemberBeyondItsStruct", "ends beyond its 4 bytes", EINVAL,
       [](Builder& b) {
         b.Add("s", Kind::kStruct, 1, 4, {0, 1, 16});
       }},
      {"MembersOutOfOrder", "lies before the one ahead", EINVAL,
       [](Builder& b) {
         b.Add("s", Kind::kStruct, 2, 8, {0, 1, 32, 0, 1, 0});
       }},
      {"UnionMemberAtAnOffset", "member 0 of a union", EINVAL,
       [](Builder& b) {
         b.Add("u", Kind::kUnion, 1, 8, {0, 1, 32});
       }},
      {"MemberOfVoid", "member 0 has type 0", EINVAL,
       [](Builder& b) {
         b.Add("s", Kind::kStruct, 1, 8, {0, 0, 0});
       }},
      {"MemberWithoutSize", "without a size", EINVAL,
       [](Builder& b) {
         const uint32_t forward = b.Add("f", Kind::kFwd, 0, 0);
         b.Add("s", Kind::kStruct, 1, 8, {0, forward, 0});
       }},
      {"FunctionOfAnInt", "refers to type 1 (int)", EINVAL,
       [](Builder& b) { b.Add("f", Kind::kFunc, 0, 1); }},
      {"FunctionOfUnknownLinkage", "linkage is 3", EINVAL,
       [](Builder& b) { b.Add("f", Kind::kFunc, 3, b.Add("", Kind::kFuncProto, 0, 1)); }},
      {"VoidParameterInTheMiddle", "parameter 0 has no type", EINVAL,
       [](Builder& b) {
         b.Add("", Kind::kFuncProto, 2, 1, {0, 0, 0, 1});
       }},
      {"VariableOfUnknownLinkage", "linkage is 2", EINVAL,
       [](Builder& b) { b.Add("v", Kind::kVar, 0, 1, {2}); }},
      {"SectionOfSizeZero", "size is 0", EINVAL,
       [](Builder& b) { b.Add(".s", Kind::kDatasec, 0, 0); }},
      {"SectionOfTypes", "refers to type 1 (int)", EINVAL,
       [](Builder& b) {
         b.Add(".s", Kind::kDatasec, 1, 4, {1, 0, 4});
       }},
      {"SectionVariablesThatOverlap", "variable 1 at offset 2", EINVAL,
       [](Builder& b) {
         const uint32_t v = b.Add("v", Kind::kVar, 0, 1, {1});
         b.Add(".s", Kind::kDatasec, 2, 8, {v, 0, 4, v, 2, 4});
       }},
      {"SectionVariableBeyondTheEnd", "ends beyond 4 bytes", EINVAL,
       [](Builder& b) {
         const uint32_t v = b.Add("v", Kind::kVar, 0, 1, {1});
         b.Add(".s", Kind::kDatasec, 1, 4, {v, 2, 4});
       }},
      {"TagOfAnInt", "refers to type 1 (int)", EINVAL,
       [](Builder& b) { b.Add("t", Kind::kDeclTag, 0, 1, {0xffffffff}); }},
      {"TagOfAMissingMember", "component 1 does not exist", EINVAL,
       [](Builder& b) {
         b.Add("t", Kind::kDeclTag, 0, b.Add("s", Kind::kStruct, 1, 4, {0, 1, 0}), {1});
       }},
      {"TagOfAVariablesMember", "tags a component", EINVAL,
       [](Builder& b) { b.Add("t", Kind::kDeclTag, 0, b.Add("v", Kind::kVar, 0, 1, {1}), {0}); }},
      {"TypedefOfItself", "loop of types", EEXIST,
       [](Builder& b) { b.Add("t", Kind::kTypedef, 0, 2); }},
      {"PointerLoop", "loop of types", EEXIST,
       [](Builder& b) {
         b.Pointer(3);
         b.Add("", Kind::kConst, 0, 2);
       }},
      {"StructInItself", "loop of types", EEXIST,
       [](Builder& b) {
         b.Add("s", Kind::kStruct, 1, 4, {0, 2, 0});
       }},
      {"NestedTooDeep", "more than 32 deep", E2BIG,
       [](Builder& b) {
         for (uint32_t i = 0; i < 40; ++i) b.Add("", Kind::kConst, 0, 3 + i);
         b.Int("end", 4);
       }},
  };
}

class BrokenBtf : public testing::TestWithParam<Case> {};

TEST_P(BrokenBtf, IsRefusedForItsReason) {
  Builder b;
  b.Int("int", 4);
  ASSERT_TRUE(b.Parse()) << b.Parse().error().message;
  GetParam().build(b);
  const auto parsed = b.Parse();
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().message.find(GetParam().message), std::string::npos)
      << parsed.error().message;
  EXPECT_EQ(parsed.error().sys_errno, GetParam().sys_errno) << parsed.error().message;
}

INSTANTIATE_TEST_SUITE_P(EachRule, BrokenBtf, testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

TEST(ParseBtf, TakesChainsThatOnlyLookLikeLoops) {
  Builder b;
  b.Int("int", 4);
  // typedef struct node node_t; struct node { node_t *next; };
  b.Add("node_t", Kind::kTypedef, 0, 3);
  b.Add("node", Kind::kStruct, 1, 8, {b.Name("next"), 4, 0});
  b.Pointer(2);
  const auto parsed = b.Parse();
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ((*parsed)->SizeOf(2), 8u);
}

TEST(ParseBtf, TakesALongChainFromItsEnd) {
  // Linux counts what is not resolved yet, so ascending chains may be long.
  Builder b;
  b.Int("int", 4);
  for (uint32_t i = 1; i < 1000; ++i) b.Add("", Kind::kConst, 0, i);
  const auto parsed = b.Parse();
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ((*parsed)->SkipModifiers(1000), 1u);
}

TEST(ParseBtf, IsBoundedInSize) {
  const std::vector<std::byte> bytes((16u << 20) + 1);
  const auto parsed = Btf::Parse(bytes, Origin::kKernel);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().sys_errno, E2BIG);
}

TEST(ParseBtf, RefusesALongerHeaderUnlessItsTailIsZero) {
  Builder b;
  b.Int("int", 4);
  b.header_size = 32;
  EXPECT_TRUE(b.Parse());
  auto bytes = b.Bytes();
  bytes[30] = std::byte{1};
  const auto parsed = Btf::Parse(bytes, Origin::kKernel);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().sys_errno, E2BIG);
}

TEST(ParseBtf, RefusesEveryTruncation) {
  Builder b;
  b.Int("int", 4);
  b.Add("s", Kind::kStruct, 1, 4, {b.Name("m"), 1, 0});
  const auto bytes = b.Bytes();
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(Btf::Parse(std::span(bytes).first(size), Origin::kKernel)) << size;
}

}  // namespace
}  // namespace skep::btf
