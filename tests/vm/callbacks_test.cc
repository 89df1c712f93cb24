// SPDX-License-Identifier: Apache-2.0
// Runs that go on for long, in callbacks and loops, end when the host wants it.
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/vm/objects_of_programs.h"

namespace skep {
namespace {

class Callbacks : public test::RunObjectTest {};

TEST_P(Callbacks, EndWhenTheBudgetIsUsedUp) {
  SKEP_OPEN_OR_SKIP(object, "endless");
  const auto instance = *runtime_->Instantiate(object);
  for (const char* name : {"calls_back", "goes_round", "visits", "iterates"}) {
    const auto executable = LoadNamed(*instance, name, true);
    ASSERT_NE(executable, nullptr) << name;
    context_->set_budget(100000);
    EXPECT_EQ(RunOn(*executable, *context_).trap, TrapCode::kBudget) << name;
    context_->set_budget(0);
  }
}

TEST_P(Callbacks, EndWhenTheRunIsInterrupted) {
  SKEP_OPEN_OR_SKIP(object, "endless");
  const auto instance = *runtime_->Instantiate(object);
  for (const char* name : {"calls_back", "visits", "iterates"}) {
    const auto executable = LoadNamed(*instance, name, true);
    ASSERT_NE(executable, nullptr) << name;
    std::atomic<bool> over{false};
    std::thread host([&] {
      while (!over) {
        context_->Interrupt();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
    EXPECT_EQ(RunOn(*executable, *context_).trap, TrapCode::kInterrupted) << name;
    over = true;
    host.join();
  }
}

// Without a budget, may_goto ends the loop.
TEST_P(Callbacks, MayGotoEndsALoopInTime) {
  SKEP_OPEN_OR_SKIP(object, "endless");
  const auto instance = *runtime_->Instantiate(object);
  const auto executable = LoadNamed(*instance, "goes_round");
  ASSERT_NE(executable, nullptr);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(RunOn(*executable, *context_).value, 1u);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, std::chrono::milliseconds(250));
  EXPECT_LE(took, std::chrono::seconds(10));
}

INSTANTIATE_TEST_SUITE_P(Engines, Callbacks,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
