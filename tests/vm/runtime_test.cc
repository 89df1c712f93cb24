// SPDX-License-Identifier: Apache-2.0
// What an embedder adds to a Runtime, and what an Instance starts with.
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

using test::ProgramFromText;

constexpr auto kHostType = static_cast<ProgramTypeId>(kFirstHostProgramType);

const std::byte* Bytes(const uint32_t& key) { return reinterpret_cast<const std::byte*>(&key); }

// The 8 bytes at index `key` of an array.
uint64_t ValueAt(Map& map, uint32_t key) {
  uint64_t value = 0;
  EXPECT_EQ(map.HostLookup(Bytes(key), reinterpret_cast<std::byte*>(&value)), 0);
  return value;
}

MapSpec ArrayOf(const std::string& name, uint32_t entries, uint32_t value_size = 8) {
  MapSpec spec;
  spec.name = name;
  spec.type = MapType::kArray;
  spec.key_size = 4;
  spec.value_size = value_size;
  spec.max_entries = entries;
  return spec;
}

MapSpec WithInitialValue(MapSpec spec, uint64_t value) {
  std::vector<std::byte> bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  spec.initial_value = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return spec;
}

// The code names its maps by index.
Program XdpWithMaps(const std::string& name, const std::string& code, std::vector<MapSpec> maps) {
  std::string text = "-- type\nxdp\n-- maps\n";
  for (const MapSpec& map : maps) text += map.name + " array key=4 value=8 entries=1\n";
  ProgramData data = ProgramFromText(text + "-- asm\n" + code, name).data();
  data.maps = std::move(maps);
  auto program = Program::Create(std::move(data));
  if (!program) ADD_FAILURE() << program.error().message;
  return *program;
}

RunResult RunXdp(const Executable& executable, ExecutionContext& context, uint32_t ifindex = 1) {
  std::vector<std::byte> packet(64);
  return executable.RunPacket(context, {.data = packet, .ingress_ifindex = ifindex});
}

// ---- what an embedder adds ---------------------------------------------------

uint64_t Mix(uint64_t a, uint64_t b, uint64_t, uint64_t, uint64_t, ExecutionContext&) noexcept {
  return a * 1000 + b;
}

// The first byte of the context that the run has, and the last of the memory.
uint64_t Look(uint64_t context_address, uint64_t memory, uint64_t size, uint64_t, uint64_t,
              ExecutionContext& context) noexcept {
  const auto* seen = static_cast<const uint8_t*>(context.program_context());
  if (reinterpret_cast<uintptr_t>(seen) != context_address) return 0xbad;
  return seen[0] * uint64_t{256} + reinterpret_cast<const uint8_t*>(memory)[size - 1];
}

RuntimeOptions HostOptions() {
  HelperSpec mix;
  mix.id = kFirstHostHelperId;
  mix.name = "host_mix";
  mix.args = {{{.kind = ArgKind::kAnything}, {.kind = ArgKind::kAnything}}};
  mix.function = Mix;
  HelperSpec look;
  look.id = kFirstHostHelperId + 7;
  look.name = "host_look";
  look.args = {{{.kind = ArgKind::kContext},
                {.kind = ArgKind::kMem, .flags = kArgReadOnly},
                {.kind = ArgKind::kConstSize}}};
  look.function = Look;
  ProgramType type;
  type.id = kHostType;
  type.name = "host_event";
  type.context_size = 24;
  type.context_writable = true;
  RuntimeOptions options;
  options.cpu_slots = 2;
  options.helpers = {look, mix};
  options.program_types = {type};
  return options;
}

class HostTables : public testing::TestWithParam<Engine> {
 protected:
  LoadOutcome Load(const std::string& code) {
    const Program program = ProgramFromText("-- asm\n" + code).WithType(kHostType, 0);
    auto outcome = instance_->Load(program, test::Privileged(GetParam()));
    if (!outcome) {
      ADD_FAILURE() << outcome.error().message;
      return {};
    }
    return *std::move(outcome);
  }

  std::unique_ptr<Runtime> runtime_ = *Runtime::Create(HostOptions());
  std::unique_ptr<ExecutionContext> context_ = *runtime_->NewContext();
  std::shared_ptr<Instance> instance_ = *runtime_->Instantiate(std::span<const MapSpec>());
};

