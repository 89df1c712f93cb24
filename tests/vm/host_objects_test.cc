// SPDX-License-Identifier: Apache-2.0
// Programs that read objects of the host by their types: tracing and iterators.
#include <array>
#include <cstring>
#include <string>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "skep/iterator.h"

#include "btf/btf.h"
#include "tests/vm/objects_of_programs.h"

namespace skep {
namespace {

// A task as the kernel's types lay it out, but nothing in it except what the
// programs look at.
class HostTask {
 public:
  explicit HostTask(const btf::Btf& types) : bytes_(32768) {
    const uint32_t task = types.Find("task_struct", btf::Kind::kStruct);
    for (uint32_t i = 0; i < types.type(task).vlen; ++i) {
      const btf::Member member = types.member(task, i);
      if (member.name == "pid") pid_ = member.bit_offset / 8;
      if (member.name == "group_leader") leader_ = member.bit_offset / 8;
    }
  }
  void set_pid(int32_t pid) { std::memcpy(bytes_.data() + pid_, &pid, sizeof pid); }
  void set_leader(uint64_t leader) { std::memcpy(bytes_.data() + leader_, &leader, sizeof leader); }
  uint64_t address() const { return reinterpret_cast<uintptr_t>(bytes_.data()); }

 private:
  std::vector<std::byte> bytes_;
  size_t pid_ = 0, leader_ = 0;
};

class HostObjects : public test::RunObjectTest {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kKernelBtfPath)) GTEST_SKIP() << kKernelBtfPath << " is missing";
    types_ = *OpenBtf(kKernelBtfPath);
  }
  std::shared_ptr<const btf::Btf> types_;
};

TEST_P(HostObjects, AreReadWhereverTheirPointersLead) {
  SKEP_OPEN_OR_SKIP(object, "objects_of_the_host");
  const auto instance = *runtime_->Instantiate(object);
  const auto program = LoadNamed(*instance, "reads_fields");
  ASSERT_NE(program, nullptr);
  HostTask task(*types_), leader(*types_);
  leader.set_pid(7);
  task.set_leader(leader.address());
  for (const int pid : {42, -42}) {
    task.set_pid(pid);
    const uint64_t arguments[] = {task.address()};
    const RunResult run = program->RunCall(*context_, arguments);
    EXPECT_TRUE(run.ok()) << context_->trap_detail();
    EXPECT_EQ(static_cast<int>(run.value), pid < 0 ? -42 + 7 + 11 : 42 * 1000 + 7 + 11);
  }
}

TEST_P(HostObjects, ThatAreNoneReadAsZero) {
  SKEP_OPEN_OR_SKIP(object, "objects_of_the_host");
  const auto instance = *runtime_->Instantiate(object);
  const auto program = LoadNamed(*instance, "reads_fields");
  ASSERT_NE(program, nullptr);
  HostTask task(*types_);
  task.set_pid(3);
  void* const forbidden = mmap(nullptr, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(forbidden, MAP_FAILED);
  for (const uint64_t leader :
       {uint64_t{0}, uint64_t{1}, ~uint64_t{0} - 7, reinterpret_cast<uint64_t>(forbidden)}) {
    task.set_leader(leader);
    const uint64_t arguments[] = {task.address()};
    const RunResult run = program->RunCall(*context_, arguments);
    EXPECT_TRUE(run.ok()) << context_->trap_detail();
    EXPECT_EQ(run.value, 3011u) << leader;
  }
  munmap(forbidden, 65536);
}

TEST_P(HostObjects, AreNotForProgramsWithoutTheRightToReadMemory) {
  SKEP_OPEN_OR_SKIP(object, "objects_of_the_host");
  const auto instance = *runtime_->Instantiate(object);
  LoadOptions options = test::Privileged(GetParam());
  options.verify.rights = Rights::kBpf;
  const auto loaded = instance->Load("reads_fields", options);
  EXPECT_TRUE(!loaded || loaded->executable == nullptr);
}

TEST_P(HostObjects, AreNotWhatPacketContextsLeadTo) {
  SKEP_OPEN_OR_SKIP(object, "objects_of_the_host");
  const auto instance = *runtime_->Instantiate(object);
  for (const char* name : {"reads_the_packet", "reads_its_own_context"}) {
    const auto loaded = instance->Load(name, test::Privileged(GetParam()));
    ASSERT_FALSE(loaded) << name;
    EXPECT_EQ(loaded.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(loaded.error().message.find("an object of the kernel is accessed"), std::string::npos)
        << loaded.error().message;
  }
}

TEST_P(HostObjects, ArePrintedByIterators) {
  SKEP_OPEN_OR_SKIP(object, "objects_of_the_host");
  const auto instance = *runtime_->Instantiate(object);
  const auto program = LoadNamed(*instance, "print_task");
  ASSERT_NE(program, nullptr);
  HostTask task(*types_), leader(*types_);
  leader.set_pid(7);
  task.set_leader(leader.address());
  std::string text;
  for (int i = 0; i < 2; ++i) {
    task.set_pid(20 + i);
    const uint64_t objects[] = {task.address()};
    const RunResult run = RunIterator(
        *program, *context_, {.objects = objects, .sequence = static_cast<uint64_t>(i)}, text);
    EXPECT_TRUE(run.ok()) << context_->trap_detail();
    EXPECT_EQ(run.value, 0u);
  }
  const uint64_t none[] = {0};
  EXPECT_TRUE(RunIterator(*program, *context_, {.objects = none}, text).ok());
  EXPECT_EQ(text, "0: pid 20 of 7\n1: pid 21 of 7\nend\n");
}

TEST_P(HostObjects, ThatPrintTooMuchPrintNothing) {
  SKEP_OPEN_OR_SKIP(object, "objects_of_the_host");
  const auto instance = *runtime_->Instantiate(object);
  const auto program = LoadNamed(*instance, "fill");
  ASSERT_NE(program, nullptr);
  std::string text = "before";
  const uint64_t none[] = {0};
  const RunResult run = RunIterator(*program, *context_, {.objects = none}, text);
  EXPECT_TRUE(run.ok()) << context_->trap_detail();
  EXPECT_EQ(run.value, 0u);
  EXPECT_EQ(text, "before");
  const auto other = LoadNamed(*instance, "reads_fields");
  EXPECT_EQ(RunIterator(*other, *context_, {.objects = none}, text).trap, TrapCode::kBadCall);
}

INSTANTIATE_TEST_SUITE_P(Engines, HostObjects,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
