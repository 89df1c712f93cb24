// SPDX-License-Identifier: Apache-2.0
// ExecutionContext and Runtime as embedders see them.
#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

using test::ProgramFromText;

class Context : public test::EngineTest {
 protected:
  RunResult Run(const std::string& text) {
    const Program program = ProgramFromText(text);
    const auto instance = MapsOf(program);
    const auto executable = Load(*instance, program, true);
    if (executable == nullptr) return {};
    std::vector<std::byte> packet(64);
    return executable->RunPacket(*context_, {.data = packet});
  }
};

TEST_P(Context, RepeatsRandomNumbersOfASeed) {
  const std::string text = "-- type\nxdp\n-- asm\ncall get_prandom_u32\nexit\n";
  context_->set_seed(7);
  const uint64_t first = Run(text).value;
  const uint64_t second = Run(text).value;
  EXPECT_NE(first, second);
  EXPECT_LE(first, 0xffffffffu);
  context_->set_seed(7);
  EXPECT_EQ(Run(text).value, first);
  EXPECT_EQ(Run(text).value, second);
  context_->set_seed(8);
  EXPECT_NE(Run(text).value, first);
}

TEST_P(Context, AsksTheHostsClock) {
  std::optional<int> asked;
  context_->set_hooks({.trace = nullptr, .clock = [&](int id) -> uint64_t {
                         asked = id;
                         return 12345;
                       }});
  EXPECT_EQ(Run("-- type\nxdp\n-- asm\ncall ktime_get_ns\nexit\n").value, 12345u);
  EXPECT_EQ(asked, CLOCK_MONOTONIC);
}

TEST_P(Context, ShowsItsCpu) {
  EXPECT_EQ(Run("-- type\nxdp\n-- asm\ncall get_smp_processor_id\nexit\n").value, context_->cpu());
}

TEST_P(Context, ForgetsWhatStoppedTheRunBefore) {
  context_->set_budget(10);
  const std::string loop =
      "-- type\nxdp\n-- asm\nr0 = 1000\nl:\nr0 += -1\nif r0 != 0 goto l\nexit\n";
  EXPECT_EQ(Run(loop).trap, TrapCode::kBudget);
  EXPECT_NE(context_->trap_detail(), "");
  context_->set_budget(0);
  EXPECT_EQ(Run(loop).trap, TrapCode::kNone);
  EXPECT_EQ(context_->trap_detail(), "");
}

INSTANTIATE_TEST_SUITE_P(Engines, Context,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

RuntimeOptions Options(uint32_t cpu_slots, std::vector<HelperSpec> helpers = {}) {
  RuntimeOptions options;
  options.cpu_slots = cpu_slots;
  options.helpers = std::move(helpers);
  return options;
}

TEST(RuntimeSlots, RefuseAContextWhenAllAreTaken) {
  const auto runtime = *Runtime::Create(Options(2));
  auto first = *runtime->NewContext();
  const auto second = *runtime->NewContext();
  EXPECT_NE(first->cpu(), second->cpu());
  const auto third = runtime->NewContext();
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::kResourceLimit);
  EXPECT_NE(third.error().message.find("all 2 cpu slots"), std::string::npos);
  const uint32_t given_back = first->cpu();
  first.reset();
  EXPECT_EQ((*runtime->NewContext())->cpu(), given_back);
}

TEST(RuntimeSlots, AreEachRuntimesOwn) {
  const auto one = *Runtime::Create(Options(1));
  const auto other = *Runtime::Create(Options(1));
  const auto context = *one->NewContext();
  EXPECT_TRUE(bool(other->NewContext()));
}

TEST(RuntimeHelpers, RefuseIdsAndNamesThatClash) {
  const auto create = [](uint32_t id, const char* name) {
    HelperSpec spec;
    spec.id = id;
    spec.name = name;
    spec.function = [](uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext&) noexcept -> uint64_t { return 5; };
    return spec;
  };
  EXPECT_TRUE(bool(Runtime::Create(Options(1, {create(kFirstHostHelperId, "mine")}))));
  EXPECT_FALSE(bool(Runtime::Create(Options(1, {create(1, "mine")})))) << "an id of Linux";
  EXPECT_FALSE(bool(Runtime::Create(Options(1, {create(kFirstHostHelperId, "map_lookup_elem")}))))
      << "a name of Linux";
  EXPECT_FALSE(bool(Runtime::Create(
      Options(1, {create(kFirstHostHelperId, "a"), create(kFirstHostHelperId, "b")}))))
      << "one id twice";
}

}  // namespace
}  // namespace skep