TEST_P(HostTables, GiveOwnProgramsTheirHelpersAndTheirContext) {
  const LoadOutcome outcome = Load(
      "r6 = r1\nr1 = *(u32 *)(r6 + 4)\nr2 = *(u16 *)(r6 + 8)\ncall 65536\n"
      "*(u64 *)(r6 + 16) = r0\nexit\n");
  ASSERT_NE(outcome.executable, nullptr) << outcome.report.log;
  struct {
    uint32_t unused = 0, first = 5;
    uint16_t second = 17, padding[3] = {};
    uint64_t out = 0;
  } event;
  static_assert(sizeof event == 24);
  const RunResult result =
      outcome.executable->RunBytes(*context_, std::as_writable_bytes(std::span(&event, 1)));
  EXPECT_EQ(result.trap, TrapCode::kNone) << context_->trap_detail();
  EXPECT_EQ(result.value, 5017u);
  EXPECT_EQ(event.out, 5017u) << "the program's store reaches the host's bytes";
}

TEST_P(HostTables, GiveAHelperTheContextAndMemoryOfItsCaller) {
  const LoadOutcome outcome = Load(
      "*(u64 *)(r10 - 8) = 0\n*(u8 *)(r10 - 4) = 9\nr2 = r10\nr2 += -8\nr3 = 5\n"
      "call 65543\nexit\n");
  ASSERT_NE(outcome.executable, nullptr) << outcome.report.log;
  std::vector<std::byte> event(24, std::byte{3});
  EXPECT_EQ(outcome.executable->RunBytes(*context_, event).value, 3u * 256 + 9);
}

TEST_P(HostTables, AreWhatTheVerifierChecks) {
  EXPECT_EQ(Load("r1 = 1\nr2 = r10\nr2 += -8\nr3 = 8\ncall 65543\nexit\n").executable, nullptr)
      << "no context";
  EXPECT_EQ(Load("r2 = r10\nr2 += -8\nr3 = 9\ncall 65543\nexit\n").executable, nullptr)
      << "memory behind the stack";
  EXPECT_EQ(Load("r0 = *(u64 *)(r1 + 24)\nexit\n").executable, nullptr) << "behind the context";
  EXPECT_EQ(Load("call 65537\nexit\n").executable, nullptr) << "a helper that nobody added";
}

TEST_P(HostTables, RefuseAContextShorterThanWhatTheProgramAccesses) {
  const LoadOutcome outcome = Load("r0 = *(u8 *)(r1 + 11)\nexit\n");
  ASSERT_NE(outcome.executable, nullptr) << outcome.report.log;
  std::vector<std::byte> event(24, std::byte{3});
  EXPECT_EQ(outcome.executable->min_context_bytes(), 12u);
  EXPECT_EQ(outcome.executable->RunBytes(*context_, std::span(event).first(11)).trap,
            TrapCode::kBadCall);
  EXPECT_EQ(outcome.executable->RunBytes(*context_, std::span(event).first(12)).value, 3u);
  EXPECT_EQ(RunXdp(*outcome.executable, *context_).trap, TrapCode::kBadCall) << "no packet type";
}

TEST_P(HostTables, AreUnknownToOtherRuntimes) {
  const auto other = *Runtime::Create({});
  const auto instance = *other->Instantiate(std::span<const MapSpec>());
  const Program program = ProgramFromText("-- asm\nr0 = 0\nexit\n").WithType(kHostType, 0);
  const auto outcome = instance->Load(program, test::Privileged(GetParam()));
  EXPECT_TRUE(!outcome || outcome->executable == nullptr);
}

