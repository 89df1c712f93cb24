// SPDX-License-Identifier: Apache-2.0
// Programs behind the members of a structure of the running kernel's.
#include "skep/program_table.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "skep/btf.h"

#include "btf/btf.h"
#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

constexpr std::string_view kStructure = "tcp_congestion_ops";

class Table : public test::EngineTest {
 protected:
  void SetUp() override {
    if (access(kKernelBtfPath, R_OK) != 0) GTEST_SKIP() << kKernelBtfPath << " cannot be read";
    auto types = OpenBtf(kKernelBtfPath);
    ASSERT_TRUE(types) << types.error().message;
    types_ = *types;
    structure_ = types_->Find(kStructure, btf::Kind::kStruct);
    if (structure_ == 0) GTEST_SKIP() << "the kernel has no struct " << kStructure;
  }

  ObjectProgram Implement(const std::string& member, const std::string& code) {
    auto file = ParseTestFile("-- type\nxdp\n-- asm\n" + code, "ops.ebpf");
    EXPECT_TRUE(file) << (file ? "" : file.error().message);
    ProgramData data = file->program;
    data.name = "my_" + member;
    data.type = ProgramTypeId::kStructOps;
    data.license = "GPL";
    data.target_btf = types_;
    data.attach_btf_id = structure_;
    for (uint32_t i = 0; i < types_->type(structure_).vlen; ++i) {
      if (types_->member(structure_, i).name == member) data.expected_attach_type = i;
    }
    return {.name = data.name,
            .section = {},
            .program = Program::Create(data),
            .type = ProgramTypeId::kStructOps};
  }

  Result<ProgramTable> LoadTable(std::vector<ObjectProgram> programs) {
    const Object object = Object::FromPrograms("ops", std::move(programs), {});
    instance_ = *runtime_->Instantiate(object);
    return ProgramTable::Load(*instance_, object, kStructure, test::Privileged(GetParam()));
  }

  std::shared_ptr<const btf::Btf> types_;
  uint32_t structure_ = 0;
  std::shared_ptr<Instance> instance_;
};

TEST_P(Table, CallsTheProgramOfAMemberWithItsArguments) {
  auto table = LoadTable({Implement("ssthresh", "r0 = 77\nexit\n"),
                          Implement("cong_avoid",
                                    "r2 = *(u32 *)(r1 + 8)\nr0 = *(u32 *)(r1 + 16)\n"
                                    "r0 += r2\nexit\n")});
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_TRUE(table->Has("ssthresh"));
  EXPECT_FALSE(table->Has("undo_cwnd"));
  const uint64_t socket[] = {0x1000};
  EXPECT_EQ(table->Call(*context_, "ssthresh", socket).value, 77u);
  const uint64_t arguments[] = {0x1000, 30, 12};
  EXPECT_EQ(table->Call(*context_, "cong_avoid", arguments).value, 42u);
  const RunResult fewer = table->Call(*context_, "cong_avoid", socket);
  EXPECT_EQ(fewer.trap, TrapCode::kBadCall);
  EXPECT_EQ(table->Call(*context_, "undo_cwnd", socket).trap, TrapCode::kBadCall);
  EXPECT_EQ(context_->trap_detail(), "no program implements undo_cwnd");
}

TEST_P(Table, RefusesWhatIsNoTable) {
  EXPECT_NE(LoadTable({}).error().message.find("no program implements a member"),
            std::string::npos);
  EXPECT_NE(
      LoadTable({Implement("ssthresh", "r0 = 1\nexit\n"), Implement("ssthresh", "r0 = 2\nexit\n")})
          .error()
          .message.find("another program implements tcp_congestion_ops.ssthresh"),
      std::string::npos);
  EXPECT_NE(LoadTable({Implement("ssthresh", "exit\n")}).error().message.find("R0 !read_ok"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Engines, Table,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
