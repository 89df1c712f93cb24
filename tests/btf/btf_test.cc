// SPDX-License-Identifier: Apache-2.0
#include "btf/btf.h"

#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "tests/btf/builder.h"

namespace skep::btf {
namespace {

TEST(Btf, DecodesEveryKind) {
  Builder b;
  const uint32_t int_id = b.Int("int", 4, 1);
  const uint32_t bool_id = b.Int("_Bool", 1, 4);
  const uint32_t pointer = b.Pointer(int_id);
  const uint32_t array = b.Add("", Kind::kArray, 0, 0, {pointer, int_id, 5});
  const uint32_t structure = b.Add("pair", Kind::kStruct, 2, 16,
                                   {b.Name("first"), int_id, 0, b.Name("second"), pointer, 64});
  const uint32_t bits =
      b.Add("bits", Kind::kStruct, 2, 4,
            {b.Name("low"), int_id, 3u << 24, b.Name("high"), int_id, 29u << 24 | 3}, true);
  const uint32_t uni =
      b.Add("either", Kind::kUnion, 2, 8, {b.Name("a"), int_id, 0, b.Name("b"), pointer, 0});
  const uint32_t colour =
      b.Add("colour", Kind::kEnum, 2, 4, {b.Name("RED"), 1, b.Name("BLUE"), 0xffffffff}, true);
  const uint32_t big = b.Add("big", Kind::kEnum64, 1, 8, {b.Name("HUGE"), 0x55667788, 0x11223344});
  const uint32_t forward = b.Add("later", Kind::kFwd, 0, 0);
  const uint32_t alias = b.Add("alias", Kind::kTypedef, 0, structure);
  const uint32_t constant = b.Add("", Kind::kConst, 0, alias);
  const uint32_t tag = b.Add("user", Kind::kTypeTag, 0, constant);
  const uint32_t proto = b.Add("", Kind::kFuncProto, 2, int_id, {b.Name("x"), pointer, 0, 0});
  const uint32_t function = b.Add("work", Kind::kFunc, 1, proto);
  const uint32_t variable = b.Add("counter", Kind::kVar, 0, int_id, {1});
  const uint32_t section = b.Add(".data", Kind::kDatasec, 1, 4, {variable, 0, 4});
  const uint32_t real = b.Add("double", Kind::kFloat, 0, 8);
  const uint32_t mark = b.Add("note", Kind::kDeclTag, 0, structure, {1});
  const auto parsed = b.Parse();
  ASSERT_TRUE(parsed) << parsed.error().message;
  const Btf& btf = **parsed;

  EXPECT_EQ(btf.type_count(), mark + 1);
  EXPECT_EQ(btf.kind(0), Kind::kVoid);
  EXPECT_TRUE(btf.integer(int_id).is_signed);
  EXPECT_TRUE(btf.integer(bool_id).is_bool);
  EXPECT_EQ(btf.SizeOf(pointer), 8u);
  EXPECT_EQ(btf.array(array).count, 5u);
  EXPECT_EQ(btf.SizeOf(array), 40u);
  EXPECT_EQ(btf.member(structure, 1).name, "second");
  EXPECT_EQ(btf.member(structure, 1).bit_offset, 64u);
  EXPECT_EQ(btf.member(bits, 1).bit_offset, 3u);
  EXPECT_EQ(btf.member(bits, 1).bitfield_size, 29u);
  EXPECT_EQ(btf.SizeOf(uni), 8u);
  EXPECT_EQ(btf.enumerator(colour, 1).value, -1);
  EXPECT_EQ(btf.enumerator(big, 0).value, 0x1122334455667788);
  EXPECT_EQ(btf.SizeOf(forward), std::nullopt);
  EXPECT_EQ(btf.SkipModifiers(tag), structure);
  EXPECT_EQ(btf.SizeOf(tag), 16u);
  EXPECT_EQ(btf.parameter(proto, 1).type, 0u);
  EXPECT_EQ(btf.linkage(function), Linkage::kGlobal);
  EXPECT_EQ(btf.linkage(variable), Linkage::kGlobal);
  EXPECT_EQ(btf.section_variable(section, 0).size, 4u);
  EXPECT_EQ(btf.SizeOf(real), 8u);
  EXPECT_EQ(btf.decl_tag(mark).component, 1);
  EXPECT_EQ(btf.Find("alias", Kind::kTypedef), alias);
  EXPECT_EQ(btf.Find("alias", Kind::kStruct), 0u);
  EXPECT_EQ(btf.Serialize(), b.Bytes());
}

TEST(Btf, ContinuesItsBase) {
  Builder b;
  const uint32_t int_id = b.Int("int", 4);
  const auto base = b.Parse();
  ASSERT_TRUE(base);
  Builder s;
  s.StartAt((*base)->type_count(), "");
  const auto first_string = static_cast<uint32_t>(b.strings().size());
  s.Word(first_string);  // "word", the first string of the split part
  s.Word(static_cast<uint32_t>(Kind::kTypedef) << 24);
  s.Word(int_id);
  s.strings() = std::string("word\0", 5);
  const auto split = Btf::Parse(s.Bytes(), Origin::kKernel, *base);
  ASSERT_TRUE(split) << split.error().message;
  EXPECT_EQ((*split)->first_id(), 2u);
  EXPECT_EQ((*split)->name(2), "word");
  EXPECT_EQ((*split)->SizeOf(2), 4u);
  EXPECT_EQ((*split)->name(1), "int");
  EXPECT_EQ((*split)->Find("int", Kind::kInt), 1u);
}

TEST(Btf, CutsFlavoursOffNames) {
  const struct {
    const char* name;
    const char* essential;
  } rows[] = {{"task_struct", "task_struct"},
              {"task_struct___old", "task_struct"},
              {"a___b___c", "a___b"},
              {"a___b", "a"},
              {"a___", "a___"},
              {"___a", "___a"},
              {"a____b", "a____b"},
              {"a__b", "a__b"},
              {"_a___b", "_a"},
              {"a___b_", "a"},
              {"", ""}};
  for (const auto& row : rows) EXPECT_EQ(EssentialName(row.name), row.essential) << row.name;
}

TEST(Btf, FindsTypesAndTheirFlavoursByName) {
  Builder b;
  std::vector<uint32_t> flavours;
  for (int i = 0; i < 50; ++i) {
    b.Add("filler" + std::to_string(i), Kind::kFwd, 0, 0);
    if (i % 10 == 0)
      flavours.push_back(b.Add(i == 20 ? "wanted" : "wanted___" + std::to_string(i),
                               i == 30 ? Kind::kFwd : Kind::kStruct, 0, i == 30 ? 0 : 4));
  }
  b.Pointer(flavours[0]);
  const auto btf = b.Parse(Origin::kObjectFile);
  ASSERT_TRUE(btf) << btf.error().message;
  EXPECT_EQ((*btf)->FindFlavours("wanted", 100), flavours);
  EXPECT_EQ((*btf)->FindFlavours("wanted___mine", 100), flavours);
  EXPECT_EQ((*btf)->FindFlavours("wanted", 2).size(), 2u);
  EXPECT_EQ((*btf)->Find("wanted", Kind::kStruct), flavours[2]);
  EXPECT_EQ((*btf)->Find("wanted___40", Kind::kStruct), flavours[4]);
  EXPECT_EQ((*btf)->Find("wanted", Kind::kFwd), 0u);
  EXPECT_EQ((*btf)->Find("filler49", Kind::kFwd), 55u);
  EXPECT_EQ((*btf)->Find("", Kind::kPtr), 0u);
  EXPECT_TRUE((*btf)->FindFlavours("", 9).empty());
}

TEST(Btf, LaysOutSectionsThatAnObjectFileLeavesOpen) {
  Builder b;
  const uint32_t int_id = b.Int("int", 4);
  const uint32_t variable = b.Add("v", Kind::kVar, 0, int_id, {1});
  const uint32_t section = b.Add(".bss", Kind::kDatasec, 1, 0, {variable, 0, 4});
  const uint32_t proto = b.Add("", Kind::kFuncProto, 0, int_id);
  const uint32_t function = b.Add("f", Kind::kFunc, 1, proto);
  EXPECT_FALSE(b.Parse(Origin::kKernel));
  const auto btf = b.Parse(Origin::kObjectFile);
  ASSERT_TRUE(btf);
  const Btf::SectionLayout layout{section, 16, {{variable, 12, 4}}};
  const uint32_t make_static[] = {function, variable};
  const auto done = (*btf)->WithLayout({&layout, 1}, make_static);
  EXPECT_EQ(done->SizeOf(section), 16u);
  EXPECT_EQ(done->section_variable(section, 0).offset, 12u);
  EXPECT_EQ(done->linkage(function), Linkage::kStatic);
  EXPECT_EQ(done->linkage(variable), Linkage::kStatic);
  EXPECT_EQ((*btf)->linkage(function), Linkage::kGlobal);
  EXPECT_TRUE(Btf::Parse(done->Serialize(), Origin::kKernel));
}

TEST(Btf, ReadsTheRunningKernelsTypes) {
  std::ifstream file("/sys/kernel/btf/vmlinux", std::ios::binary);
  if (!file) GTEST_SKIP() << "/sys/kernel/btf/vmlinux is missing";
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const auto btf = Btf::Parse(std::as_bytes(std::span(bytes)), Origin::kKernel);
  ASSERT_TRUE(btf) << btf.error().message;
  const uint32_t task = (*btf)->Find("task_struct", Kind::kStruct);
  ASSERT_NE(task, 0u);
  EXPECT_GT(*(*btf)->SizeOf(task), 1000u);
}

}  // namespace
}  // namespace skep::btf
