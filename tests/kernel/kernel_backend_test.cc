// SPDX-License-Identifier: Apache-2.0
#include "kernel/kernel_backend.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "isa/assembler.h"
#include "kernel/bpf_syscall.h"

namespace skep::kernel {
namespace {

MapSpec ArraySpec(std::string name, uint32_t entries) {
  MapSpec spec;
  spec.name = std::move(name);
  spec.type = MapType::kArray;
  spec.key_size = 4;
  spec.value_size = 8;
  spec.max_entries = entries;
  return spec;
}

Program Assembled(std::string name, std::string_view text, std::vector<MapSpec> maps,
                  ProgramTypeId type = ProgramTypeId::kXdp) {
  auto code = Assemble(text);
  EXPECT_TRUE(code.has_value());
  ProgramData data;
  data.name = std::move(name);
  data.type = type;
  data.license = "GPL";
  data.insns = code->insns;
  data.subprograms = {{.name = "f", .start = 0, .end = static_cast<uint32_t>(code->insns.size())}};
  data.maps = std::move(maps);
  return *Program::Create(std::move(data));
}

BackendLoadOptions Verdict() {
  BackendLoadOptions options;
  options.verdict_only = true;
  return options;
}

class Kernel : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = WhyUnavailable(); !why.empty()) GTEST_SKIP() << why;
  }
  // The programs and maps in the kernel.
  std::unique_ptr<BackendInstance> Instance(std::vector<Program> programs,
                                            std::vector<MapSpec> maps) {
    std::vector<ObjectProgram> all;
    for (Program& program : programs) {
      const std::string name = program.name();
      all.push_back({.name = name, .section = {}, .program = std::move(program)});
    }
    auto instance = CreateKernelBackend()->Instantiate(
        Object::FromPrograms("test", std::move(all), std::move(maps)));
    EXPECT_TRUE(instance.has_value()) << instance.error().message;
    return *std::move(instance);
  }
  const std::vector<std::byte> packet_ = std::vector<std::byte>(64);
};

TEST_F(Kernel, RunsAProgramOverAPacketAndGivesThePacketBack) {
  const Program program =
      Assembled("writes",
                "r2 = *(u32 *)(r1 + 0); r3 = *(u32 *)(r1 + 4); r4 = r2; r4 += 2;"
                "if r4 > r3 goto +1; *(u16 *)(r2 + 0) = 0x1234; r0 = 7; exit",
                {});
  auto instance = Instance({program}, {});
  auto load = instance->Load(program, {});
  ASSERT_TRUE(load.has_value()) << load.error().message;
  ASSERT_TRUE(load->verdict.accepted) << load->verdict.message;
  EXPECT_EQ(load->verdict.processed, 10u);
  const auto output = load->program->Run({.packet = packet_});
  ASSERT_TRUE(output.has_value()) << output.error().message;
  EXPECT_EQ(output->value, 7u);
  ASSERT_EQ(output->data.size(), packet_.size());
  EXPECT_EQ(output->data[0], std::byte{0x34});
  EXPECT_EQ(output->data[1], std::byte{0x12});
}

TEST_F(Kernel, GivesTheVerifiersReason) {
  const Program program = Assembled("reads", "r0 = *(u64 *)(r1 + 4096); exit", {});
  auto instance = Instance({program}, {});
  auto load = instance->Load(program, {});
  ASSERT_TRUE(load.has_value());
  EXPECT_FALSE(load->verdict.accepted);
  EXPECT_EQ(load->program, nullptr);
  EXPECT_EQ(load->verdict.sys_errno, EACCES);
  EXPECT_EQ(load->verdict.message, "invalid bpf_context access off=4096 size=8");
  EXPECT_EQ(load->verdict.processed, 1u);
}

