// SPDX-License-Identifier: Apache-2.0
// Programs over host-supplied contexts: fields, and the data they point to.
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

using test::ProgramFromText;
using Bytes = std::vector<std::byte>;

// A context of `size` bytes in which the words at the given offsets are set.
struct Word {
  size_t offset;
  uint64_t value;
  size_t bytes = 4;
};
Bytes Block(size_t size, const std::vector<Word>& words) {
  Bytes out(size);
  for (const Word& w : words) std::memcpy(out.data() + w.offset, &w.value, w.bytes);
  return out;
}

Bytes Text(std::string_view text) {
  Bytes out(text.size());
  std::memcpy(out.data(), text.data(), text.size());
  return out;
}

struct Case {
  std::string name;
  std::string type;
  std::string code;
  uint64_t result;
  Bytes context;
  Bytes context_after = {};  // empty: unchanged
  Bytes data = {};
  Bytes data_after = {};  // empty: unchanged
};

// Two bytes of the data that the pointers at 0 and 8 show, or -1.
std::string FirstTwoBytes(int data, int end) {
  return "r2 = *(u64 *)(r1 + " + std::to_string(data) + ")\nr3 = *(u64 *)(r1 + " +
         std::to_string(end) +
         ")\nr4 = r2\nr4 += 2\nr0 = 9999\nif r4 > r3 goto +1\nr0 = *(u16 *)(r2 + 0)\nexit";
}

std::vector<Case> Cases() {
  const std::string pass = "\nr0 = 1\nexit";
  // getsockopt: looks at the first byte of the option, replaces it, sets optlen.
  const std::string option =
      "r2 = *(u64 *)(r1 + 8)\nr3 = *(u64 *)(r1 + 16)\nr4 = r2\nr4 += 1\nif r4 > r3 goto +3\n"
      "*(u8 *)(r2 + 0) = 88\nr5 = 7\n*(u32 *)(r1 + 32) = r5\nr0 = 1\nexit";
  return {
      {"device", "cgroup_device", "r0 = *(u32 *)(r1 + 4)\nr0 &= 1\nexit", 1,
       Block(12, {{0, 3}, {4, 5}, {8, 9}})},
      {"device, narrow", "cgroup_device", "r0 = *(u16 *)(r1 + 0)\nr0 &= 1\nexit", 1,
       Block(12, {{0, 3}})},
      {"connect4 is sent elsewhere", "cgroup_sock_addr attach=10",
       "w2 = 0x0100007f\n*(u32 *)(r1 + 4) = r2\nw2 = 0x901f\n*(u32 *)(r1 + 24) = r2" + pass, 1,
       Block(72, {{0, 2}, {4, 0x08080808}, {24, 0x5000}}),
       Block(72, {{0, 2}, {4, 0x0100007f}, {24, 0x901f}})},
      {"connect6, eight bytes at once", "cgroup_sock_addr attach=11",
       "r2 = *(u64 *)(r1 + 8)\nr3 = 0x1122334455667788 ll\n*(u64 *)(r1 + 16) = r3\nr0 = 0\n"
       "r4 = 0x0000000200000001 ll\nif r2 != r4 goto +1\nr0 = 1\nexit",
       1, Block(72, {{8, 1}, {12, 2}}), Block(72, {{8, 1}, {12, 2}, {16, 0x1122334455667788, 8}})},
      {"a socket is null and stays the host's", "cgroup_sock_addr attach=10",
       "r2 = *(u64 *)(r1 + 64)\nr0 = 1\nexit", 1, Block(72, {{64, 0x4141414141414141, 8}})},
      {"sysctl", "cgroup_sysctl",
       "r2 = *(u32 *)(r1 + 0)\nr3 = 5\n*(u32 *)(r1 + 4) = r3\nr0 = r2\nr0 &= 1\nexit", 1,
       Block(8, {{0, 1}, {4, 100}}), Block(8, {{0, 1}, {4, 5}})},
      {"sock_create", "cgroup_sock attach=2",
       "r2 = *(u32 *)(r1 + 4)\n*(u32 *)(r1 + 16) = r2" + pass, 1, Block(80, {{4, 10}}),
       Block(80, {{4, 10}, {16, 10}})},
      {"sock_ops answers", "sock_ops", "r2 = *(u32 *)(r1 + 0)\n*(u32 *)(r1 + 4) = r2" + pass, 1,
       Block(224, {{0, 6}}), Block(224, {{0, 6}, {4, 6}})},
      {"getsockopt", "cgroup_sockopt attach=21", option, 1, Block(40, {{24, 1}, {28, 2}, {32, 4}}),
       Block(40, {{24, 1}, {28, 2}, {32, 7}}), Text("abcd"), Text("Xbcd")},
      {"getsockopt without a value", "cgroup_sockopt attach=21", option, 1, Block(40, {{32, 4}})},
      {"sk_msg", "sk_msg", FirstTwoBytes(0, 8), 0x6261, Block(80, {}), {}, Text("ab")},
      {"sk_msg, too short", "sk_msg", FirstTwoBytes(0, 8), 9999, Block(80, {}), {}, Text("a")},
      {"sk_reuseport",
       "sk_reuseport attach=39",
       FirstTwoBytes(0, 8),
       0x6261,
       Block(56, {}),
       {},
       Text("abc")},
      {"perf_event", "perf_event",
       "r0 = *(u64 *)(r1 + 128)\nr2 = *(u16 *)(r1 + 168)\nr0 += r2\nr3 = *(u64 *)(r1 + 176)\n"
       "r0 += r3\nexit",
       0x1000 + 0x2345 + 7, Block(184, {{128, 0x1000, 8}, {168, 0x12345, 8}, {176, 7, 8}})},
      {"lirc_mode2", "lirc_mode2", "r0 = *(u32 *)(r1 + 0)\nexit", 77, Block(4, {{0, 77}})},
      {"sk_lookup takes no socket", "sk_lookup attach=36",
       "r6 = *(u32 *)(r1 + 60)\nr2 = 0\nr3 = 0\ncall sk_assign\nif r0 != 0 goto +3\n"
       "if r6 != 4242 goto +2\nr0 = 1\nexit\nr0 = 0\nexit",
       1, Block(72, {{60, 4242}})},
  };
}

