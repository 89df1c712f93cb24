// SPDX-License-Identifier: Apache-2.0
#include "jit/compile.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/jit/call_support.h"

namespace skep::jit {
namespace {

TEST(Compile, ReturnsAConstant) { EXPECT_EQ(CompileAndRun(FromText("r0 = 42; exit")->exec), 42u); }

TEST(Compile, PassesTheFirstTwoArguments) {
  EXPECT_EQ(CompileAndRun(FromText("r0 = r1; r0 += r2; exit")->exec, {}, 40, 2), 42u);
}

TEST(Compile, RunsALoop) {
  const auto program = FromText(R"(
    r0 = 0
    r1 = 10
  again:
    r0 += r1
    r1 += -1
    if r1 != 0 goto again
    exit
  )");
  EXPECT_EQ(CompileAndRun(program->exec), 55u);
}

// A program of nothing but loops does not become mostly padding.
TEST(Compile, PadsOnlySoManyLoops) {
  std::string text = "r0 = 0\n";
  for (int i = 0; i < 4000; ++i) text += "r0 += 1\nif r0 == 5000 goto -2\n";
  const auto program = FromText(text + "exit");
  const CompiledCode code = MustCompile(program->exec);
  EXPECT_LT(code.memory.size(), 4000u * 16 + 300 * 64);
  EXPECT_EQ(CompileAndRun(program->exec), 4000u);
}

TEST(Compile, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"call kfunc[1][0]; exit", "r0 = btf_id[1][0] ll; exit"}) {
    const auto program = FromText(text);
    const auto code = Compile(program->exec, {});
    ASSERT_FALSE(bool(code)) << text;
    EXPECT_EQ(code.error().code, ErrorCode::kUnsupported);
  }
}

TEST(Compile, MakesPagesThatAreNeverWritable) {
  const auto program = FromText("r0 = 1; exit");
  const CompiledCode code = MustCompile(program->exec);
  std::ifstream maps("/proc/self/maps");
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    EXPECT_EQ(line.find(" rwx"), std::string::npos) << line;
    const uintptr_t begin = std::stoull(line, nullptr, 16);
    if (begin != reinterpret_cast<uintptr_t>(code.memory.address())) continue;
    found = true;
    EXPECT_NE(line.find(" r-xp"), std::string::npos) << line;
  }
  EXPECT_TRUE(found);
}

TEST(Compile, TellsWhereEachInstructionIs) {
  const auto program = FromText("r0 = 1; r1 = 2; r0 += r1; r1 = 5; exit");
  const CompiledCode code = MustCompile(program->exec);
  ASSERT_EQ(code.offsets.size(), 6u);
  for (size_t i = 1; i < code.offsets.size(); ++i) EXPECT_GE(code.offsets[i], code.offsets[i - 1]);
  EXPECT_EQ(code.offsets[4] - code.offsets[3], 0u) << "nothing reads r1 any more";
  // Behind them is where tail calls enter a program that keeps no context.
  const auto entry = static_cast<const std::byte*>(code.tail_entry) - code.memory.address();
  EXPECT_EQ(code.offsets.back(), static_cast<uint64_t>(entry));
}

}  // namespace
}  // namespace skep::jit