TEST_F(Kernel, StartsMapsWithTheirInitialValuesFrozenIfAsked) {
  MapSpec constant = ArraySpec("constant", 1);
  constant.flags = kMapRdonlyProg;
  constant.frozen = true;
  constant.initial_value = std::make_shared<const std::vector<std::byte>>(8, std::byte{0x2a});
  const Program program =
      Assembled("looks", "r1 = map[0][0] ll; r0 = *(u8 *)(r1 + 3); exit", {constant});
  auto instance = Instance({program}, {constant});
  auto load = instance->Load(program, {});
  ASSERT_TRUE(load.has_value() && load->verdict.accepted);
  EXPECT_EQ(load->program->Run({.packet = packet_})->value, 0x2au);
  const uint32_t key = 0;
  const uint64_t value = 1;
  EXPECT_EQ(instance->UpdateMap("constant", std::as_bytes(std::span(&key, 1)),
                                std::as_bytes(std::span(&value, 1)), 0),
            -EPERM);
  EXPECT_EQ(instance->ReadMap("constant")->at(0).value, *constant.initial_value);
  EXPECT_FALSE(instance->ReadMap("other").has_value());
}

TEST_F(Kernel, FillsProgArraysBeforeAProgramRuns) {
  MapSpec jumps = ArraySpec("jumps", 2);
  jumps.type = MapType::kProgArray;
  jumps.value_size = 4;
  jumps.initial_slots = {{1, "target"}};
  const Program entry =
      Assembled("entry", "r2 = map[0] ll; r3 = 1; call 12; r0 = 1; exit", {jumps});
  const Program target = Assembled("target", "r0 = 99; exit", {});
  auto instance = Instance({entry, target}, {jumps});
  auto verdict_only = instance->Load(entry, Verdict());
  ASSERT_TRUE(verdict_only.has_value() && verdict_only->verdict.accepted);
  EXPECT_EQ(verdict_only->program->Run({.packet = packet_})->value, 1u);
  auto load = instance->Load(entry, {});
  ASSERT_TRUE(load.has_value()) << load.error().message;
  EXPECT_EQ(load->program->Run({.packet = packet_})->value, 99u);
}

TEST_F(Kernel, PutsInnerMapsIntoMapsOfMaps) {
  const MapSpec inner = ArraySpec("inner", 1);
  MapSpec outer = ArraySpec("outer", 2);
  outer.type = MapType::kArrayOfMaps;
  outer.value_size = 4;
  outer.inner = std::make_shared<const MapSpec>(inner);
  outer.initial_slots = {{1, "inner"}};
  auto instance = Instance({}, {outer, inner});
  // The kernel shows the inner map's id; an empty slot has none.
  const auto elements = instance->ReadMap("outer");
  ASSERT_TRUE(elements.has_value());
  ASSERT_EQ(elements->size(), 1u);
  EXPECT_EQ(elements->at(0).key[0], std::byte{1});
}

TEST_F(Kernel, RefusesWhatItCannotLoadOrRunByName) {
  const Program memory = Assembled("memory", "r0 = 0; exit", {}, ProgramTypeId::kMemory);
  const Program probe = Assembled("probe", "r0 = 0; exit", {}, ProgramTypeId::kTracepoint);
  auto instance = Instance({memory, probe}, {});
  EXPECT_EQ(instance->Load(memory, {}).error().code, ErrorCode::kUnsupported);
  auto load = instance->Load(probe, {});
  ASSERT_TRUE(load.has_value() && load->verdict.accepted);
  const auto run = load->program->Run({});
  ASSERT_FALSE(run.has_value());
  EXPECT_NE(run.error().message.find("tracepoint"), std::string::npos);
}

TEST(KernelErrors, SayInOneSentenceWhichRightIsMissing) {
  EXPECT_EQ(SystemError(Command::kProgLoad, EPERM).message,
            "bpf(BPF_PROG_LOAD): Operation not permitted; the kernel backend needs root, or "
            "CAP_BPF with CAP_NET_ADMIN and CAP_PERFMON");
}

TEST(KernelNames, KeepWhatLinuxAllowsAndFit) {
  char name[16];
  CopyName("a-very long.name_of_a_map", name);
  EXPECT_STREQ(name, "a_very_long.nam");
}

}  // namespace
}  // namespace skep::kernel
