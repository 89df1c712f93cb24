// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include <gtest/gtest.h>

#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

using test::ProgramFromText;

// Linux's verifier walks loops, so a long one is made of nested bounded loops.
constexpr const char* kLongLoop =
    "-- type\nxdp\n"
    "-- asm\n"
    "r0 = 0\n"
    "r1 = 0\n"
    "outer:\n"
    "r1 += 1\n"
    "r0 += r1\n"
    "if r1 < 100000 goto outer\n"
    "r0 = 3\n"
    "exit\n";

class Budget : public test::EngineTest {
 protected:
  RunResult Run(const Executable& executable) {
    std::vector<std::byte> packet(64);
    return executable.RunPacket(*context_, {.data = packet});
  }
};

TEST_P(Budget, StopsARunThatNeedsMore) {
  const Program program = ProgramFromText(kLongLoop);
  const auto instance = MapsOf(program);
  const auto executable = Load(*instance, program, /*metered=*/true);
  context_->set_budget(1000);
  const RunResult stopped = Run(*executable);
  EXPECT_EQ(stopped.trap, TrapCode::kBudget);
  EXPECT_NE(context_->trap_detail().find("1000 instructions"), std::string::npos)
      << context_->trap_detail();
  context_->set_budget(10'000'000);
  EXPECT_EQ(Run(*executable).value, 3u) << "the next run starts anew";
  context_->set_budget(0);
  EXPECT_EQ(Run(*executable).value, 3u) << "0 is no limit";
}

TEST_P(Budget, InterruptStopsTheRun) {
  // Plain memory, so that a loop without end can be vouched for.
  const Program program = ProgramFromText("-- asm\nloop:\nr0 = 1\ngoto loop\nexit\n");
  if (GetParam() == Engine::kJit || GetParam() == Engine::kBaseline) {
    // Unverified code is metered on the interpreters only.
    GTEST_SKIP() << "an endless loop cannot be verified, and vouched code is not metered";
  }
  auto executable = GetParam() == Engine::kChecked
                        ? runtime_->PrepareUnverified(program, GetParam(), {})
                        : runtime_->PrepareVouched(program, GetParam(), {});
  ASSERT_TRUE(executable) << executable.error().message;
  std::thread interrupter([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    context_->Interrupt();
  });
  const RunResult result = (*executable)->Run(*context_, nullptr, 0);
  interrupter.join();
  EXPECT_EQ(result.trap, TrapCode::kInterrupted);
}

INSTANTIATE_TEST_SUITE_P(Engines, Budget,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