INSTANTIATE_TEST_SUITE_P(Engines, HostTables,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

// ---- what an Instance starts with --------------------------------------------

class Instances : public test::EngineTest {
 protected:
  RunResult Run(const Executable& executable, uint32_t ifindex = 1) {
    const RunResult result = RunXdp(executable, *context_, ifindex);
    EXPECT_EQ(result.trap, TrapCode::kNone) << context_->trap_detail();
    return result;
  }
};

constexpr const char* kCount =
    "r1 = map[counts][0] ll\nr2 = 1\nlock *(u64 *)(r1 + 0) += r2\nr0 = *(u64 *)(r1 + 0)\nexit\n";

TEST_P(Instances, OfTwoRuntimesShareNoMaps) {
  const Program program = XdpWithMaps("count", kCount, {ArrayOf("counts", 1)});
  const auto other_runtime = *Runtime::Create({});
  const auto other_context = *other_runtime->NewContext();
  const auto ours = MapsOf(program);
  const auto theirs = *other_runtime->Instantiate(program.maps());
  const auto our_program = Load(*ours, program);
  const auto their_program = Load(*theirs, program);
  ASSERT_TRUE(our_program != nullptr && their_program != nullptr);
  Run(*our_program);
  Run(*our_program);
  EXPECT_EQ(RunXdp(*their_program, *other_context).value, 1u);
  EXPECT_EQ(ValueAt(*ours->FindMap("counts"), 0), 2u);
  EXPECT_EQ(ValueAt(*theirs->FindMap("counts"), 0), 1u);
}

TEST_P(Instances, StartFromTheInitialValueEach) {
  const Program program =
      XdpWithMaps("count", kCount, {WithInitialValue(ArrayOf("counts", 1), 100)});
  for (int i = 0; i < 2; ++i) {
    const auto instance = MapsOf(program);
    const auto executable = Load(*instance, program);
    ASSERT_NE(executable, nullptr);
    EXPECT_EQ(Run(*executable).value, 101u);
  }
}

TEST_P(Instances, HoldConstantsThatNobodyWrites) {
  MapSpec rodata = WithInitialValue(ArrayOf(".rodata", 1), 0x1122334455667788);
  rodata.flags = kMapRdonlyProg;
  rodata.frozen = true;
  const Program program =
      XdpWithMaps("read", "r1 = map[.rodata][4] ll\nr0 = *(u32 *)(r1 + 0)\nexit\n", {rodata});
  const auto instance = MapsOf(program);
  const auto executable = Load(*instance, program);
  ASSERT_NE(executable, nullptr);
  EXPECT_EQ(Run(*executable).value, 0x11223344u);
  const auto map = instance->FindMap(".rodata");
  EXPECT_TRUE(map->frozen());
  const uint64_t changed = 1;
  const uint32_t key = 0;
  EXPECT_EQ(map->HostUpdate(Bytes(key), reinterpret_cast<const std::byte*>(&changed)), -EPERM);
  EXPECT_EQ(map->HostDelete(Bytes(key)), -EPERM);
  EXPECT_EQ(ValueAt(*map, 0), 0x1122334455667788u);

  const Program writer = XdpWithMaps(
      "write", "r1 = map[.rodata][0] ll\n*(u32 *)(r1 + 0) = 1\nr0 = 0\nexit\n", {rodata});
  const auto outcome = instance->Load(writer, test::Privileged(GetParam()));
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->executable, nullptr);
}

// The value at index 0 of the inner map in slot ifindex; 1000 if there is none.
constexpr const char* kLookInside =
    "r6 = *(u32 *)(r1 + 12)\n*(u32 *)(r10 - 4) = r6\nr2 = r10\nr2 += -4\n"
    "r1 = map[outer] ll\ncall map_lookup_elem\nif r0 == 0 goto none\n"
    "*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\nr1 = r0\ncall map_lookup_elem\n"
    "if r0 == 0 goto none\nr0 = *(u64 *)(r0 + 0)\nexit\nnone:\nr0 = 1000\nexit\n";

MapSpec OuterOf(const MapSpec& inner, std::vector<std::pair<uint32_t, std::string>> slots) {
  MapSpec outer = ArrayOf("outer", 4, 4);
  outer.type = MapType::kArrayOfMaps;
  outer.inner = std::make_shared<MapSpec>(inner);
  outer.initial_slots = std::move(slots);
  return outer;
}

