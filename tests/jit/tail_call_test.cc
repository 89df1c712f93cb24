// SPDX-License-Identifier: Apache-2.0
// Tail calls: jumps, limits, frames.
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "model/tail_target.h"
#include "tests/jit/call_support.h"
#include "tests/jit/view_map.h"

namespace skep::jit {
namespace {

struct Slots {
  const model::TailTarget* slots[4] = {};
  std::shared_ptr<Map> map =
      MakeViewMap(MapType::kProgArray, {reinterpret_cast<std::byte*>(slots), 8, 0, 4});
};

enum class Known { kNothing, kMap, kIndex };

// Replaces `MAP` (a wide load) and tells the compiler what is known.
void Bind(TestProgram& program, Slots& slots, Known known, uint32_t index = 0) {
  program.exec.maps.push_back(slots.map);
  if (known != Known::kNothing) program.exec.facts.resize(program.exec.insns.size());
  for (size_t i = 0; i < program.exec.insns.size(); ++i) {
    model::ExecInsn& insn = program.exec.insns[i];
    if (insn.op == Op::kLdImm64) insn.set_wide(reinterpret_cast<uintptr_t>(slots.map.get()));
    if (insn.op != Op::kCallHelper || known == Known::kNothing) continue;
    program.exec.facts[i].map = 0;
    if (known == Known::kIndex) program.exec.facts[i].constant_index = index;
  }
}

class TailCalls : public testing::TestWithParam<Known> {};

TEST_P(TailCalls, JumpIntoTheProgramOfTheSlot) {
  Slots slots;
  const auto target = Program("r0 = *(u64 *)(r1 + 0); r6 = 5; r7 = 6; r0 += 1; exit");
  const CompiledCode target_code = MustCompile(target->exec);
  model::TailTarget tail;
  tail.machine_entry = target_code.tail_entry;
  slots.slots[2] = &tail;
  const auto program = Program(R"(
    r6 = 1; r7 = 2; r8 = 3
    *(u64 *)(r10 - 8) = 1
    r2 = 0 ll
    r3 = 2
    call 12
    r0 = 1234
    exit
  )");
  Bind(*program, slots, GetParam(), 2);
  TestContext context;
  uint64_t memory = 41;
  EXPECT_EQ(RunOnce(MustCompile(program->exec), *context, reinterpret_cast<uintptr_t>(&memory)).r0,
            42u);
  EXPECT_EQ(ExecutionLayout::tail_calls(*context), 1u);
  slots.slots[2] = nullptr;
  EXPECT_EQ(RunOnce(MustCompile(program->exec), *context).r0, 1234u);
  EXPECT_EQ(ExecutionLayout::tail_calls(*context), 0u) << "empty slots do not count";
}

TEST_P(TailCalls, EndAtTheLimitOf33) {
  Slots slots;
  const auto program = Program(R"(
    r0 = *(u64 *)(r1 + 0)
    r0 += 1
    *(u64 *)(r1 + 0) = r0
    r6 = r1
    r2 = 0 ll
    r3 = 0
    call 12
    r0 = *(u64 *)(r6 + 0)
    exit
  )");
  Bind(*program, slots, GetParam(), 0);
  const CompiledCode code = MustCompile(program->exec);
  model::TailTarget tail;
  tail.machine_entry = code.tail_entry;
  slots.slots[0] = &tail;
  TestContext context;
  uint64_t runs = 0;
  EXPECT_EQ(RunOnce(code, *context, reinterpret_cast<uintptr_t>(&runs)).r0, 34u);
  EXPECT_EQ(ExecutionLayout::tail_calls(*context), 33u);
}

// Only the subprogram's frame is replaced: the target returns to its caller.
TEST_P(TailCalls, FromASubprogramReturnToItsCaller) {
  Slots slots;
  const auto target = Program("r6 = 9; r7 = 9; r8 = 9; r9 = 9; call 0x10001; r0 += 100; exit");
  const CompiledCode target_code = MustCompile(target->exec);
  model::TailTarget tail;
  tail.machine_entry = target_code.tail_entry;
  slots.slots[1] = &tail;
  const auto program = Program(R"(
    r6 = 1; r9 = 20
    *(u64 *)(r10 - 8) = 300
    call f
    r0 += r6
    r0 += r9
    r1 = *(u64 *)(r10 - 8)
    r0 += r1
    r6 = r0
    call 0x10001
    r0 += r6
    exit
  f:
    r6 = 5
    *(u64 *)(r10 - 8) = 5
    *(u64 *)(r10 - 400) = 5
    r2 = 0 ll
    r3 = 1
    call 12
    r0 = 0
    exit
  )");
  Bind(*program, slots, GetParam(), 1);
  TestContext context(2);
  EXPECT_EQ(RunOnce(MustCompile(program->exec), *context).r0, 102u + 1 + 20 + 300 + 2);
}

TEST_P(TailCalls, StopTheCallerWhenTheTargetStops) {
  Slots slots;
  const auto target = Program("again: goto again");
  const CompiledCode target_code = MustCompile(target->exec, {.metered = true});
  model::TailTarget tail;
  tail.machine_entry = target_code.tail_entry;
  slots.slots[1] = &tail;
  const auto program = Program("call f; r0 = 5; exit\nf: r2 = 0 ll; r3 = 1; call 12; r0 = 0; exit");
  Bind(*program, slots, GetParam(), 1);
  TestContext context;
  (*context).set_budget(100);
  for (bool metered : {false, true}) {
    const Outcome outcome = RunOnce(MustCompile(program->exec, {.metered = metered}), *context);
    EXPECT_EQ(outcome.trap, TrapCode::kBudget);
    EXPECT_EQ(outcome.r0, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Known, TailCalls,
                         testing::Values(Known::kNothing, Known::kMap, Known::kIndex),
                         [](const auto& param) {
                           return param.param == Known::kNothing ? "Nothing"
                                  : param.param == Known::kMap   ? "Map"
                                                                 : "Index";
                         });

TEST(TailCall, FallsThroughOnIndexesOutOfRange) {
  for (Known known : {Known::kNothing, Known::kMap, Known::kIndex}) {
    // Linux looks at 32 bits of the index.
    for (const char* index : {"4", "-1", "0x7fffffff"}) {
      Slots slots;
      const auto program =
          Program(std::string("r2 = 0 ll\nr3 = ") + index + "\ncall 12\nr0 = 7\nexit");
      Bind(*program, slots, known, 0xffffffff);
      TestContext context;
      EXPECT_EQ(RunOnce(MustCompile(program->exec), *context).r0, 7u);
    }
  }
}

TEST(TailCall, LooksAtTheLowHalfOfTheIndex) {
  Slots slots;
  const auto target = Program("r0 = 8; exit");
  const CompiledCode target_code = MustCompile(target->exec);
  model::TailTarget tail;
  tail.machine_entry = target_code.tail_entry;
  slots.slots[3] = &tail;
  for (Known known : {Known::kNothing, Known::kMap}) {
    const auto program =
        Program("r2 = 0 ll\nr3 = 3\nr4 = 1\nr4 <<= 40\nr3 |= r4\ncall 12\nr0 = 7\nexit");
    Bind(*program, slots, known);
    TestContext context;
    EXPECT_EQ(RunOnce(MustCompile(program->exec), *context).r0, 8u);
  }
}

}  // namespace
}  // namespace skep::jit