class ContextRun : public test::EngineTest {
 protected:
  std::shared_ptr<Executable> LoadText(const std::string& type, const std::string& code) {
    const Program program = ProgramFromText("-- type\n" + type + "\n-- asm\n" + code + "\n");
    auto instance = MapsOf(program);
    return Load(*instance, program);
  }
};

TEST_P(ContextRun, ReadsAndWritesFieldsAndData) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    const auto executable = LoadText(c.type, c.code);
    ASSERT_NE(executable, nullptr);
    Bytes context = c.context, data = c.data;
    const RunResult r = executable->RunBytes(*context_, context, data);
    ASSERT_TRUE(r.ok()) << context_->trap_detail();
    EXPECT_EQ(r.value, c.result);
    EXPECT_EQ(context, c.context_after.empty() ? c.context : c.context_after);
    EXPECT_EQ(data, c.data_after.empty() ? c.data : c.data_after);
  }
}

TEST_P(ContextRun, RefusesLessThanTheProgramLooksAt) {
  const auto device = LoadText("cgroup_device", "r0 = *(u32 *)(r1 + 8)\nr0 &= 1\nexit");
  Bytes context(11);
  EXPECT_EQ(device->RunBytes(*context_, context).trap, TrapCode::kBadCall);
  EXPECT_EQ(context_->trap_detail(), "the context has fewer bytes than the program accesses");
  context.resize(12);
  EXPECT_TRUE(device->RunBytes(*context_, context).ok());
}

