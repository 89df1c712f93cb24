// SPDX-License-Identifier: Apache-2.0
// Helpers whose results depend on the process: clocks, identity, callbacks, and
// what they hand to hooks.
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "skep/helper.h"

#include "helpers/functions.h"
#include "model/execution_layout.h"
#include "tests/support/bpf_syscall.h"

namespace skep {
namespace {

class RuntimeHelpers : public testing::Test {
 protected:
  uint64_t Call(HelperFunction helper, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0,
                uint64_t d = 0, uint64_t e = 0) {
    return helper(a, b, c, d, e, *context_);
  }
  static uint64_t Address(const void* p) { return reinterpret_cast<uint64_t>(p); }

  EpochDomain domain_;
  std::unique_ptr<ExecutionContext> context_ = model::ExecutionLayout::Create(3, domain_, [] {});
};

uint64_t Now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

TEST_F(RuntimeHelpers, ReadTheClocksTheyAreNamedFor) {
  const std::pair<HelperFunction, clockid_t> clocks[] = {
      {&helpers::KtimeGetNs, CLOCK_MONOTONIC},
      {&helpers::KtimeGetBootNs, CLOCK_BOOTTIME},
      {&helpers::KtimeGetCoarseNs, CLOCK_MONOTONIC_COARSE},
      {&helpers::KtimeGetTaiNs, CLOCK_TAI}};
  for (const auto& [helper, clock] : clocks) {
    const uint64_t before = Now(clock);
    const uint64_t time = Call(helper);
    EXPECT_LE(before, time);
    EXPECT_LE(time, Now(clock));
  }
  // A host's clock takes their place.
  context_->set_hooks({.trace = nullptr, .clock = [](int clock) {
                         return uint64_t{1000} + static_cast<uint64_t>(clock);
                       }});
  for (const auto& [helper, clock] : clocks) {
    EXPECT_EQ(Call(helper), 1000u + static_cast<uint64_t>(clock));
  }
}

TEST_F(RuntimeHelpers, CountJiffiesAsTheKernel) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  const test::Fd program =
      test::KernelProgramLoad(1, test::Join({test::CallHelper(118), test::Exit()}));
  ASSERT_TRUE(program.ok());
  uint32_t kernel = 0;
  ASSERT_EQ(test::KernelProgramRun(program, &kernel), 0);
  // Same start and same tick. Early in the boot the kernel's counter and its
  // clock do not run together yet, so they differ by a fraction of a second.
  const auto difference =
      static_cast<int32_t>(static_cast<uint32_t>(Call(&helpers::Jiffies64)) - kernel);
  EXPECT_LT(std::abs(difference), 1500);
}

TEST_F(RuntimeHelpers, SayWhoRuns) {
  const uint64_t ids = Call(&helpers::GetCurrentPidTgid);
  EXPECT_EQ(ids >> 32, static_cast<uint64_t>(getpid()));
  EXPECT_EQ(static_cast<uint32_t>(ids), static_cast<uint32_t>(gettid()));
  EXPECT_EQ(Call(&helpers::GetCurrentUidGid), uint64_t{getgid()} << 32 | getuid());
  EXPECT_EQ(Call(&helpers::GetSmpProcessorId), 3u);
}

TEST_F(RuntimeHelpers, SayOnWhichNodeTheThreadRuns) {
  unsigned cpu = 0, before = 0, after = 1;
  uint64_t node = 0;
  for (int i = 0; i < 100 && before != after; ++i) {  // the thread may move in between
    ASSERT_EQ(getcpu(&cpu, &before), 0);
    node = Call(&helpers::GetNumaNodeId);
    ASSERT_EQ(getcpu(&cpu, &after), 0);
  }
  EXPECT_EQ(node, before);
}

TEST_F(RuntimeHelpers, CutAndPadTheNameOfTheThread) {
  char before[16] = {};
  prctl(PR_GET_NAME, before);
  prctl(PR_SET_NAME, "bee");
  std::array<char, 20> name;
  name.fill('x');
  EXPECT_EQ(Call(&helpers::GetCurrentComm, Address(name.data()), 8), 0u);
  EXPECT_EQ(std::string(name.data(), 9), std::string("bee\0\0\0\0\0x", 9));
  EXPECT_EQ(Call(&helpers::GetCurrentComm, Address(name.data()), 3), 0u);
  EXPECT_EQ(std::string(name.data(), 3), std::string("be\0", 3));
  prctl(PR_SET_NAME, before);
}

TEST_F(RuntimeHelpers, GiveTraceLinesToTheHook) {
  std::vector<std::string> lines;
  context_->set_hooks(
      {.trace = [&](std::string_view line) { lines.emplace_back(line); }, .clock = nullptr});
  const char format[] = "%d of %s\n";
  EXPECT_EQ(Call(&helpers::TracePrintk, Address(format), sizeof format, 3, Address("seven")), 11u);
  const uint64_t arguments[] = {1, Address("two")};
  EXPECT_EQ(Call(&helpers::TraceVprintk, Address(format), sizeof format, Address(arguments), 16),
            9u);
  EXPECT_EQ(lines, (std::vector<std::string>{"3 of seven\n", "1 of two\n"}));
  EXPECT_EQ(static_cast<int64_t>(Call(&helpers::TraceVprintk, Address(format), sizeof format,
                                      Address(arguments), 12)),
            -EINVAL);
}

TEST_F(RuntimeHelpers, PrintNothingForAddressesThatCannotBeRead) {
  const char format[] = "<%s>";
  char text[32];
  for (const uint64_t address : {uint64_t{0}, uint64_t{8}, ~uint64_t{0}, uint64_t{1} << 63}) {
    EXPECT_EQ(
        Call(&helpers::Snprintf, Address(text), sizeof text, Address(format), Address(&address), 8),
        3u);
    EXPECT_STREQ(text, "<>");
  }
}

// The engine's side of a callback: counts calls and stops at the third.
uint64_t StopAtThree(ExecutionContext& context, uint64_t function, uint64_t index,
                     uint64_t argument, uint64_t, uint64_t, uint64_t) noexcept {
  EXPECT_EQ(function, 77u);
  ++*reinterpret_cast<uint64_t*>(argument);
  if (index == 6) context.Stop(TrapCode::kBudget, "");
  return index == 2 ? 1 : 0;
}

TEST_F(RuntimeHelpers, LoopRunsUntilTheCallbackStopsIt) {
  model::ExecutionLayout::call(*context_) = &StopAtThree;
  uint64_t calls = 0;
  EXPECT_EQ(Call(&helpers::Loop, 2, 77, Address(&calls)), 2u);
  EXPECT_EQ(Call(&helpers::Loop, 10, 77, Address(&calls)), 3u);
  EXPECT_EQ(calls, 5u);
  EXPECT_EQ(Call(&helpers::Loop, 0, 77, Address(&calls)), 0u);
  EXPECT_EQ(static_cast<int64_t>(Call(&helpers::Loop, (1u << 23) + 1, 77, 0)), -E2BIG);
  EXPECT_EQ(static_cast<int64_t>(Call(&helpers::Loop, 1, 77, 0, 1)), -EINVAL);
}

}  // namespace
}  // namespace skep