TEST_P(Instances, FillTheSlotsOfMapsOfMaps) {
  const MapSpec one = WithInitialValue(ArrayOf("one", 1), 11);
  const MapSpec two = WithInitialValue(ArrayOf("two", 1), 22);
  // The outer map stands before the maps that it names.
  const std::vector<MapSpec> maps{OuterOf(ArrayOf("", 1), {{3, "one"}, {1, "two"}}), one, two};
  const Program program = XdpWithMaps("look", kLookInside, maps);
  const auto instance = MapsOf(program);
  const auto executable = Load(*instance, program);
  ASSERT_NE(executable, nullptr);
  EXPECT_EQ(Run(*executable, 3).value, 11u);
  EXPECT_EQ(Run(*executable, 1).value, 22u);
  EXPECT_EQ(Run(*executable, 0).value, 1000u) << "a slot that the object left empty";
  EXPECT_EQ(Run(*executable, 4).value, 1000u) << "no slot";
  const uint64_t changed = 23;
  const uint32_t key = 0;
  ASSERT_EQ(instance->FindMap("two")->HostUpdate(Bytes(key),
                                                 reinterpret_cast<const std::byte*>(&changed)),
            0);
  EXPECT_EQ(Run(*executable, 1).value, 23u) << "the slot holds the map itself";
}

TEST_P(Instances, FillTheSlotsOfProgArraysByName) {
  MapSpec jumps = ArrayOf("jumps", 3, 4);
  jumps.type = MapType::kProgArray;
  jumps.initial_slots = {{2, "second"}, {0, "zeroth"}};
  const std::vector<MapSpec> maps{jumps};
  const auto returns = [&](const std::string& name, const std::string& value) {
    return ObjectProgram{name, "xdp", XdpWithMaps(name, "r0 = " + value + "\nexit\n", maps),
                         ProgramTypeId::kXdp};
  };
  const Program jumper = XdpWithMaps(
      "jumper", "r3 = *(u32 *)(r1 + 12)\nr2 = map[jumps] ll\ncall tail_call\nr0 = 1000\nexit\n",
      maps);
  std::vector<ObjectProgram> programs{{"jumper", "xdp", jumper, ProgramTypeId::kXdp},
                                      returns("zeroth", "10"),
                                      returns("second", "12")};
  const auto instance = *runtime_->Instantiate(Object::FromPrograms("test", programs, maps));
  const auto outcome = instance->Load("jumper", test::Privileged(GetParam()));
  ASSERT_TRUE(outcome) << outcome.error().message;
  ASSERT_NE(outcome->executable, nullptr) << outcome->report.log;
  EXPECT_EQ(Run(*outcome->executable, 0).value, 10u);
  EXPECT_EQ(Run(*outcome->executable, 1).value, 1000u) << "a slot that the object left empty";
  EXPECT_EQ(Run(*outcome->executable, 2).value, 12u);

  programs.pop_back();
  const auto without = *runtime_->Instantiate(Object::FromPrograms("test", programs, maps));
  const auto failed = without->Load("jumper", test::Privileged(GetParam()));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kUnresolved);
  EXPECT_NE(failed.error().message.find("second"), std::string::npos) << failed.error().message;
}

INSTANTIATE_TEST_SUITE_P(Engines, Instances,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

TEST(InstanceSlots, RefuseMapsThatAreNotThereOrNotLikeTheInnerOne) {
  const auto runtime = *Runtime::Create({});
  const auto refusal = [&](const std::vector<MapSpec>& maps) {
    const auto instance = runtime->Instantiate(maps);
    return instance ? std::string("accepted") : instance.error().message;
  };
  const MapSpec inner = ArrayOf("inner", 1);
  EXPECT_EQ(refusal({OuterOf(inner, {{0, "inner"}}), inner}), "accepted");
  EXPECT_EQ(refusal({OuterOf(inner, {{0, "missing"}}), inner}),
            "map 'outer': no inner map 'missing'");
  EXPECT_NE(refusal({OuterOf(inner, {{0, "wide"}}), ArrayOf("wide", 1, 16)})
                .find("slot 0 does not take 'wide'"),
            std::string::npos);
  EXPECT_NE(refusal({OuterOf(inner, {{4, "inner"}}), inner}).find("slot 4 does not take 'inner'"),
            std::string::npos);
  EXPECT_EQ(refusal({inner, inner}), "map 'inner': is there twice");
}

}  // namespace
}  // namespace skep
