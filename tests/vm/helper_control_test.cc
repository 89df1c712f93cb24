// SPDX-License-Identifier: Apache-2.0
// What a host says of Linux's helpers: another function in the place of one, or
// that programs may not call it.
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

using test::ProgramFromText;

constexpr uint32_t kLookup = 1, kTime = 5, kTrace = 6, kCpu = 8, kTailCall = 12, kRandom = 7;

uint64_t FixedTime(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, ExecutionContext&) noexcept {
  return 1234;
}
uint64_t NeverFound(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, ExecutionContext&) noexcept {
  return 0;
}
uint64_t ThirdCpu(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, ExecutionContext&) noexcept {
  return 3;
}
uint64_t Stopping(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                  ExecutionContext& context) noexcept {
  context.Stop(TrapCode::kInterrupted, "enough");
  return 0;
}

using Replacements = std::vector<HelperReplacement>;

RuntimeOptions Replacing(Replacements replaced) {
  RuntimeOptions options;
  options.replaced_helpers = std::move(replaced);
  return options;
}
RuntimeOptions Forbidding(std::vector<uint32_t> ids) {
  RuntimeOptions options;
  options.forbidden_helpers = std::move(ids);
  return options;
}

class HelperControl : public testing::TestWithParam<Engine> {
 protected:
  static std::unique_ptr<Runtime> With(RuntimeOptions options) {
    auto runtime = Runtime::Create(std::move(options));
    if (!runtime) ADD_FAILURE() << runtime.error().message;
    return *std::move(runtime);
  }
  RunResult Run(Runtime& runtime, const std::string& text) {
    const Program program = ProgramFromText(text);
    auto instance = *runtime.Instantiate(program.maps());
    auto outcome = instance->Load(program, test::Privileged(GetParam()));
    if (!outcome || outcome->executable == nullptr) {
      ADD_FAILURE() << (outcome ? outcome->report.log : outcome.error().message);
      return {};
    }
    auto context = *runtime.NewContext();
    std::vector<std::byte> packet(64);
    return outcome->executable->RunPacket(*context, {.data = packet});
  }
};

TEST_P(HelperControl, CallsTheHostsFunctionInThePlaceOfLinuxs) {
  auto runtime = With(Replacing({{kTime, FixedTime}, {kCpu, ThirdCpu}}));
  EXPECT_EQ(Run(*runtime, "-- type\nxdp\n-- asm\ncall ktime_get_ns\nexit\n").value, 1234u);
  EXPECT_EQ(Run(*runtime, "-- type\nxdp\n-- asm\ncall get_smp_processor_id\nexit\n").value, 3u);
  // Another runtime knows nothing of it.
  auto other = With({});
  EXPECT_NE(Run(*other, "-- type\nxdp\n-- asm\ncall ktime_get_ns\nexit\n").value, 1234u);
}

// Machine code looks values of arrays up by itself, unless the host does.
TEST_P(HelperControl, InlinesNothingThatTheHostReplaces) {
  const std::string text =
      "-- type\nxdp\n-- maps\nvalues array key=4 value=8 entries=4\n-- asm\n"
      "r2 = r10\nr2 += -4\nr3 = 1\n*(u32 *)(r10 - 4) = r3\nr1 = map[0] ll\n"
      "call map_lookup_elem\nif r0 == 0 goto +2\nr0 = 1\nexit\nr0 = 2\nexit\n";
  auto runtime = With(Replacing({{kLookup, NeverFound}}));
  EXPECT_EQ(Run(*With({}), text).value, 1u);
  EXPECT_EQ(Run(*runtime, text).value, 2u);
}

TEST_P(HelperControl, LetsTheHostsFunctionStopTheRun) {
  auto runtime = With(Replacing({{kRandom, Stopping}}));
  const RunResult r = Run(*runtime, "-- type\nxdp\n-- asm\ncall get_prandom_u32\nr0 = 1\nexit\n");
  EXPECT_EQ(r.trap, TrapCode::kInterrupted);
}

TEST_P(HelperControl, RefusesProgramsThatCallWhatIsForbidden) {
  auto runtime = With(Forbidding({kTrace, kTime}));
  const Program program = ProgramFromText("-- type\nxdp\n-- asm\ncall ktime_get_ns\nexit\n");
  auto instance = *runtime->Instantiate(program.maps());
  auto outcome = instance->Load(program, test::Privileged(GetParam()));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->executable, nullptr);
  ASSERT_FALSE(outcome->report.findings.empty());
  EXPECT_EQ(outcome->report.findings[0].message,
            "program of this type cannot use helper bpf_ktime_get_ns#5");
  EXPECT_EQ(outcome->report.findings[0].advice, "the host forbids it to all programs");
  // Nor by the door for code that nobody verified.
  auto unverified = runtime->PrepareUnverified(program, Engine::kChecked, {});
  ASSERT_FALSE(unverified);
  EXPECT_NE(unverified.error().message.find("forbidden by the host"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Engines, HelperControl,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

TEST(HelperControlOptions, RefusesWhatMakesNoSense) {
  const auto error = [](RuntimeOptions options) {
    auto runtime = Runtime::Create(std::move(options));
    return runtime ? std::string() : runtime.error().message;
  };
  EXPECT_EQ(error(Replacing({{9999, FixedTime}})), "helper 9999 is none of Linux's to replace");
  EXPECT_EQ(error(Replacing({{kTime, nullptr}})), "helper 5 is replaced by no function");
  EXPECT_EQ(error(Replacing({{kTime, FixedTime}, {kTime, FixedTime}})),
            "helper 5 is replaced twice");
  EXPECT_NE(error(Replacing({{kTailCall, FixedTime}})), "");
  EXPECT_EQ(error(Forbidding({0})), "helper 0 is none of Linux's");
}

// Memory of the host is not for code that nobody verified.
TEST(HelperControlOptions, KeepsUnverifiedCodeFromTheHostsMemory) {
  auto runtime = *Runtime::Create({});
  const Program program = ProgramFromText(
      "-- type\nxdp\n-- asm\nr1 = r10\nr1 += -8\nr2 = 8\nr3 = 0\ncall probe_read_kernel\nexit\n");
  auto prepared = runtime->PrepareUnverified(program, Engine::kChecked, {});
  ASSERT_FALSE(prepared);
  EXPECT_NE(prepared.error().message.find("reaches any memory of the host"), std::string::npos);
}

}  // namespace
}  // namespace skep
