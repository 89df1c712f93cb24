// SPDX-License-Identifier: Apache-2.0
#include "skep/btf_builder.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "btf/btf.h"
#include "btf/c_dump.h"

namespace skep {
namespace {

TEST(BtfBuilder, DescribesTypesThatReadAsTheirC) {
  BtfBuilder types;
  const uint32_t u32 = types.Int("unsigned int", 4), i64 = types.Int("long", 8, true);
  const uint32_t text = types.Array(types.Char(), 16);
  const uint32_t node = types.Declare("node");
  const uint32_t next = types.Pointer(node);
  const uint32_t state = types.Enum("state", 4, {{"IDLE", 0}, {"GONE", -1}}, true);
  const uint32_t wide = types.Enum("wide", 8, {{"FAR", int64_t{1} << 40}});
  const std::vector<BtfBuilder::Parameter> parameters = {{"node", next}, {"size", u32}};
  const uint32_t callback = types.Pointer(types.Prototype(u32, parameters));
  types.Function("visit", types.Prototype(0, parameters));
  const uint32_t either =
      types.Union("", 8, {{"number", i64, 0}, {"name", types.Pointer(types.Const(text)), 0}});
  const std::vector<BtfBuilder::Member> members = {
      {"next", next, 0},
      {"", either, 8},
      {"name", text, 16},
      {"low", u32, 32, 0, 3},
      {"high", u32, 32, 3, 29},
      {"state", state, 36},
      {"wide", wide, 40},
      {"call", callback, 48},
      {"ratio", types.Float("double", 8), 56},
      {"ready", types.Bool(), 64},
      {"seen", types.Volatile(u32), 68},
  };
  types.Define(node, 72, members);
  types.Typedef("node_t", node);
  const auto btf = types.Build("host");
  ASSERT_TRUE(btf) << btf.error().message;
  const auto c = btf::DumpC(**btf);
  ASSERT_TRUE(c) << c.error().message;
  for (const char* line : {
           "struct node {\n\tstruct node *next;\n\tunion {\n\t\tlong number;\n",
           "\tchar name[16];\n\tunsigned int low: 3;\n\tunsigned int high: 29;\n",
           "\tenum state state;\n\tenum wide wide;\n",
           "\tunsigned int (*call)(struct node *node, unsigned int size);\n",
           "\tdouble ratio;\n\t_Bool ready;\n\tvolatile unsigned int seen;\n",
           "enum state {\n\tIDLE = 0,\n\tGONE = -1,\n};\n",
           "\tFAR = 1099511627776ULL,\n",
           "typedef struct node node_t;\n",
       })
    EXPECT_NE(c->find(line), std::string::npos) << line << "\nnot in\n" << *c;
  EXPECT_NE((*btf)->Find("visit", btf::Kind::kFunc), 0u);
  EXPECT_EQ((*btf)->Serialize(), types.Bytes());
}

TEST(BtfBuilder, SaysWhatMakesNoSense) {
  const auto error = [](auto describe) {
    BtfBuilder types;
    describe(types);
    const auto btf = types.Build("host");
    return btf ? std::string() : btf.error().message;
  };
  EXPECT_EQ(error([](BtfBuilder& types) { types.Int("int", 4); }), "");
  EXPECT_EQ(error([](BtfBuilder& types) {
              types.Enum("e", 4, {{"BIG", int64_t{1} << 32}});
            }),
            "host: type 'e': enumerator 'BIG' needs 8 bytes");
  EXPECT_EQ(error([](BtfBuilder& types) {
              const uint32_t u32 = types.Int("unsigned int", 4);
              types.Struct("far", 4u << 20, {{"bits", u32, 3u << 20, 0, 3}});
            }),
            "host: type 'far': member 'bits' lies farther than BTF can say");
  EXPECT_NE(error([](BtfBuilder& types) { types.Pointer(7); }), "") << "there is no type 7";
  EXPECT_EQ(error([](BtfBuilder& types) { types.Int("odd", 3); }),
            "host: type 'odd': an integer has 1, 2, 4, 8 or 16 bytes");
  EXPECT_NE(error([](BtfBuilder& types) { types.Int("wide", 32); }), "");
  EXPECT_NE(error([](BtfBuilder& types) {
              const uint32_t u32 = types.Int("unsigned int", 4);
              types.Struct("small", 4, {{"a", u32, 0}, {"b", u32, 4}});
            }),
            "")
      << "a member behind the end";
  EXPECT_NE(error([](BtfBuilder& types) {
              const uint32_t self = types.Declare("self");
              const std::vector<BtfBuilder::Member> members = {{"inner", self, 0}};
              types.Define(self, 4, members);
            }),
            "")
      << "a struct inside itself";
  EXPECT_NE(error([](BtfBuilder& types) { types.Typedef(std::string_view("a\0b", 3), 0); }), "");
}

}  // namespace
}  // namespace skep
