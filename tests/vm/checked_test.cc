// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "skep/ring_buffer_reader.h"

#include "helpers/helper_table.h"
#include "tests/vm/engine_fixture.h"
#include "vm/program_types.h"

namespace skep {
namespace {

using test::ProgramFromText;

class Checked : public testing::Test {
 protected:
  Checked() : runtime_(*Runtime::Create({})), context_(*runtime_->NewContext()) {}

  RunResult Run(const std::string& text,
                std::vector<std::byte> memory = std::vector<std::byte>(16)) {
    const Program program = ProgramFromText(text);
    auto instance = runtime_->Instantiate(program.maps());
    EXPECT_TRUE(instance);
    std::vector<std::shared_ptr<Map>> maps;
    for (const MapSpec& spec : program.maps()) maps.push_back((*instance)->FindMap(spec.name));
    auto executable = runtime_->PrepareUnverified(program, Engine::kChecked, maps);
    if (!executable) {
      ADD_FAILURE() << executable.error().message;
      return {};
    }
    if (program.type() == ProgramTypeId::kXdp) {
      return (*executable)->RunPacket(*context_, {.data = memory});
    }
    return (*executable)->Run(*context_, memory.data(), memory.size());
  }
  void ExpectTrap(const std::string& text, TrapCode code, uint32_t insn, const std::string& words) {
    const RunResult result = Run(text);
    EXPECT_EQ(result.trap, code) << TrapName(result.trap) << " in\n" << text;
    EXPECT_EQ(result.insn, insn);
    EXPECT_NE(context_->trap_detail().find(words), std::string::npos) << context_->trap_detail();
  }

  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<ExecutionContext> context_;
};

TEST_F(Checked, TrapsOnAReadBehindTheMemory) {
  ExpectTrap("-- asm\nr0 = *(u8 *)(r1 + 16)\nexit\n", TrapCode::kBadAccess, 0, "read of 1 bytes");
  ExpectTrap("-- asm\nr0 = *(u64 *)(r1 + 9)\nexit\n", TrapCode::kBadAccess, 0, "read of 8 bytes");
  ExpectTrap("-- asm\nr0 = *(u8 *)(r1 - 1)\nexit\n", TrapCode::kBadAccess, 0, "allowed: stack");
  EXPECT_EQ(Run("-- asm\nr0 = *(u64 *)(r1 + 8)\nexit\n").trap, TrapCode::kNone);
}

TEST_F(Checked, TrapsOnStackOutsideTheFrame) {
  ExpectTrap("-- asm\nr1 = 1\n*(u64 *)(r10 - 520) = r1\nexit\n", TrapCode::kBadAccess, 1,
             "write of 8 bytes");
  ExpectTrap("-- asm\nr1 = 1\n*(u8 *)(r10 + 0) = r1\nexit\n", TrapCode::kBadAccess, 1,
             "write of 1 bytes");
  EXPECT_EQ(Run("-- asm\n*(u64 *)(r10 - 512) = 7\nr0 = *(u64 *)(r10 - 512)\nexit\n").value, 7u);
}

TEST_F(Checked, TrapsOnWildPointers) {
  ExpectTrap("-- asm\nr2 = 0\nr0 = *(u32 *)(r2 + 0)\nexit\n", TrapCode::kBadAccess, 1, "at 0x0");
  ExpectTrap("-- asm\nr2 = -1 ll\nr0 = *(u8 *)(r2 + 0)\nexit\n", TrapCode::kBadAccess, 2,
             "0xffffffffffffffff");
}

TEST_F(Checked, TrapsOnMisalignedAtomics) {
  ExpectTrap("-- asm\nr2 = 1\nlock *(u64 *)(r10 - 12) += r2\nexit\n", TrapCode::kMisaligned, 1,
             "not aligned");
}

TEST_F(Checked, TrapsOnTooManyFrames) {
  ExpectTrap("-- asm\ncall f\nexit\nf:\ncall f\nexit\n", TrapCode::kCallDepth, 2, "frames");
}

TEST_F(Checked, GivesUnverifiedCodeAZeroedFrameEachTime) {
  const std::string text =
      "-- asm\n*(u64 *)(r10 - 8) = 7\ncall f\nr1 = r0\ncall f\nr0 += r1\nexit\n"
      "f:\nr0 = *(u64 *)(r10 - 8)\n*(u64 *)(r10 - 8) = 9\nexit\n";
  EXPECT_EQ(Run(text).value, 0u);
}

TEST_F(Checked, ReachesTheContextThroughTheTypesTable) {
  const std::string head = "-- type\nxdp\n-- asm\n";
  EXPECT_EQ(
      Run(head + "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr3 -= r2\nr0 = r3\nexit\n").value,
      16u)
      << "data and data_end are pointers";
  ExpectTrap(head + "r0 = *(u8 *)(r1 + 0)\nexit\n", TrapCode::kBadAccess, 0, "context");
  ExpectTrap(head + "r0 = *(u32 *)(r1 + 20)\nexit\n", TrapCode::kBadAccess, 0, "context");
  ExpectTrap(head + "*(u32 *)(r1 + 12) = 1\nexit\n", TrapCode::kBadAccess, 0, "write");
  ExpectTrap(head + "r2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 16)\nexit\n", TrapCode::kBadAccess, 1,
             "packet");
}

TEST_F(Checked, ChecksHelperArguments) {
  const std::string head =
      "-- type\nxdp\n-- maps\nm hash key=4 value=8 entries=4\nr ringbuf key=0 value=0 "
      "entries=4096\n"
      "-- asm\n";
  ExpectTrap(head + "r1 = 5\nr2 = r10\nr2 += -4\ncall map_lookup_elem\nexit\n", TrapCode::kBadCall,
             3, "not a map");
  ExpectTrap(head + "r1 = map[m] ll\nr2 = r10\nr2 += -2\ncall map_lookup_elem\nexit\n",
             TrapCode::kBadCall, 4, "read of 4 bytes");
  ExpectTrap(head + "r1 = map[r] ll\nr2 = r10\nr2 += -4\ncall map_lookup_elem\nexit\n",
             TrapCode::kBadCall, 4, "does not take");
  ExpectTrap(head + "r1 = r10\nr2 = 0\ncall ringbuf_submit\nexit\n", TrapCode::kBadCall, 2,
             "no reserved record");
}

TEST_F(Checked, ReleasesRecordsThatTheProgramForgot) {
  // One record fills the ring: a second run finds room only if the first one's
  // record was given back and read.
  const Program program = ProgramFromText(
      "-- type\nxdp\n-- maps\nr ringbuf key=0 value=0 entries=4096\n-- asm\n"
      "r1 = map[r] ll\nr2 = 1500\nr3 = 0\ncall ringbuf_reserve\n"
      "if r0 == 0 goto none\n*(u8 *)(r0 + 1499) = 1\nr0 = 1\nexit\nnone:\nr0 = 0\nexit\n");
  auto instance = *runtime_->Instantiate(program.maps());
  const std::vector<std::shared_ptr<Map>> maps{instance->FindMap("r")};
  auto executable = *runtime_->PrepareUnverified(program, Engine::kChecked, maps);
  std::vector<std::byte> packet(64);
  EXPECT_EQ(executable->RunPacket(*context_, {.data = packet}).value, 1u);
  EXPECT_EQ(executable->RunPacket(*context_, {.data = packet}).value, 1u);
  // Given back means committed as discarded: the pending position has moved on.
  auto reader = RingBufferReader::Create(maps[0], [](std::span<const std::byte>) { return 0; });
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->Consume(), 0) << "discarded records are not delivered";
  EXPECT_EQ(executable->RunPacket(*context_, {.data = packet}).value, 1u)
      << "and make room once they are passed over";
}

TEST_F(Checked, RefusesCodeThatRunsOffItsEnd) {
  const Program program = ProgramFromText("-- asm\nr0 = 1\n");
  const auto executable = runtime_->PrepareUnverified(program, Engine::kChecked, {});
  ASSERT_FALSE(executable);
  EXPECT_NE(executable.error().message.find("fall off the end"), std::string::npos);
}

TEST_F(Checked, IsTheOnlyDoorForUnverifiedCode) {
  const Program program = ProgramFromText("-- asm\nr0 = 1\nexit\n");
  for (const Engine engine : {Engine::kInterp, Engine::kBaseline, Engine::kJit}) {
    const auto executable = runtime_->PrepareUnverified(program, engine, {});
    ASSERT_FALSE(executable) << EngineName(engine);
    EXPECT_NE(executable.error().message.find("checked engine only"), std::string::npos);
  }
}

// A run cannot tell a lock, a timer or a dynptr from bytes that the program made
// up: every helper that takes one is refused before it runs.
TEST_F(Checked, RefusesHelpersThatTakeWhatOnlyAVerifiedProgramHas) {
  const auto takes_one = [](const HelperSpec& spec) {
    for (const ArgSpec& arg : spec.args) {
      if (arg.kind == ArgKind::kSpinLock || arg.kind == ArgKind::kTimer ||
          arg.kind == ArgKind::kKptr || arg.kind == ArgKind::kDynptr ||
          arg.kind == ArgKind::kPercpuBtfId)
        return true;
    }
    return false;
  };
  size_t refused = 0;
  for (const HelperSpec& spec : HelperTable()) {
    if (!takes_one(spec)) continue;
    for (const ProgramType& type : BuiltinProgramTypes()) {
      if (type.host == HostContext::kNone ||
          runtime_->environment().FindProgramType(type.id, 0) == nullptr ||
          FindHelper(HelperTable(), spec.id, ProgramClassOf(type.id, 0)) == nullptr)
        continue;
      ProgramData data;
      data.name = spec.name;
      data.type = type.id;
      data.insns = {{.code = 0x85, .imm = static_cast<int32_t>(spec.id)}, {.code = 0x95}};
      data.subprograms = {{.name = "main", .start = 0, .end = 2}};
      const auto executable =
          runtime_->PrepareUnverified(*Program::Create(std::move(data)), Engine::kChecked, {});
      ASSERT_FALSE(executable) << spec.name << " in " << type.name;
      EXPECT_NE(executable.error().message.find("only a verified program can be trusted with"),
                std::string::npos)
          << executable.error().message;
      ++refused;
    }
  }
  EXPECT_GT(refused, 50u);
}

}  // namespace
}  // namespace skep
