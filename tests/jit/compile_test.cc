// SPDX-License-Identifier: Apache-2.0
#include "jit/compile.h"

#include <gtest/gtest.h>

#include "tests/jit/exec_from_text.h"

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

}  // namespace
}  // namespace skep::jit
