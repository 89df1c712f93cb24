// SPDX-License-Identifier: Apache-2.0
// Locks and objects that a run holds: other runs wait for the one, and both are
// given back when the run is stopped in its middle. A runtime that goes checks
// that no object is left.
#include <atomic>
#include <thread>
#include <vector>

#include "tests/vm/objects_of_programs.h"

namespace skep {
namespace {

class Held : public test::RunObjectTest {
 protected:
  // Stops the program where it holds what it took.
  void StopInTheMiddle(const Executable& executable) {
    context_->set_budget(500);
    EXPECT_EQ(RunOn(executable, *context_).trap, TrapCode::kBudget);
    context_->set_budget(0);
  }
};

TEST_P(Held, LocksAreGivenBackByAStoppedRun) {
  SKEP_OPEN_OR_SKIP(object, "held");
  const auto instance = *runtime_->Instantiate(object);
  const auto locked = LoadNamed(*instance, "a_lock", true);
  ASSERT_NE(locked, nullptr);
  StopInTheMiddle(*locked);
  EXPECT_EQ(Run(locked), 1);  // would wait for ever
}

TEST_P(Held, ObjectsAreGivenBackByAStoppedRun) {
  SKEP_OPEN_OR_SKIP(object, "held");
  const auto instance = *runtime_->Instantiate(object);
  const auto owner = LoadNamed(*instance, "an_object", true);
  ASSERT_NE(owner, nullptr);
  for (int i = 0; i < 10; ++i) StopInTheMiddle(*owner);
  EXPECT_EQ(Run(owner), 1);
}

TEST_P(Held, LocksKeepRunsOfOtherThreadsOut) {
  SKEP_OPEN_OR_SKIP(object, "held");
  const auto instance = *runtime_->Instantiate(object);
  const auto both = LoadNamed(*instance, "both");
  ASSERT_NE(both, nullptr);
  std::atomic<int> torn{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const auto context = *runtime_->NewContext();
      for (int i = 0; i < 2000; ++i) torn += RunOn(*both, *context).value != 1;
    });
  }
  const auto map = instance->FindMap("counters");
  const uint32_t zero = 0;
  for (int i = 0; i < 2000; ++i) {
    uint64_t value[3] = {};
    EXPECT_EQ(map->HostLookup(reinterpret_cast<const std::byte*>(&zero),
                              reinterpret_cast<std::byte*>(value), kUpdateLock),
              0);
    torn += value[0] != value[1];
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(torn, 0);
}

INSTANTIATE_TEST_SUITE_P(Engines, Held,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
