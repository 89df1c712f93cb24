// SPDX-License-Identifier: Apache-2.0
#include "tools/typed_value.h"

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "skep/btf_builder.h"

#include "tests/btf/builder.h"

namespace skep::tools {
namespace {

std::vector<std::byte> FromHex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

std::string Show(const BtfBuilder& types, uint32_t id, const std::string& hex) {
  const auto btf = types.Build("test");
  EXPECT_TRUE(btf) << btf.error().message;
  return btf ? TypedValue(**btf, id, FromHex(hex)).dump() : "";
}

TEST(TypedValue, ShowsEachKindAsItsTypeReads) {
  BtfBuilder types;
  const uint32_t i8 = types.Int("signed char", 1, true), u64 = types.Int("unsigned long", 8);
  const uint32_t i32 = types.Int("int", 4, true), wide = types.Int("__int128", 16, true);
  EXPECT_EQ(Show(types, i8, "ff"), "-1");
  EXPECT_EQ(Show(types, i32, "feffffff"), "-2");
  EXPECT_EQ(Show(types, u64, "ffffffffffffffff"), "18446744073709551615");
  EXPECT_EQ(Show(types, wide,
                 "0100000000000000"
                 "0200000000000000"),
            "\"0x00000000000000020000000000000001\"");
  const uint32_t flag = types.Bool();
  EXPECT_EQ(Show(types, flag, "01"), "true");
  EXPECT_EQ(Show(types, flag, "02"), "2");
  EXPECT_EQ(Show(types, types.Pointer(0), "00100000ffff0000"), "\"0xffff00001000\"");
  EXPECT_EQ(Show(types, types.Float("float", 4), "0000c03f"), "1.5");
  EXPECT_EQ(Show(types, types.Typedef("number_t", types.Const(i32)), "07000000"), "7");
}

TEST(TypedValue, ShowsTextEnumsAndArrays) {
  BtfBuilder types;
  const uint32_t text = types.Array(types.Char(), 4), u8 = types.Int("unsigned char", 1);
  EXPECT_EQ(Show(types, text, "61620000"), "\"ab\"");
  EXPECT_EQ(Show(types, text, "00000000"), "\"\"");
  EXPECT_EQ(Show(types, text, "61626364"), "[97,98,99,100]") << "not terminated";
  EXPECT_EQ(Show(types, text, "61000062"), "[97,0,0,98]") << "more behind the end";
  EXPECT_EQ(Show(types, types.Array(types.Array(u8, 2), 2), "01020304"), "[[1,2],[3,4]]");
  const uint32_t state = types.Enum("state", 4, {{"IDLE", 0}, {"GONE", -1}}, true);
  EXPECT_EQ(Show(types, state, "ffffffff"), "\"GONE\"");
  EXPECT_EQ(Show(types, state, "05000000"), "5");
  EXPECT_EQ(Show(types, types.Enum("far", 8, {{"FAR", int64_t{1} << 40}}), "0000000000010000"),
            "\"FAR\"");
}

TEST(TypedValue, ShowsMembersByNameAlsoBitsAndUnnamedOnes) {
  BtfBuilder types;
  const uint32_t u32 = types.Int("unsigned int", 4), i32 = types.Int("int", 4, true);
  const uint32_t inner = types.Union("", 4, {{"word", u32, 0}, {"number", i32, 0}});
  const uint32_t outer = types.Struct("outer", 12,
                                      {{"low", u32, 0, 0, 3},
                                       {"sign", i32, 0, 3, 4},
                                       {"rest", u32, 0, 7, 25},
                                       {"", inner, 4},
                                       {"last", u32, 8}});
  EXPECT_EQ(Show(types, outer,
                 "fd010000"
                 "ffffffff"
                 "02000000"),
            R"({"low":5,"sign":-1,"rest":3,"word":4294967295,"number":-1,"last":2})");
}

TEST(TypedValue, IsNullWhereTypeAndBytesDoNotFit) {
  BtfBuilder types;
  const uint32_t u32 = types.Int("unsigned int", 4);
  EXPECT_EQ(Show(types, u32, "0102"), "null");
  EXPECT_EQ(Show(types, types.Prototype(0, {}), "01"), "null");
  // 2^40 parts, if they were all shown.
  uint32_t id = types.Int("unsigned char", 1);
  for (int i = 0; i < 20; ++i) {
    const std::string name = "u" + std::to_string(i);
    id = types.Union(name, 1, {{"a", id, 0}, {"b", id, 0}, {"c", id, 0}, {"d", id, 0}});
  }
  EXPECT_EQ(Show(types, id, "01"), "null");
}

TEST(TypedValue, ShowsSectionsByVariableAndStaticOnesOfOneNameApart) {
  btf::Builder b;
  const uint32_t u32 = b.Int("unsigned int", 4);
  const uint32_t x = b.Add("x", btf::Kind::kVar, 0, u32, {0});
  const uint32_t y = b.Add("x", btf::Kind::kVar, 0, u32, {0});
  const uint32_t section = b.Add(".bss", btf::Kind::kDatasec, 2, 12, {x, 0, 4, y, 8, 4});
  const auto btf = b.Parse(btf::Origin::kObjectFile);
  ASSERT_TRUE(btf) << btf.error().message;
  EXPECT_EQ(TypedValue(**btf, section,
                       FromHex("01000000"
                               "ffffffff"
                               "02000000"))
                .dump(),
            R"({"x":1,"x_":2})");
}

}  // namespace
}  // namespace skep::tools
