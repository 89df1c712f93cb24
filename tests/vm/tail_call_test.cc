// SPDX-License-Identifier: Apache-2.0
// Tail calls on every engine, by Linux's rules (kernel-tested behaviour: at
// most 33, index taken as u32, failure falls through).
#include <string>

#include <gtest/gtest.h>

#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

using test::ProgramFromText;

constexpr const char* kMaps =
    "-- maps\n"
    "jumps prog_array key=4 value=4 entries=4\n"
    "counts array key=4 value=8 entries=1\n";

// Counts its run, then jumps to slot `slot`; returns `fallback` when that fails.
std::string Jumper(const std::string& slot, const std::string& fallback) {
  return std::string("-- type\nxdp\n") + kMaps +
         "-- asm\n"
         "r6 = r1\n"
         "r1 = map[counts][0] ll\n"
         "r2 = 1\n"
         "lock *(u64 *)(r1 + 0) += r2\n"
         "r1 = r6\n"
         "r2 = map[jumps] ll\n" +
         slot + "call tail_call\nr0 = " + fallback + "\nexit\n";
}

class TailCall : public test::EngineTest {
 protected:
  uint64_t Count(Instance& instance) {
    const uint32_t key = 0;
    uint64_t value = 0;
    EXPECT_EQ(instance.FindMap("counts")->HostLookup(reinterpret_cast<const std::byte*>(&key),
                                                     reinterpret_cast<std::byte*>(&value)),
              0);
    return value;
  }
  RunResult Run(const Executable& executable) {
    std::vector<std::byte> packet(64);
    return executable.RunPacket(*context_, {.data = packet});
  }
};

TEST_P(TailCall, RunsTheTargetAndDoesNotComeBack) {
  const Program caller = ProgramFromText(Jumper("r3 = 2\n", "1"), "caller");
  const Program target =
      ProgramFromText(std::string("-- type\nxdp\n") + kMaps + "-- asm\nr0 = 42\nexit\n", "target");
  const auto instance = MapsOf(caller);
  const auto executable = Load(*instance, caller);
  ASSERT_EQ(instance->SetProgram(*instance->FindMap("jumps"), 2, Load(*instance, target)), 0);
  EXPECT_EQ(Run(*executable).value, 42u);
}

TEST_P(TailCall, FallsThroughOnAnEmptySlotAndOutOfRange) {
  for (const char* slot : {"r3 = 1\n", "r3 = 4\n", "r3 = -1\n"}) {
    const Program caller = ProgramFromText(Jumper(slot, "7"), "caller");
    const auto instance = MapsOf(caller);
    EXPECT_EQ(Run(*Load(*instance, caller)).value, 7u) << slot;
  }
}

TEST_P(TailCall, TakesTheIndexAsU32) {
  const Program caller = ProgramFromText(Jumper("r3 = 0x700000001 ll\n", "7"), "caller");
  const Program target = ProgramFromText("-- type\nxdp\n-- asm\nr0 = 42\nexit\n", "target");
  const auto instance = MapsOf(caller);
  const auto executable = Load(*instance, caller);
  ASSERT_EQ(instance->SetProgram(*instance->FindMap("jumps"), 1, Load(*instance, target)), 0);
  EXPECT_EQ(Run(*executable).value, 42u);
}

TEST_P(TailCall, EndsAfter33) {
  const Program self = ProgramFromText(Jumper("r3 = 0\n", "5"), "self");
  const auto instance = MapsOf(self);
  const auto executable = Load(*instance, self);
  ASSERT_EQ(instance->SetProgram(*instance->FindMap("jumps"), 0, executable), 0);
  EXPECT_EQ(Run(*executable).value, 5u);
  EXPECT_EQ(Count(*instance), 34u) << "the first program and 33 that it reached by tail calls";
  EXPECT_EQ(Run(*executable).value, 5u) << "each run has a budget of its own";
  EXPECT_EQ(Count(*instance), 68u);
}

TEST_P(TailCall, SeesASlotThatWasEmptied) {
  const Program caller = ProgramFromText(Jumper("r3 = 0\n", "7"), "caller");
  const Program target = ProgramFromText("-- type\nxdp\n-- asm\nr0 = 42\nexit\n", "target");
  const auto instance = MapsOf(caller);
  const auto executable = Load(*instance, caller);
  const auto jumps = instance->FindMap("jumps");
  ASSERT_EQ(instance->SetProgram(*jumps, 0, Load(*instance, target)), 0);
  EXPECT_EQ(Run(*executable).value, 42u);
  const uint32_t key = 0;
  ASSERT_EQ(jumps->HostDelete(reinterpret_cast<const std::byte*>(&key)), 0);
  EXPECT_EQ(Run(*executable).value, 7u);
}

TEST_P(TailCall, TakesOnlyProgramsOfOneKind) {
  const Program caller = ProgramFromText(Jumper("r3 = 0\n", "7"), "caller");
  const Program other = ProgramFromText("-- type\nsocket_filter\n-- asm\nr0 = 0\nexit\n", "other");
  const auto instance = MapsOf(caller);
  const auto executable = Load(*instance, caller);
  EXPECT_EQ(instance->SetProgram(*instance->FindMap("jumps"), 0, Load(*instance, other)), -EINVAL);
}

TEST_P(TailCall, FreesProgramsThatReachEachOther) {
  const Program self = ProgramFromText(Jumper("r3 = 0\n", "5"), "self");
  std::weak_ptr<Executable> watched;
  {
    const auto instance = MapsOf(self);
    const auto executable = Load(*instance, self);
    ASSERT_EQ(instance->SetProgram(*instance->FindMap("jumps"), 0, executable), 0);
    watched = executable;
  }
  EXPECT_TRUE(watched.expired());
}

INSTANTIATE_TEST_SUITE_P(Engines, TailCall,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
