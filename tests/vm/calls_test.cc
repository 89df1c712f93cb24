// SPDX-License-Identifier: Apache-2.0
// Local calls on every engine: what a callee must leave as it was, and what it
// may change through pointers.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

using test::ProgramFromText;

constexpr const char* kHead = "-- type\nxdp\n-- asm\n";

class Calls : public test::EngineTest {
 protected:
  RunResult Run(const std::string& code, uint32_t ifindex = 1) {
    const Program program = ProgramFromText(kHead + code);
    const auto executable = Load(*MapsOf(program), program);
    if (executable == nullptr) return {};
    std::vector<std::byte> packet(64);
    const RunResult result =
        executable->RunPacket(*context_, {.data = packet, .ingress_ifindex = ifindex});
    EXPECT_EQ(result.trap, TrapCode::kNone) << context_->trap_detail();
    return result;
  }
};

std::string Name(int frame) { return "f" + std::to_string(frame); }

// Each frame keeps r1 plus a number of its own in r6 .. r9 and on its stack over
// the call of the next; r0 becomes a hash of what it finds there afterwards.
std::string Chain(int frames) {
  std::string code = "r1 = *(u32 *)(r1 + 12)\n";
  for (int frame = 0; frame < frames; ++frame) {
    if (frame > 0) code += Name(frame) + ":\n";
    for (int reg = 6; reg <= 9; ++reg) {
      const std::string r = "r" + std::to_string(reg);
      code += r + " = r1\n" + r + " += " + std::to_string(frame * 10 + reg) + "\n";
    }
    code += "r2 = r1\nr2 += " + std::to_string(frame * 10) + "\n*(u64 *)(r10 - 24) = r2\n";
    code += frame + 1 < frames ? "call " + Name(frame + 1) + "\n" : "r0 = 1\n";
    for (const char* r : {"r6", "r7", "r8", "r9"})
      code += std::string("r0 *= 31\nr0 += ") + r + "\n";
    code += "r1 = *(u64 *)(r10 - 24)\nr0 *= 31\nr0 += r1\nexit\n";
  }
  return code;
}

TEST_P(Calls, KeepRegistersAndStackOfAllEightFrames) {
  constexpr int kFrames = 8;
  for (const uint32_t ifindex : {1u, 0xfffffff0u}) {
    uint64_t expected = 1;
    for (int frame = kFrames - 1; frame >= 0; --frame) {
      const uint64_t base = ifindex + uint64_t{10} * static_cast<uint64_t>(frame);
      for (uint64_t reg = 6; reg <= 9; ++reg) expected = expected * 31 + base + reg;
      expected = expected * 31 + base;
    }
    EXPECT_EQ(Run(Chain(kFrames), ifindex).value, expected);
  }
}

TEST_P(Calls, AreRefusedBeyondEightFrames) {
  const Program program = ProgramFromText(kHead + Chain(9));
  const auto outcome = MapsOf(program)->Load(program, test::Privileged(GetParam()));
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->executable, nullptr);
  ASSERT_FALSE(outcome->report.findings.empty());
  EXPECT_NE(outcome->report.findings[0].message.find("9 frames"), std::string::npos)
      << outcome->report.findings[0].message;
}

TEST_P(Calls, WriteTheCallersStackThroughAPointer) {
  EXPECT_EQ(Run("*(u64 *)(r10 - 8) = 1\n*(u64 *)(r10 - 16) = 2\n*(u64 *)(r10 - 24) = 3\n"
                "r1 = r10\nr1 += -16\ncall f\n"
                "r0 = *(u64 *)(r10 - 8)\nr0 *= 1000\n"
                "r1 = *(u64 *)(r10 - 16)\nr0 += r1\nr0 *= 1000\n"
                "r1 = *(u64 *)(r10 - 24)\nr0 += r1\nexit\n"
                "f:\n*(u64 *)(r10 - 8) = 91\n*(u64 *)(r10 - 16) = 92\n*(u64 *)(r10 - 24) = 93\n"
                "r2 = *(u64 *)(r10 - 16)\nr2 += 100\n*(u64 *)(r1 + 0) = r2\nr0 = 0\nexit\n")
                .value,
            1192003u);
}

TEST_P(Calls, PassAPointerThroughAllFrames) {
  std::string code =
      "*(u64 *)(r10 - 8) = 5\nr1 = r10\nr1 += -8\ncall f1\n"
      "r1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit\n";
  for (int frame = 1; frame < 8; ++frame) {
    code += Name(frame) +
            ":\n*(u64 *)(r10 - 8) = 7000\nr2 = *(u64 *)(r1 + 0)\nr2 *= 2\n"
            "*(u64 *)(r1 + 0) = r2\n";
    code += (frame < 7 ? "call " + Name(frame + 1) : std::string("r0 = 100000")) + "\nexit\n";
  }
  EXPECT_EQ(Run(code).value, 100000u + (5u << 7));
}

TEST_P(Calls, PassFiveArgumentsAndComeBackAsOftenAsAsked) {
  EXPECT_EQ(Run("r6 = 0\nr7 = 0\nloop:\n"
                "r1 = r7\nr2 = 20\nr3 = 300\nr4 = 4000\nr5 = 50000\ncall f\nr6 += r0\n"
                "r7 += 1\nif r7 != 10 goto loop\nr0 = r6\nexit\n"
                "f:\nr0 = r1\nr0 += r2\nr0 += r3\nr0 += r4\nr0 += r5\n"
                "r6 = 77\nr7 = 78\nr8 = 79\nr9 = 80\nexit\n")
                .value,
            45u + 10 * 54320u);
}

INSTANTIATE_TEST_SUITE_P(Engines, Calls,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
