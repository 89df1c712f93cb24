// SPDX-License-Identifier: Apache-2.0
// CO-RE on objects that compilers made: core_kinds.bpf.c against the types of
// core_target.bpf.c. tests/data/loader/core_kinds.core.txt says what every
// record becomes; SKEP_BLESS=1 rewrites it.
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "skep/btf.h"
#include "skep/program.h"

#include "tests/loader/objects.h"

namespace skep::loader {
namespace {

std::vector<std::string> Objects(const std::string& source) {
  std::vector<std::string> paths;
  for (const std::string& path : BuiltObjects())
    if (SourceName(path) == source) paths.push_back(path);
  return paths;
}

// Null without clang.
std::shared_ptr<const btf::Btf> Target() {
  const auto paths = Objects("core_target");
  if (paths.empty()) return nullptr;
  const auto btf = OpenBtf(paths[0]);
  EXPECT_TRUE(btf) << btf.error().message;
  return btf ? *btf : nullptr;
}

// Which instruction asks, and how often, is the compiler's affair.
std::string Describe(const Object& object) {
  std::set<std::string> lines;
  for (const CoreRelocationInfo& core : object.core_relocations()) {
    std::string line = fmt::format("{} {} {} ", core.function, core.kind, core.access);
    if (!core.problem.empty()) {
      line += core.problem;
    } else if (!core.found) {
      line += "missing";
    } else if (core.kind == "target_type_id") {
      line += "an id";
    } else {
      line += fmt::format("{}", core.value);
    }
    lines.insert(line);
  }
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST(CoreObject, AnswersEveryQuestionAsTheExpectedTextSays) {
  const auto target = Target();
  if (target == nullptr) GTEST_SKIP() << "clang is missing: there are no objects";
  const std::string expected_path = SKEP_SOURCE_DIR "/tests/data/loader/core_kinds.core.txt";
  for (const std::string& path : Objects("core_kinds")) {
    const auto object = Object::Open(path, {.target_btf = target});
    ASSERT_TRUE(object) << object.error().message;
    const std::string actual = Describe(*object);
    if (std::getenv("SKEP_BLESS") != nullptr) std::ofstream(expected_path) << actual;
    std::stringstream expected;
    expected << std::ifstream(expected_path).rdbuf();
    EXPECT_EQ(actual, expected.str()) << path;
  }
}

TEST(CoreObject, LinksEveryProgramAndNamesWhatIsMissing) {
  const auto target = Target();
  if (target == nullptr) GTEST_SKIP() << "clang is missing: there are no objects";
  for (const std::string& path : Objects("core_kinds")) {
    const auto object = Object::Open(path, {.target_btf = target});
    ASSERT_TRUE(object) << object.error().message;
    EXPECT_TRUE(object->needs_target_btf());
    std::set<std::string> incomplete;
    for (const ObjectProgram& entry : object->programs()) {
      ASSERT_TRUE(entry.program) << entry.program.error().message;
      EXPECT_EQ(entry.program->data().target_btf, target);
      for (const UnresolvedRelocation& gone : entry.program->data().unresolved_relocations) {
        incomplete.insert(entry.name);
        const Insn& insn = entry.program->insns()[gone.insn];
        EXPECT_EQ(insn.code, 0x85) << path << ": " << entry.name;
        EXPECT_EQ(insn.imm, 195896080) << path << ": " << entry.name;
        EXPECT_NE(gone.what.find("___mine"), std::string::npos) << gone.what;
      }
    }
    const std::set<std::string> expected = {"beyond_the_target_s_end", "missing_field",
                                            "guarded_field", "missing_enumerator"};
    EXPECT_EQ(incomplete, expected) << path;
  }
}

TEST(CoreObject, RefusesProgramsByNameWithoutTheTargetsTypes) {
  const auto paths = Objects("core_kinds");
  if (paths.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  for (const std::string& path : paths) {
    const auto object = Object::Open(path);
    ASSERT_TRUE(object) << object.error().message;
    for (const ObjectProgram& entry : object->programs()) {
      ASSERT_FALSE(entry.program) << path << ": " << entry.name;
      EXPECT_EQ(entry.program.error().code, ErrorCode::kUnresolved);
      EXPECT_NE(entry.program.error().message.find("--btf"), std::string::npos)
          << entry.program.error().message;
    }
    const auto inner = object->FindProgram("in_a_subprogram");
    EXPECT_NE(inner.error().message.find("in_a_subprogram"), std::string::npos);
  }
}

TEST(CoreObject, OpensBtfOfAFileAndOfAnObject) {
  const auto paths = Objects("core_target");
  if (paths.empty()) GTEST_SKIP() << "clang is missing: there are no objects";
  const auto bytes = ReadBytes(paths[0]);
  EXPECT_TRUE(ParseBtf(bytes, "target.o"));
  EXPECT_FALSE(ParseBtf(std::span(bytes).first(100), "cut.o"));
  const auto missing = OpenBtf("/nonexistent/vmlinux");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kSystem);
  const std::string text = "not BTF";
  const auto wrong = ParseBtf(std::as_bytes(std::span(text)), "notes.txt");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("notes.txt"), std::string::npos);
}

}  // namespace
}  // namespace skep::loader