TEST_P(ContextRun, PadsTheContextForWhatATailCallEnters) {
  const Program first = ProgramFromText(
      "-- type\ntracepoint\n-- maps\njumps prog_array key=4 value=4 entries=1\n-- asm\n"
      "r2 = map[0] ll\nr3 = 0\ncall tail_call\nr0 = 1\nexit\n",
      "first");
  const Program second =
      ProgramFromText("-- type\ntracepoint\n-- asm\nr0 = *(u64 *)(r1 + 8184)\nexit\n", "second");
  auto instance = MapsOf(first);
  const auto caller = Load(*instance, first), callee = Load(*instance, second);
  ASSERT_EQ(instance->SetProgram(*instance->FindMap("jumps"), 0, callee), 0);
  Bytes context(16);
  const RunResult r = caller->RunBytes(*context_, context);
  ASSERT_TRUE(r.ok()) << context_->trap_detail();
  EXPECT_EQ(r.value, 0u);
}

TEST_P(ContextRun, TellsHelpersOfTheInvocation) {
  const auto kprobe =
      LoadText("kprobe",
               "r6 = r1\ncall get_func_ip\nr7 = r0\nr1 = r6\ncall get_attach_cookie\nr7 += r0\n"
               "r1 = r6\nr2 = -5\ncall override_return\nr7 += r0\nr0 = r7\nexit");
  ASSERT_NE(kprobe, nullptr);
  context_->invocation() = {.ip = 0x1000, .cookie = 0x234};
  Bytes registers(168);
  const RunResult r = kprobe->RunBytes(*context_, registers);
  ASSERT_TRUE(r.ok()) << context_->trap_detail();
  EXPECT_EQ(r.value, 0x1234u);
  EXPECT_EQ(context_->invocation().override_return, static_cast<uint64_t>(-5));

  const auto device = LoadText("cgroup_device",
                               "call get_retval\nr6 = r0\nr1 = -13\ncall set_retval\nr0 = 0\n"
                               "if r6 s> -2 goto +1\nr0 = 1\nexit");
  context_->invocation() = {.retval = -2};
  Bytes context(12);
  EXPECT_EQ(device->RunBytes(*context_, context).value, 1u);
  EXPECT_EQ(context_->invocation().retval, -13);
}

TEST_P(ContextRun, DissectsFlows) {
  // Asks for the first bytes of the frame, says where the transport header is.
  const auto dissector =
      LoadText("flow_dissector",
               "r2 = *(u32 *)(r1 + 76)\nr3 = *(u32 *)(r1 + 80)\nr4 = *(u64 *)(r1 + 144)\nr5 = r2\n"
               "r5 += 24\nr0 = 2\nif r5 > r3 goto +6\nr5 = *(u8 *)(r2 + 23)\n*(u8 *)(r4 + 9) = r5\n"
               "r5 = *(u16 *)(r4 + 10)\n*(u16 *)(r4 + 12) = r5\nr5 = 60000\n*(u16 *)(r4 + 2) = r5\n"
               "r0 = 0\nif r5 == 1 goto +1\nexit\nexit");
  ASSERT_NE(dissector, nullptr);
  Bytes frame(64);
  frame[12] = std::byte{8};
  frame[23] = std::byte{17};
  FlowKeys keys;
  keys.sport = 99;  // of an earlier run
  const RunResult r = dissector->RunFlowDissector(*context_, frame, keys);
  ASSERT_TRUE(r.ok()) << context_->trap_detail();
  EXPECT_EQ(keys.ip_proto, 17);
  EXPECT_EQ(keys.n_proto, 8);
  EXPECT_EQ(keys.sport, 8);
  EXPECT_EQ(keys.nhoff, 14);
  EXPECT_EQ(keys.thoff, 64);  // brought back into the frame
  frame.resize(13);
  EXPECT_EQ(dissector->RunFlowDissector(*context_, frame, keys).trap, TrapCode::kBadCall);
  EXPECT_EQ(dissector->RunBytes(*context_, frame).trap, TrapCode::kBadCall);
}

INSTANTIATE_TEST_SUITE_P(Engines, ContextRun,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
