// SPDX-License-Identifier: Apache-2.0
// Helpers, functions of the program, callbacks, and how stopped runs unwind.
#include <array>
#include <initializer_list>
#include <string>

#include <gtest/gtest.h>

#include "model/host_context.h"
#include "tests/jit/call_support.h"
#include "tests/jit/view_map.h"

namespace skep::jit {
namespace {

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

// The host's own helpers may stop the run without saying so beforehand.
TEST(Call, StopsAfterAnyHelperOfTheHost) {
  const auto program = Program("call 0x10005; r0 = 5; exit");
  TestContext context;
  const Outcome outcome = RunOnce(MustCompile(program->exec), *context);
  EXPECT_EQ(outcome.trap, TrapCode::kBadCall);
  EXPECT_EQ(outcome.r0, 0u);
}

TEST(Call, StopsInTheMiddleOfFunctions) {
  const auto program = Program("r6 = 1; call f; r0 = r6; exit\nf: r7 = 1; call 0x10004; exit");
  TestContext context;
  const Outcome outcome = RunOnce(MustCompile(program->exec), *context);
  EXPECT_EQ(outcome.trap, TrapCode::kBadCall);
  EXPECT_EQ(outcome.r0, 0u);
  EXPECT_EQ(outcome.insn, 5u);
}

TEST(PacketLoad, ReadsInsideThePacketAndElseReturnsZero) {
  std::array<std::byte, 20> packet;
  for (size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<std::byte>(0xa0 + i);
  model::SkbContext skb;
  skb.mac = packet.data();
  skb.network = skb.data = packet.data() + 14;
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

}  // namespace
}  // namespace skep::jit
