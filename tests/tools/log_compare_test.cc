// SPDX-License-Identifier: Apache-2.0
#include "tools/log_compare.h"

#include <gtest/gtest.h>

namespace skep::tools {
namespace {

constexpr const char* kLog =
    "0: R1=ctx() R10=fp0\n"
    "; int f(void) @ f.c:1\n"
    "0: (bf) r2 = r1                       ; R1=ctx() R2=ctx()\n"
    "1: (61) r0 = *(u32 *)(r1 +4)          ; R0=scalar(id=7,umax=9,var_off=(0x0; 0xf)) R1=ctx()\n"
    "2: (15) if r0 == 0x1 goto pc+1\n"
    "3: R0=scalar(id=7,umax=9)\n"
    "3: (95) exit\n"
    "\n"
    "from 2 to 4: R0=1 R10=fp0\n"
    "4: R0=1 R10=fp0\n"
    "4: (95) exit\n";

std::string Changed(std::string_view from, std::string_view to) {
  std::string log = kLog;
  const size_t at = log.find(from);
  EXPECT_NE(at, std::string::npos);
  return log.replace(at, from.size(), to);
}

TEST(CompareLogs, FindsNothingBetweenALogAndItself) {
  EXPECT_FALSE(CompareLogs(kLog, kLog).has_value());
}

TEST(CompareLogs, LooksPastIdsPrecisionSourceLinesAndNotes) {
  EXPECT_FALSE(CompareLogs(kLog, Changed("id=7,umax=9,var", "id=3,umax=9,var")).has_value());
  EXPECT_FALSE(CompareLogs(kLog, Changed("id=7,umax=9)", "umax=9)")).has_value());
  EXPECT_FALSE(CompareLogs(kLog, Changed("R0=scalar(id=7,umax=9)", "R0=Pscalar(umax=9)")));
  EXPECT_FALSE(CompareLogs(kLog, Changed("; int f(void) @ f.c:1\n", "")).has_value());
  EXPECT_FALSE(CompareLogs(kLog, Changed("3: R0", "mark_precise: frame0: regs=r0\n3: R0")));
  EXPECT_FALSE(CompareLogs(kLog, std::string("func#0 @0\n  0: .1.. (bf) r2 = r1\n") + kLog));
}

TEST(CompareLogs, NamesTheFirstRegisterThatDiffers) {
  const auto found = CompareLogs(kLog, Changed("umax=9,var", "umax=8,var"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->step, 1u);
  EXPECT_EQ(found->insn, 1u);
  EXPECT_EQ(found->what, "R0");
  EXPECT_EQ(found->first, "scalar(umax=9,var_off=(0x0; 0xf))");
  EXPECT_EQ(found->second, "scalar(umax=8,var_off=(0x0; 0xf))");
}

TEST(CompareLogs, NamesTheFirstStepThatGoesAnotherWay) {
  const auto found = CompareLogs(kLog, Changed("3: (95) exit", "4: (95) exit"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->what, "path");
  EXPECT_EQ(found->first, "instruction 3");
  EXPECT_EQ(found->second, "instruction 4");
}

TEST(CompareLogs, SaysWhichLogEndsFirst) {
  const auto found = CompareLogs(kLog, Changed("4: (95) exit\n", ""));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->what, "end");
  EXPECT_EQ(found->first, "instruction 4");
  EXPECT_EQ(found->second, "nothing more");
}

}  // namespace
}  // namespace skep::tools
