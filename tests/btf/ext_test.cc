// SPDX-License-Identifier: Apache-2.0
#include "btf/ext.h"

#include <gtest/gtest.h>

#include "tests/btf/builder.h"

namespace skep::btf {
namespace {

class Ext : public testing::Test {
 protected:
  Ext() {
    const uint32_t int_id = builder_.Int("int", 4);
    const uint32_t proto = builder_.Add("", Kind::kFuncProto, 0, int_id);
    function_ = builder_.Add("main", Kind::kFunc, 1, proto);
    section_ = builder_.Name("xdp");
    text_ = builder_.Name("return 0;");
    btf_ = *builder_.Parse();
  }
  // A section with the three tables, each its record size and what follows.
  static std::vector<std::byte> Bytes(std::vector<uint32_t> functions, std::vector<uint32_t> lines,
                                      std::vector<uint32_t> core) {
    const auto size = [](const auto& table) { return static_cast<uint32_t>(table.size() * 4); };
    std::vector<uint32_t> words = {0x0001eb9f,
                                   32,
                                   0,
                                   size(functions),
                                   size(functions),
                                   size(lines),
                                   size(functions) + size(lines),
                                   size(core)};
    for (const auto& table : {functions, lines, core})
      words.insert(words.end(), table.begin(), table.end());
    std::vector<std::byte> bytes(words.size() * 4);
    std::memcpy(bytes.data(), words.data(), bytes.size());
    return bytes;
  }
  std::string Message(std::vector<uint32_t> functions, std::vector<uint32_t> lines = {},
                      std::vector<uint32_t> core = {}) const {
    const auto ext = BtfExt::Parse(Bytes(functions, lines, core), *btf_);
    return ext ? "" : ext.error().message;
  }
  Builder builder_;
  uint32_t function_, section_, text_;
  std::shared_ptr<const Btf> btf_;
};

TEST_F(Ext, ReadsItsThreeTables) {
  const auto ext = BtfExt::Parse(
      Bytes({8, section_, 1, 0, function_}, {16, section_, 1, 8, 0, text_, 7 << 10 | 5},
            {16, section_, 1, 16, 1, text_, 3}),
      *btf_);
  ASSERT_TRUE(ext) << ext.error().message;
  EXPECT_EQ(ext->functions[0].section, "xdp");
  EXPECT_EQ(ext->functions[0].records[0].type_id, function_);
  EXPECT_EQ(ext->lines[0].records[0].line(), 7u);
  EXPECT_EQ(ext->lines[0].records[0].column(), 5u);
  EXPECT_EQ(btf_->StringAt(ext->lines[0].records[0].text_offset), "return 0;");
  EXPECT_EQ(ext->core_relocations[0].records[0].kind, 3u);
}

TEST_F(Ext, SkipsWhatALongerRecordHasMore) {
  const auto ext =
      BtfExt::Parse(Bytes({12, section_, 2, 8, function_, 99, 0, function_, 99}, {}, {}), *btf_);
  ASSERT_TRUE(ext) << ext.error().message;
  ASSERT_EQ(ext->functions[0].records.size(), 2u);
  EXPECT_EQ(ext->functions[0].records[0].insn_offset, 0u);  // in order
  EXPECT_EQ(ext->functions[0].records[1].insn_offset, 8u);
}

TEST_F(Ext, RefusesRecordsOfOddSizes) {
  for (const uint32_t size : {0u, 4u, 10u, 256u, 0xffffffffu})
    EXPECT_NE(Message({size, section_, 1, 0, function_}).find("func_info record size is"),
              std::string::npos)
        << size;
  EXPECT_NE(Message({}, {12, section_, 1, 0, 0, 0}).find("line_info record size is 12"),
            std::string::npos);
}

TEST_F(Ext, RefusesMoreRecordsThanThereAre) {
  EXPECT_NE(Message({8, section_, 2, 0, function_}).find("announces 2 records"), std::string::npos);
  EXPECT_NE(Message({8, section_, 0xffffffff, 0, function_}).find("announces"), std::string::npos);
  EXPECT_NE(Message({8, section_, 0}).find("without records"), std::string::npos);
  EXPECT_NE(Message({8, section_}).find("cut off"), std::string::npos);
}

TEST_F(Ext, RefusesRecordsThatMakeNoSense) {
  EXPECT_NE(Message({8, section_, 1, 4, function_}).find("inside an instruction"),
            std::string::npos);
  EXPECT_NE(Message({8, section_, 1, 0, 1}).find("names type 1, which is no function"),
            std::string::npos);
  EXPECT_NE(Message({8, 0, 1, 0, function_}).find("without a name"), std::string::npos);
  EXPECT_NE(Message({}, {}, {16, section_, 1, 0, 99, 0, 0}).find("names type 99"),
            std::string::npos);
}

TEST_F(Ext, RefusesTablesOutsideTheSection) {
  auto bytes = Bytes({8, section_, 1, 0, function_}, {}, {});
  bytes.resize(bytes.size() - 4);
  const auto ext = BtfExt::Parse(bytes, *btf_);
  ASSERT_FALSE(ext);
  EXPECT_NE(ext.error().message.find("lies outside the section"), std::string::npos);
}

}  // namespace
}  // namespace skep::btf
