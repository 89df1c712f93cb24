// SPDX-License-Identifier: Apache-2.0
// Helpers, functions of the program, tail calls, array lookups and how stopped
// runs unwind.
#include <array>
#include <cstring>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "model/execution_layout.h"
#include "model/fuel.h"
#include "model/host_context.h"
#include "model/tail_target.h"
#include "tests/jit/exec_from_text.h"
#include "tests/jit/view_map.h"

namespace skep::jit {
namespace {

using model::ExecutionLayout;

uint64_t Digits(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
                ExecutionContext&) noexcept {
  return ((((r1 * 10 + r2) * 10 + r3) * 10 + r4) * 10 + r5);
}
uint64_t CpuOfContext(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                      ExecutionContext& context) noexcept {
  return context.cpu();
}
// Whether the stack is aligned as the machine's calls demand.
uint64_t StackAlignment(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                        ExecutionContext&) noexcept {
  return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) % 16;
}
uint64_t CallTwice(uint64_t function, uint64_t argument, uint64_t, uint64_t, uint64_t,
                   ExecutionContext& context) noexcept {
  const uint64_t first = context.Call(function, argument, 1, 2, 3, 4);
  if (context.stopped()) return 0;
  return first * 1000 + context.Call(function, argument + 1, 1, 2, 3, 4);
}
uint64_t StopTheRun(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  context.Stop(TrapCode::kBadCall, "the helper says so");
  return 77;
}

HelperSpec Helper(uint32_t id, HelperFunction function, uint16_t flags = 0) {
  HelperSpec spec;
  spec.id = id;
  spec.name = "helper";
  spec.flags = flags;
  spec.function = function;
  return spec;
}

std::vector<HelperSpec> Helpers() {
  return {Helper(kFirstHostHelperId, Digits),
          Helper(kFirstHostHelperId + 1, CpuOfContext),
          Helper(kFirstHostHelperId + 2, StackAlignment),
          Helper(kFirstHostHelperId + 3, CallTwice, kHelperCallsBack),
          Helper(kFirstHostHelperId + 4, StopTheRun, kHelperCallsBack),
          Helper(model::kHelperGetSmpProcessorId, nullptr),
          Helper(model::kHelperMapLookup, nullptr),
          Helper(model::kHelperTailCall, nullptr)};
}

std::unique_ptr<TestProgram> Program(std::string_view text) { return FromText(text, Helpers()); }

struct Outcome {
  uint64_t r0 = 0;
  TrapCode trap = TrapCode::kNone;
  uint32_t insn = 0;
};

Outcome RunOnce(const CompiledCode& code, ExecutionContext& context, uint64_t r1 = 0) {
  ExecutionLayout::call(context) = &CallFunction;
  ExecutionLayout::trap(context) = TrapCode::kNone;
  ExecutionLayout::tail_calls(context) = 0;
  model::StartFuel(context);
  Outcome outcome;
  outcome.r0 = code.entry(r1, 0, &context);
  outcome.trap = ExecutionLayout::trap(context);
  outcome.insn = ExecutionLayout::trap_insn(context);
  return outcome;
}

CompiledCode MustCompile(const model::ExecProgram& exec, const CompileOptions& options = {}) {
  auto code = Compile(exec, options);
  EXPECT_TRUE(bool(code)) << code.error().message;
  return *std::move(code);
}

TEST(Call, PassesFiveArgumentsToHelpers) {
  const auto program = Program("r1 = 1; r2 = 2; r3 = 3; r4 = 4; r5 = 5; call 0x10000; exit");
  EXPECT_EQ(CompileAndRun(program->exec), 12345u);
}

TEST(Call, GivesHelpersTheContext) {
  const auto program = Program("call 0x10001; exit");
  TestContext context(3);
  EXPECT_EQ(RunOnce(MustCompile(program->exec), *context).r0, 3u);
}

TEST(Call, ReadsTheCpuWithoutACall) {
  const auto program = Program("call 8; exit");
  TestContext context(5);
  EXPECT_EQ(RunOnce(MustCompile(program->exec), *context).r0, 5u);
}

// Each number of saved registers and sizes of the stack, in main and below it.
TEST(Call, AlignsTheStackForHelpers) {
  for (int saved = 0; saved <= 4; ++saved) {
    for (const char* stack : {"", "*(u64 *)(r10 - 8) = 1\n", "*(u64 *)(r10 - 16) = 1\n"}) {
      std::string body;
      for (int i = 0; i < saved; ++i) body += "r" + std::to_string(6 + i) + " = 1\n";
      body += stack;
      const std::string call = body + "call 0x10002\n";
      EXPECT_EQ(CompileAndRun(Program(call + "exit")->exec), 0u) << saved << stack;
      EXPECT_EQ(CompileAndRun(Program(body + "call f\nexit\nf:\n" + call + "exit")->exec), 0u)
          << saved << stack;
    }
  }
}

TEST(Call, KeepsTheCallersRegistersAndStack) {
  const auto program = Program(R"(
    r6 = 6; r7 = 7; r8 = 8; r9 = 9
    *(u64 *)(r10 - 8) = 1000
    *(u64 *)(r10 - 512) = 2000
    r1 = 100
    call f
    r0 += r6; r0 += r7; r0 += r8; r0 += r9
    r1 = *(u64 *)(r10 - 8)
    r0 += r1
    r1 = *(u64 *)(r10 - 512)
    r0 += r1
    exit
  f:
    r6 = 60; r7 = 70; r8 = 80; r9 = 90
    *(u64 *)(r10 - 8) = 5
    *(u64 *)(r10 - 512) = 5
    r0 = r1
    call g
    r0 += r6; r0 += r7; r0 += r8; r0 += r9
    exit
  g:
    r6 = 1
    *(u64 *)(r10 - 128) = r6
    r0 = *(u64 *)(r10 - 128)
    exit
  )");
  // r0 of f is g's 1 + 300.
  EXPECT_EQ(CompileAndRun(program->exec), 1u + 300 + 30 + 1000 + 2000);
}

// The host's registers must survive: the compiler of this test keeps values in
// them over the call.
TEST(Call, KeepsTheHostsRegisters) {
  const auto program = Program("r6 = 1; r7 = 2; r8 = 3; r9 = 4; call 0x10001; r0 = r9; exit");
  const CompiledCode code = MustCompile(program->exec);
  TestContext context;
  uint64_t sum = 0;
  for (uint64_t i = 1; i <= 100; ++i) sum += i * RunOnce(code, *context).r0;
  EXPECT_EQ(sum, 4u * 5050);
}

TEST(Call, EntersCallbacksFromHelpers) {
  const auto program = Program(R"(
    r6 = 40
    r1 = f ll
    r2 = 5
    call 0x10003
    r0 += r6
    exit
  f:
    r6 = r1
    r6 += r2
    r6 += r5
    call 0x10001
    r0 += r6
    exit
  )");
  TestContext context(7);
  // f(5) = 5 + 1 + 4 + 7, f(6) one more.
  EXPECT_EQ(RunOnce(MustCompile(program->exec), *context).r0, 17u * 1000 + 18 + 40);
}

TEST(Call, StopsWhenACallbackStops) {
  const auto program = Program(R"(
    r1 = f ll
    r2 = 5
    call 0x10003
    r0 = 1
    exit
  f:
    call g
    r0 = 2
    exit
  g:
    r6 = 3
    call 0x10004
    r0 = r6
    exit
  )");
  TestContext context;
  const Outcome outcome = RunOnce(MustCompile(program->exec), *context);
  EXPECT_EQ(outcome.trap, TrapCode::kBadCall);
  EXPECT_EQ(outcome.r0, 0u);
  EXPECT_EQ(outcome.insn, 3u);  // slot of the helper call that the program sees
}

TEST(Call, StopsInTheMiddleOfFunctions) {
  const auto program = Program("r6 = 1; call f; r0 = r6; exit\nf: r7 = 1; call 0x10004; exit");
  TestContext context;
  const Outcome outcome = RunOnce(MustCompile(program->exec), *context);
  EXPECT_EQ(outcome.trap, TrapCode::kBadCall);
  EXPECT_EQ(outcome.r0, 0u);
  EXPECT_EQ(outcome.insn, 5u);
}

// ---- fuel ------------------------------------------------------------------

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

// ---- packet loads ----------------------------------------------------------

TEST(PacketLoad, ReadsInsideThePacketAndElseReturnsZero) {
  std::array<std::byte, 20> packet;
  for (size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<std::byte>(0xa0 + i);
  model::SkbContext skb;
  skb.mac = packet.data();
  skb.data = packet.data() + 14;
  skb.data_end = packet.data() + packet.size();
  struct Case {
    const char* load;
    uint64_t result;
  };
  constexpr uint64_t kOutside = 0;
  for (const Case& c : std::initializer_list<Case>{
           {"*(u32 *)skb[0]", 0xaeafb0b1},
           {"*(u32 *)skb[2]", 0xb0b1b2b3},
           {"*(u32 *)skb[3]", kOutside},
           {"*(u16 *)skb[4]", 0xb2b3},
           {"*(u16 *)skb[5]", kOutside},
           {"*(u8 *)skb[5]", 0xb3},
           {"*(u8 *)skb[6]", kOutside},
           {"*(u8 *)skb[-1]", kOutside},
           {"*(u8 *)skb[-2097152]", 0xa0},     // link-layer header
           {"*(u16 *)skb[-2097134]", 0xb2b3},  // its 18th byte
           {"*(u16 *)skb[-2097133]", kOutside},
           {"*(u8 *)skb[-2097153]", kOutside},
           {"*(u8 *)skb[-1048576]", 0xae},  // network header
           {"*(u8 *)skb[-1048570]", kOutside},
           {"*(u8 *)skb[0x7fffffff]", kOutside},
           {"*(u16 *)skb[r7 + 1]", 0xb1b2},  // r7 is 2
           {"*(u16 *)skb[r7 + 3]", kOutside},
           {"*(u8 *)skb[r8 + 1]", 0xae},  // r8 is 2^32 - 1: the low half counts
       }) {
    const auto program = Program(std::string("r6 = r1\nr7 = 2\nw8 = -1\nr9 = 5\nr0 = ") + c.load +
                                 "\nr0 += r7\nexit");
    const uint64_t r0 = CompileAndRun(program->exec, {}, reinterpret_cast<uintptr_t>(&skb));
    EXPECT_EQ(r0, c.result == kOutside ? 0 : c.result + 2) << c.load;
  }
}

// ---- lookups ---------------------------------------------------------------

std::unique_ptr<TestProgram> LookupProgram(MapType type, DirectView view, bool in_range) {
  auto program = Program("r2 = r1; r1 = 0; r6 = 6; call 1; exit");
  program->exec.maps.push_back(MakeViewMap(type, view));
  program->exec.facts.resize(program->exec.insns.size());
  program->exec.facts[3].map = 0;
  program->exec.facts[3].lookup_not_null = in_range;
  return program;
}

TEST(Lookup, FindsElementsOfEveryStride) {
  auto* base = reinterpret_cast<std::byte*>(uintptr_t{0x123456780000});
  for (uint64_t stride : {1u, 2u, 4u, 8u, 16u, 24u, 40u, 64u, 1000u, 4096u, 1u << 20}) {
    for (uint64_t cpu_stride : {uint64_t{0}, uint64_t{64}, uint64_t{4000}}) {
      const MapType type = cpu_stride == 0 ? MapType::kArray : MapType::kPercpuArray;
      for (bool in_range : {false, true}) {
        const auto program = LookupProgram(type, {base, stride, cpu_stride, 100}, in_range);
        const CompiledCode code = MustCompile(program->exec);
        TestContext context(3);
        for (uint32_t key : {0u, 1u, 99u, 100u, 0x80000000u, 0xffffffffu}) {
          if (in_range && key >= 100) continue;
          uint32_t keys[2] = {key, 0xdddddddd};
          const uint64_t r0 = RunOnce(code, *context, reinterpret_cast<uintptr_t>(keys)).r0;
          const uint64_t address =
              reinterpret_cast<uintptr_t>(base) + key * stride + 3 * cpu_stride;
          EXPECT_EQ(r0, key < 100 ? address : 0) << stride << " " << cpu_stride << " " << key;
        }
      }
    }
  }
}

TEST(Lookup, ComparesIndexesWithTheLargestMaps) {
  auto* base = reinterpret_cast<std::byte*>(uintptr_t{0x123456780000});
  const auto program = LookupProgram(MapType::kArray, {base, 8, 0, 0xfffffffe}, false);
  const CompiledCode code = MustCompile(program->exec);
  TestContext context;
  uint32_t key = 0xfffffffd;
  EXPECT_EQ(RunOnce(code, *context, reinterpret_cast<uintptr_t>(&key)).r0,
            0x123456780000 + uint64_t{0xfffffffd} * 8);
  key = 0xfffffffe;
  EXPECT_EQ(RunOnce(code, *context, reinterpret_cast<uintptr_t>(&key)).r0, 0u);
}

// ---- tail calls ------------------------------------------------------------

struct Slots {
  const model::TailTarget* slots[4] = {};
  std::shared_ptr<Map> map =
      MakeViewMap(MapType::kProgArray, {reinterpret_cast<std::byte*>(slots), 8, 0, 4});
};

enum class Known { kNothing, kMap, kIndex };

// Replaces `MAP` (a wide load) and tells the compiler what is known.
void Bind(TestProgram& program, Slots& slots, Known known, uint64_t index = 0) {
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

// ---- the rest --------------------------------------------------------------

TEST(Compile, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"may_goto +0; r0 = 0; exit", "r0 = addr_space_cast(r1, 0, 1); exit"}) {
    const auto program = FromText(text);
    const auto code = Compile(program->exec, {});
    ASSERT_FALSE(bool(code)) << text;
    EXPECT_EQ(code.error().code, ErrorCode::kUnsupported);
  }
}

TEST(Compile, MakesPagesThatAreNeverWritable) {
  const auto program = FromText("r0 = 1; exit");
  const CompiledCode code = MustCompile(program->exec);
  std::ifstream maps("/proc/self/maps");
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    EXPECT_EQ(line.find(" rwx"), std::string::npos) << line;
    const uintptr_t begin = std::stoull(line, nullptr, 16);
    if (begin != reinterpret_cast<uintptr_t>(code.memory.address())) continue;
    found = true;
    EXPECT_NE(line.find(" r-xp"), std::string::npos) << line;
  }
  EXPECT_TRUE(found);
}

TEST(Compile, TellsWhereEachInstructionIs) {
  const auto program = FromText("r0 = 1; r1 = 2; r0 += r1; r1 = 5; exit");
  const CompiledCode code = MustCompile(program->exec);
  ASSERT_EQ(code.offsets.size(), 6u);
  for (size_t i = 1; i < code.offsets.size(); ++i) EXPECT_GE(code.offsets[i], code.offsets[i - 1]);
  EXPECT_EQ(code.offsets[4] - code.offsets[3], 0u) << "nothing reads r1 any more";
  EXPECT_EQ(code.offsets.back(), code.memory.size());
}

}  // namespace
}  // namespace skep::jit
