// SPDX-License-Identifier: Apache-2.0
// What lowering makes of verified programs, and that engines run it.
#include "vm/lower.h"

#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isa/op.h"
#include "model/exec_program.h"
#include "model/host_context.h"
#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

using model::ExecInsn;
using model::ExecProgram;
using model::SkbContext;
using model::XdpContext;
using test::ProgramFromText;

class Lowered : public test::EngineTest {
 protected:
  // REQUIRES: the program has no maps.
  std::shared_ptr<Executable> LoadText(const std::string& text) {
    const Program program = ProgramFromText(text);
    return Load(*MapsOf(program), program);
  }
  uint64_t RunXdp(const Executable& executable, uint32_t ifindex) {
    std::vector<std::byte> packet(64);
    const RunResult result =
        executable.RunPacket(*context_, {.data = packet, .ingress_ifindex = ifindex});
    EXPECT_EQ(result.trap, TrapCode::kNone) << context_->trap_detail();
    return result.value;
  }
};

TEST_P(Lowered, RefusesAHelperWithoutAFunctionByName) {
  struct Case {
    const char* text;
    const char* words;
  };
  for (const Case& c :
       {Case{"-- type\nsched_cls\n-- asm\nr2 = 0\ncall skb_ancestor_cgroup_id\nr0 = 0\nexit\n",
             "instruction 1: helper skb_ancestor_cgroup_id#83"},
        Case{"-- type\nsched_cls\n-- asm\ncall skb_cgroup_id\nr0 = 0\nexit\n",
             "instruction 0: helper skb_cgroup_id#79"}}) {
    const Program program = ProgramFromText(c.text);
    const auto outcome = MapsOf(program)->Load(program, test::Privileged(GetParam()));
    ASSERT_FALSE(outcome) << c.text;
    EXPECT_EQ(outcome.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(outcome.error().message.find(c.words), std::string::npos) << outcome.error().message;
  }
}

TEST_P(Lowered, RefusesToRunATypeThatNothingInAProcessRuns) {
  const Program program =
      ProgramFromText("-- type\nraw_tracepoint_writable\n-- asm\nr0 = 1\nexit\n");
  const auto outcome = MapsOf(program)->Load(program, test::Privileged(GetParam()));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(outcome.error().message.find("nothing in a process runs programs of type "
                                         "raw_tracepoint_writable; they can only be verified"),
            std::string::npos)
      << outcome.error().message;
}

TEST_P(Lowered, MayHoldAHelperWithoutAFunctionWhereNoPathLeads) {
  const auto executable = LoadText(
      "-- type\nxdp\n-- asm\n"
      "r6 = 1\nif r6 == 1 goto end\nr1 = 1\nr2 = 0\ncall redirect\nend:\nr0 = 9\nexit\n");
  ASSERT_NE(executable, nullptr);
  EXPECT_EQ(RunXdp(*executable, 1), 9u);
}

// Dead code between a jump and its target, on a path and across it.
constexpr const char* kDeadCode =
    "-- type\nxdp\n-- asm\n"
    "r2 = *(u32 *)(r1 + 12)\n"      // 0
    "r3 = 1\n"                      // 1
    "if r2 == 5 goto far\n"         // 2
    "if r3 == 1 goto live\n"        // 3: always
    "r0 = 111\n"                    // 4: never reached
    "r0 = 0x1122334455667788 ll\n"  // 5, 6: never reached
    "live:\n"
    "if r3 == 2 goto far\n"  // 7: never
    "r0 = 0x300000003 ll\n"  // 8, 9
    "exit\n"                 // 10
    "far:\n"
    "r0 = 4\n"  // 11
    "exit\n";   // 12

TEST_P(Lowered, DropsUnreachedCodeAndKeepsJumpsOnTheirTargets) {
  const auto executable = LoadText(kDeadCode);
  ASSERT_NE(executable, nullptr);
  const ExecProgram& exec = executable->exec();
  EXPECT_EQ(exec.origin, (std::vector<uint32_t>{0, 1, 2, 3, 8, 10, 11, 12}));
  ASSERT_EQ(exec.insns.size(), exec.origin.size());
  EXPECT_EQ(exec.facts.size(), exec.origin.size());
  EXPECT_EQ(exec.origin[exec.insns[2].target], 11u);
  EXPECT_EQ(exec.insns[3].op, Op::kJa) << "a jump that is always taken asks nothing";
  EXPECT_EQ(exec.origin[exec.insns[3].target], 8u) << "past the jump that is never taken";
  EXPECT_EQ(exec.insns[4].wide(), 0x300000003u);
  EXPECT_EQ(RunXdp(*executable, 5), 4u);
  EXPECT_EQ(RunXdp(*executable, 6), 0x300000003u);
}

TEST_P(Lowered, MovesCallsAndSubprogramsWithTheirCode) {
  const auto executable = LoadText(
      "-- type\nxdp\n-- asm\n"
      "r6 = 1\nif r6 == 1 goto on\nr0 = 1\nr0 = 2\non:\nr1 = 20\ncall f\nr0 += 1\nexit\n"
      "f:\nr0 = r1\nr0 += 1\nexit\n");
  ASSERT_NE(executable, nullptr);
  const ExecProgram& exec = executable->exec();
  ASSERT_EQ(exec.subprograms.size(), 2u);
  EXPECT_EQ(exec.subprograms[0].start, 0u);
  EXPECT_EQ(exec.subprograms[0].end, exec.subprograms[1].start);
  EXPECT_EQ(exec.origin[exec.subprograms[1].start], 8u);
  EXPECT_EQ(exec.subprograms[1].end, exec.insns.size());
  EXPECT_EQ(exec.insns[3].op, Op::kCallLocal);
  EXPECT_EQ(exec.insns[3].target, exec.subprograms[1].start);
  EXPECT_EQ(RunXdp(*executable, 1), 22u);
}

TEST_P(Lowered, AccessesTheHostsStructureInsteadOfTheContext) {
  const auto xdp = LoadText(
      "-- type\nxdp\n-- asm\n"
      "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr0 = *(u32 *)(r1 + 12)\nexit\n");
  ASSERT_NE(xdp, nullptr);
  const auto expect = [](const ExecInsn& insn, Op op, size_t offset) {
    EXPECT_EQ(insn.op, op) << Info(insn.op).name;
    EXPECT_EQ(insn.off, static_cast<int16_t>(offset));
  };
  const auto& loads = xdp->exec().insns;
  const Op word = FindOp(OpKind::kLoad, 32, Info(loads[2].op).operands);
  const Op wide = FindOp(OpKind::kLoad, 64, Info(loads[2].op).operands);
  const Op byte = FindOp(OpKind::kLoad, 8, Info(loads[2].op).operands);
  expect(loads[0], wide, offsetof(XdpContext, data));
  expect(loads[1], wide, offsetof(XdpContext, data_end));
  expect(loads[2], word, offsetof(XdpContext, ingress_ifindex));

  const auto skb = LoadText(
      "-- type\nsched_cls\n-- asm\n"
      "r2 = 0x11223344\n*(u32 *)(r1 + 8) = r2\nr0 = *(u8 *)(r1 + 10)\n"
      "*(u64 *)(r1 + 48) = r2\nr3 = *(u32 *)(r1 + 48)\nexit\n");
  ASSERT_NE(skb, nullptr);
  const auto& insns = skb->exec().insns;
  const Op store = FindOp(OpKind::kStore, 32, Info(insns[1].op).operands);
  expect(insns[1], store, offsetof(SkbContext, mark));
  expect(insns[2], byte, offsetof(SkbContext, mark) + 2);
  expect(insns[3], FindOp(OpKind::kStore, 64, Info(insns[1].op).operands),
         offsetof(SkbContext, cb));
  expect(insns[4], word, offsetof(SkbContext, cb));
  std::vector<std::byte> packet(64);
  EXPECT_EQ(skb->RunPacket(*context_, {.data = packet}).value, 0x22u);
}

TEST_P(Lowered, HoldsTheAddressesOfMapsAndTheirValues) {
  const Program program = ProgramFromText(
      "-- type\nxdp\n-- maps\nfirst hash key=4 value=8 entries=4\n"
      "second array key=4 value=16 entries=1\n-- asm\n"
      "r6 = map[first] ll\nr7 = map[second][12] ll\n*(u32 *)(r7 + 0) = 77\n"
      "r0 = *(u32 *)(r7 + 0)\nexit\n");
  const auto instance = MapsOf(program);
  const auto executable = Load(*instance, program);
  ASSERT_NE(executable, nullptr);
  const auto first = instance->FindMap("first"), second = instance->FindMap("second");
  const auto& insns = executable->exec().insns;
  EXPECT_EQ(insns[0].wide(), reinterpret_cast<uintptr_t>(first.get()));
  EXPECT_EQ(insns[1].wide(), reinterpret_cast<uintptr_t>(second->direct_view().base) + 12);
  EXPECT_EQ(RunXdp(*executable, 1), 77u);
  const uint32_t key = 0;
  uint32_t value[4] = {};
  ASSERT_EQ(second->HostLookup(reinterpret_cast<const std::byte*>(&key),
                               reinterpret_cast<std::byte*>(value)),
            0);
  EXPECT_EQ(value[3], 77u);
}

TEST_P(Lowered, DoesNotRunOverLessMemoryThanWasPromised) {
  // The program looks at one byte; the promise of the options counts.
  const Program program = ProgramFromText("-- asm\nr0 = *(u8 *)(r1 + 0)\nexit\n");
  skep::LoadOptions options = test::Privileged(GetParam());
  options.verify.memory_size = 16;
  const auto outcome = MapsOf(program)->Load(program, options);
  ASSERT_TRUE(outcome) << outcome.error().message;
  ASSERT_NE(outcome->executable, nullptr) << outcome->report.log;
  std::vector<std::byte> memory(17, std::byte{5});
  EXPECT_EQ(outcome->executable->min_context_bytes(), 16u);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{15}}) {
    const RunResult result =
        outcome->executable->RunBytes(*context_, std::span(memory).first(size));
    EXPECT_EQ(result.trap, TrapCode::kBadCall) << size;
    EXPECT_NE(context_->trap_detail().find("fewer bytes"), std::string::npos);
  }
  for (const size_t size : {size_t{16}, size_t{17}}) {
    const RunResult result =
        outcome->executable->RunBytes(*context_, std::span(memory).first(size));
    EXPECT_EQ(result.trap, TrapCode::kNone) << size;
    EXPECT_EQ(result.value, 5u);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, Lowered,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
