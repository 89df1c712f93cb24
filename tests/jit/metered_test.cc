// SPDX-License-Identifier: Apache-2.0
// Fuel: what it counts, what it keeps, how it ends a run.
#include <gtest/gtest.h>

#include "model/tail_target.h"
#include "tests/jit/call_support.h"
#include "tests/jit/view_map.h"

namespace skep::jit {
namespace {

TEST(Metered, StopsALoopThatNeverEnds) {
  const auto program = Program("r0 = 5\nagain: r0 += 1\nif r0 != 0 goto again\nexit");
  TestContext context;
  (*context).set_budget(1000);
  const Outcome outcome = RunOnce(MustCompile(program->exec, {.metered = true}), *context);
  EXPECT_EQ(outcome.trap, TrapCode::kBudget);
  EXPECT_EQ(outcome.insn, 2u);
  EXPECT_EQ(outcome.r0, 0u);
}

TEST(Metered, StopsInsideFunctionsAndUnwinds) {
  const auto program = Program(R"(
    r6 = 9
    call f
    r0 = r6
    exit
  f:
    r7 = 1
    *(u64 *)(r10 - 8) = 1
  again:
    r7 += 1
    if r7 != 0 goto again
    r0 = 1
    exit
  )");
  TestContext context;
  (*context).set_budget(5000);
  const Outcome outcome = RunOnce(MustCompile(program->exec, {.metered = true}), *context);
  EXPECT_EQ(outcome.trap, TrapCode::kBudget);
  EXPECT_EQ(outcome.r0, 0u);
}

TEST(Metered, NoticesAnInterrupt) {
  const auto program = Program("again: goto again");
  TestContext context;
  (*context).Interrupt();
  const Outcome outcome = RunOnce(MustCompile(program->exec, {.metered = true}), *context);
  EXPECT_EQ(outcome.trap, TrapCode::kInterrupted);
}

// More than one chunk of fuel: every register must survive the refill.
TEST(Metered, KeepsRegistersWhenFuelIsRefilled) {
  const auto program = Program(R"(
    r0 = 0; r1 = 1; r2 = 2; r3 = 3; r4 = 4; r5 = 5; r6 = 6; r7 = 7; r8 = 8; r9 = 3000000
    *(u64 *)(r10 - 8) = 77
    *(u64 *)(r10 - 120) = 88
  again:
    r0 += r1; r0 += r2; r0 += r3; r0 += r4; r0 += r5
    r9 += -1
    if r9 != 0 goto again
    r0 += r6; r0 += r7; r0 += r8
    r1 = *(u64 *)(r10 - 8)
    r0 += r1
    r1 = *(u64 *)(r10 - 120)
    r0 += r1
    exit
  )");
  TestContext context;
  const Outcome outcome = RunOnce(MustCompile(program->exec, {.metered = true}), *context);
  EXPECT_EQ(outcome.trap, TrapCode::kNone);
  EXPECT_EQ(outcome.r0, 15u * 3000000 + 21 + 77 + 88);
  EXPECT_EQ(CompileAndRun(program->exec), outcome.r0);
}

// What callbacks and targets of tail calls use up is missing afterwards.
TEST(Metered, CountsWhatCallbacksUse) {
  const auto program = Program(R"(
    r6 = 20
  again:
    r1 = f ll
    r2 = 5
    call 0x10003
    r6 += -1
    if r6 != 0 goto again
    r0 = 7
    exit
  f:
    r0 = 1000
  loop:
    r0 += -1
    if r0 != 0 goto loop
    exit
  )");
  const CompiledCode code = MustCompile(program->exec, {.metered = true});
  TestContext context;
  // 20 times 2 callbacks of 1000 rounds of 2 instructions.
  (*context).set_budget(70000);
  EXPECT_EQ(RunOnce(code, *context).trap, TrapCode::kBudget);
  (*context).set_budget(90000);
  const Outcome outcome = RunOnce(code, *context);
  EXPECT_EQ(outcome.trap, TrapCode::kNone);
  EXPECT_EQ(outcome.r0, 7u);
}

TEST(Metered, CountsWhatTargetsOfTailCallsUse) {
  const auto target = Program("r0 = 1000\nloop: r0 += -1\nif r0 != 0 goto loop\nexit");
  const CompiledCode target_code = MustCompile(target->exec, {.metered = true});
  model::TailTarget tail;
  tail.machine_entry = target_code.tail_entry;
  const model::TailTarget* slots[1] = {&tail};
  const auto program = Program(R"(
    r6 = 20
  again:
    call f
    r6 += -1
    if r6 != 0 goto again
    r0 = 7
    exit
  f:
    r2 = 0 ll
    r3 = 0
    call 12
    exit
  )");
  for (model::ExecInsn& insn : program->exec.insns) {
    if (insn.op == Op::kLdImm64) insn.set_wide(0x1000);  // the map; known, so not looked at
  }
  program->exec.maps.push_back(
      MakeViewMap(MapType::kProgArray, {reinterpret_cast<std::byte*>(slots), 8, 0, 1}));
  program->exec.facts.resize(program->exec.insns.size());
  for (model::InsnFact& fact : program->exec.facts) fact.map = 0;
  const CompiledCode code = MustCompile(program->exec, {.metered = true});
  TestContext context;
  (*context).set_budget(35000);
  EXPECT_EQ(RunOnce(code, *context).trap, TrapCode::kBudget);
  (*context).set_budget(45000);
  const Outcome outcome = RunOnce(code, *context);
  EXPECT_EQ(outcome.trap, TrapCode::kNone);
  EXPECT_EQ(outcome.r0, 7u);
}

}  // namespace
}  // namespace skep::jit
