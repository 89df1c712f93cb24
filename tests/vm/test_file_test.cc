// SPDX-License-Identifier: Apache-2.0
// Test files that make no sense: the message says where, what was found and
// what was expected.
#include "vm/test_file.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace skep {
namespace {

struct Malformed {
  const char* name;  // of the test
  std::string text;
  const char* start;     // of the message
  const char* expected;  // somewhere behind
};

std::vector<Malformed> MalformedFiles() {
  const std::string code = "-- asm\nr0 = 0\nexit\n";
  const std::string maps = "-- maps\n";
  return {
      {"Empty", "", "x.ebpf:1: no program", "expected a section '-- asm' or '-- raw'"},
      {"CommentsAlone", "# nothing\n", "x.ebpf:1: no program", "expected a section"},
      {"NoProgram", "-- type\nxdp\n-- result\n0\n", "x.ebpf:1: no program", "'-- asm' or '-- raw'"},
      {"TextBeforeSections", "# a test\n\nr0 = 1\n" + code, "x.ebpf:3: text before the first",
       "expected '-- name'"},
      {"UnknownSection", code + "-- memory\n00\n", "x.ebpf:4: unknown section 'memory'",
       "expected one of type, maps, asm, raw, mem"},
      {"SectionWithoutName", code + "--\n", "x.ebpf:4: unknown section ''", "expected one of type"},
      {"NoType", "-- type\n# xdp\n" + code, "x.ebpf:1: no program type",
       "expected a name such as xdp"},
      {"UnknownType", "-- type\n\nxpd\n" + code, "x.ebpf:3: unknown program type 'xpd'",
       "expected a name such as xdp"},
      {"TypeWithUnknownWord", "-- type\nxdp sleeping\n" + code, "x.ebpf:2: found 'sleeping'",
       "expected attach=NUMBER, sleepable or unprivileged"},
      {"AttachWithoutNumber", "-- type\nxdp attach=devmap\n" + code,
       "x.ebpf:2: found 'attach=devmap'", "expected attach=NUMBER"},
      {"AttachBeyond32Bits", "-- type xdp attach=0x100000000\n" + code,
       "x.ebpf:1: found 'attach=0x100000000'", "expected attach=NUMBER"},
      {"MapWithoutType", maps + "m\n" + code, "x.ebpf:2: ", "expected NAME TYPE key=N"},
      {"UnknownMapType", code + maps + "a array key=4 value=4 entries=1\nm hush key=4\n",
       "x.ebpf:6: unknown map type 'hush'", "expected a name such as hash"},
      {"MapWithUnknownWord", maps + "m hash size=4\n" + code, "x.ebpf:2: found 'size=4'",
       "expected key=, value=, entries=, flags= with a number or inner=NAME"},
      {"MapWithoutNumber", maps + "m hash key=\n" + code, "x.ebpf:2: found 'key='",
       "with a number"},
      {"MapWithTextForANumber", maps + "m hash key=4x\n" + code, "x.ebpf:2: found 'key=4x'",
       "with a number"},
      {"MapBeyond32Bits", maps + "m hash entries=4294967296\n" + code,
       "x.ebpf:2: found 'entries=4294967296'", "with a number"},
      {"InnerMapNotThere", maps + "m array_of_maps key=4 value=4 entries=1 inner=i\n" + code,
       "x.ebpf:2: no map 'i'", "expected one before this line"},
      {"InnerMapItself", maps + "m array_of_maps key=4 inner=m\n" + code, "x.ebpf:2: no map 'm'",
       "expected one before this line"},
      {"CodeThatDoesNotAssemble", "# a test\n-- asm\nr0 = 0\nr0 = r99\nexit\n",
       "x.ebpf: line 4, column ", "r99"},
      {"MapThatTheCodeAloneNames", "-- asm\nr1 = map[m] ll\nexit\n", "x.ebpf: line 2, column ",
       "m"},
      {"RawThatIsNoNumber", "-- raw\n0x95\n95h\n", "x.ebpf:3: found '95h'",
       "expected one instruction as 0x and 16 hex digits"},
      {"RawBeyond64Bits", "-- raw\n0x10000000000000095\n", "x.ebpf:2: found '0x10000000000000095'",
       "16 hex digits"},
      {"CodeUnlikeRaw", code + "-- raw\n0x95\n", "x.ebpf:1: the text in '-- asm'",
       "does not assemble to the words in '-- raw'"},
      {"MemoryWithHalfAByte", code + "-- mem\n00 11 2\n", "x.ebpf:4: character 7",
       "expected two hex digits"},
      {"MemoryThatIsNotHex", code + "-- mem\n00 1g\n", "x.ebpf:4: character 4",
       "expected two hex digits"},
      {"NoResult", code + "-- result\n", "x.ebpf:4: ", "expected one line with r0 in hex"},
      {"TwoResults", code + "-- result\n1\n2\n", "x.ebpf:4: ", "expected one line with r0 in hex"},
      {"ResultThatIsNotHex", code + "-- result\n0xfg\n", "x.ebpf:4: ", "r0 in hex"},
      {"ResultBeyond64Bits", code + "-- result\n10000000000000000\n", "x.ebpf:4: ", "r0 in hex"},
  };
}

class MalformedTestFile : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedTestFile, IsRefusedWithPlaceAndExpectation) {
  const Malformed& c = GetParam();
  const auto file = ParseTestFile(c.text, "x.ebpf");
  ASSERT_FALSE(file);
  const Error& error = file.error();
  EXPECT_EQ(error.code, ErrorCode::kMalformedObject);
  EXPECT_TRUE(error.message.starts_with(c.start)) << error.message;
  EXPECT_NE(error.message.find(c.expected), std::string::npos) << error.message;
  EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
}

INSTANTIATE_TEST_SUITE_P(All, MalformedTestFile, testing::ValuesIn(MalformedFiles()),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(TestFiles, MayExpectThatTheirCodeIsNone) {
  for (const char* section : {"-- error\n", "-- reject\n"}) {
    const auto file = ParseTestFile(std::string("-- asm\nr0 = r99\nexit\n") + section, "x.ebpf");
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_TRUE(file->load_error.starts_with("x.ebpf: line 2, column ")) << file->load_error;
  }
  EXPECT_EQ(ParseTestFile("-- asm\nexit\n-- error\n", "x.ebpf")->load_error, "");
}

TEST(TestFiles, AreNotMadeOfPartsOfInstructions) {
  const std::vector<std::byte> code(24);
  for (const size_t size : {size_t{0}, size_t{7}, size_t{23}}) {
    const auto file = TestFileFromCode(std::span(code).first(size), std::nullopt);
    ASSERT_FALSE(file) << size;
    EXPECT_EQ(file.error().code, ErrorCode::kMalformedObject);
    EXPECT_EQ(file.error().message,
              "program: " + std::to_string(size) + " bytes, expected a multiple of 8");
  }
  EXPECT_EQ(TestFileFromCode(code, std::nullopt)->program.insns.size(), 3u);
}

}  // namespace
}  // namespace skep
