// SPDX-License-Identifier: Apache-2.0
// What a host sees of packets: room, copies, fragments, redirects, and what
// helpers ask it for. What Linux sees too is compared with it in
// packet_helpers_test.cc.
#include <cstring>
#include <string>
#include <vector>

#include "skep/test_run.h"

#include "tests/vm/engine_fixture.h"

namespace skep {
namespace {

using test::ProgramFromText;

class PacketApi : public test::EngineTest {
 protected:
  std::shared_ptr<Executable> Make(const std::string& type, const std::string& code) {
    const Program program = ProgramFromText("-- type\n" + type + "\n-- asm\n" + code);
    instances_.push_back(MapsOf(program));
    return Load(*instances_.back(), program);
  }

  // A buffer of zeroes with a packet of ones in it.
  struct Buffer {
    Buffer(uint32_t front, uint32_t size, uint32_t back) : bytes(front + size + back) {
      std::fill_n(bytes.begin() + front, size, std::byte{1});
      input.data = std::span(bytes).subspan(front, size);
      input.headroom = front;
      input.tailroom = back;
    }
    std::vector<std::byte> bytes;
    PacketFrame input;
  };

  std::vector<std::shared_ptr<Instance>> instances_;
  PacketOutput output_;
};

std::string AdjustBoth(int head, int tail) {
  return "r6 = r1\nr2 = " + std::to_string(head) +
         "\ncall 44\nr7 = r0\nr1 = r6\nr2 = " + std::to_string(tail) +
         "\ncall 65\nr0 |= r7\nexit\n";
}

TEST_P(PacketApi, APacketWithRoomStaysInItsBuffer) {
  auto executable = Make("xdp", AdjustBoth(-8, 4));
  Buffer buffer(8, 20, 4);
  const RunResult result = RunFrame(*executable, *context_, buffer.input, output_);
  EXPECT_EQ(result.value, 0u);
  EXPECT_EQ(output_.data.data(), buffer.bytes.data());
  EXPECT_EQ(output_.data.size(), 32u);
  EXPECT_EQ(output_.meta_size, 0u);
}

TEST_P(PacketApi, RoomEndsWhereTheHostSays) {
  Buffer buffer(8, 20, 4);
  for (const auto& code : {AdjustBoth(-9, 0), AdjustBoth(0, 5)}) {
    auto executable = Make("xdp", code);
    EXPECT_EQ(static_cast<int64_t>(RunFrame(*executable, *context_, buffer.input, output_).value),
              -22);
    EXPECT_EQ(output_.data.data(), buffer.input.data.data());
    EXPECT_EQ(output_.data.size(), 20u);
  }
}

TEST_P(PacketApi, APacketWithoutRoomMovesToACopyWhenItGrows) {
  auto executable = Make("xdp", AdjustBoth(-216, 100));
  Buffer buffer(0, 20, 0);
  const auto before = buffer.bytes;
  for (int run = 0; run < 2; ++run) {
    EXPECT_EQ(RunFrame(*executable, *context_, buffer.input, output_).value, 0u);
    ASSERT_EQ(output_.data.size(), 336u);
    EXPECT_EQ(buffer.bytes, before);
    for (size_t i = 0; i < output_.data.size(); ++i) {
      EXPECT_EQ(output_.data[i], std::byte{i >= 216 && i < 236}) << i;
    }
  }
}

TEST_P(PacketApi, APacketThatOnlyShrinksIsNotCopied) {
  auto executable = Make("xdp", AdjustBoth(2, -3));
  Buffer buffer(0, 20, 0);
  EXPECT_EQ(RunFrame(*executable, *context_, buffer.input, output_).value, 0u);
  EXPECT_EQ(output_.data.data(), buffer.bytes.data() + 2);
  EXPECT_EQ(output_.data.size(), 15u);
}

TEST_P(PacketApi, APacketLargerThanAPageMayMoveToo) {
  auto executable = Make("xdp", AdjustBoth(-14, 0));
  Buffer buffer(0, 9000, 0);
  EXPECT_EQ(RunFrame(*executable, *context_, buffer.input, output_).value, 0u);
  ASSERT_EQ(output_.data.size(), 9014u);
  EXPECT_EQ(output_.data[13], std::byte{0});
  EXPECT_EQ(output_.data[9013], std::byte{1});
}

TEST_P(PacketApi, FragmentsAreTheHostsMemory) {
  // Stores 4 bytes across the end of the linear part, then grows by 2.
  auto executable = Make("xdp",
                         "r6 = r1\n*(u32 *)(r10 - 4) = 0x04030201\nr3 = r10\nr3 += -4\nr2 = 18\n"
                         "r4 = 4\ncall 190\nr7 = r0\nr1 = r6\nr2 = 2\ncall 65\nr7 |= r0\nr1 = r6\n"
                         "call 188\nr7 <<= 32\nr0 |= r7\nexit\n");
  Buffer buffer(0, 20, 0);
  std::byte memory[8] = {};
  const PacketFragment fragment{memory, 6, 8};
  buffer.input.fragments = {&fragment, 1};
  EXPECT_EQ(RunFrame(*executable, *context_, buffer.input, output_).value, 28u);
  EXPECT_EQ(buffer.bytes[19], std::byte{2});
  EXPECT_EQ(memory[1], std::byte{4});
  ASSERT_EQ(output_.fragments.size(), 1u);
  EXPECT_EQ(output_.fragments[0].size, 8u);
  const std::vector<PacketFragment> many(18, fragment);
  buffer.input.fragments = many;
  EXPECT_EQ(RunFrame(*executable, *context_, buffer.input, output_).trap, TrapCode::kBadCall);
}

TEST_P(PacketApi, ARedirectIsTheHostsToCarryOut) {
  auto xdp = Make("xdp", "r1 = 7\nr2 = 0\ncall 23\nexit\n");
  Buffer buffer(0, 20, 0);
  EXPECT_EQ(RunFrame(*xdp, *context_, buffer.input, output_).value, 4u);
  EXPECT_EQ(output_.redirect.kind, RedirectKind::kDevice);
  EXPECT_EQ(output_.redirect.ifindex, 7u);

  auto neighbour = Make("sched_cls",
                        "*(u64 *)(r10 - 24) = 2\n*(u64 *)(r10 - 16) = 5\n*(u64 *)(r10 - 8) = 0\n"
                        "r1 = 9\nr2 = r10\nr2 += -24\nr3 = 20\nr4 = 0\ncall 152\nexit\n");
  EXPECT_EQ(RunFrame(*neighbour, *context_, buffer.input, output_).value, 7u);
  EXPECT_EQ(output_.redirect.kind, RedirectKind::kNeighbour);
  EXPECT_TRUE(output_.redirect.has_next_hop);
  EXPECT_EQ(output_.redirect.next_hop[8], std::byte{5});

  auto none = Make("xdp", "r0 = 2\nexit\n");
  EXPECT_EQ(RunFrame(*none, *context_, buffer.input, output_).value, 2u);
  EXPECT_EQ(output_.redirect.kind, RedirectKind::kNone);
}

TEST_P(PacketApi, ACloneGoesToTheHost) {
  auto executable = Make("sched_cls", "r2 = 3\nr3 = 1\ncall 13\nexit\n");
  Buffer buffer(0, 20, 0);
  EXPECT_EQ(static_cast<int64_t>(executable->RunPacket(*context_, buffer.input).value), -22);
  std::vector<std::byte> seen;
  PacketHooks hooks;
  hooks.clone_redirect = [&](std::span<const std::byte> packet, uint32_t ifindex,
                             uint64_t flags) -> int64_t {
    seen.assign(packet.begin(), packet.end());
    return ifindex == 3 && flags == 1 ? 0 : -1;
  };
  SetPacketHooks(*context_, hooks);
  EXPECT_EQ(executable->RunPacket(*context_, buffer.input).value, 0u);
  EXPECT_EQ(seen, buffer.bytes);
}

TEST_P(PacketApi, TheHostAnswersForDevicesAndRoutes) {
  const std::string mtu =
      "*(u32 *)(r10 - 4) = 0\nr2 = 5\nr3 = r10\nr3 += -4\nr4 = 0\nr5 = 0\n"
      "call 163\nr1 = *(u32 *)(r10 - 4)\nr0 <<= 32\nr0 |= r1\nexit\n";
  const std::string zero =
      "*(u64 *)(r10 - 64) = 2\n*(u64 *)(r10 - 56) = 5\n*(u64 *)(r10 - 48) = 0\n"
      "*(u64 *)(r10 - 40) = 0\n*(u64 *)(r10 - 32) = 0\n*(u64 *)(r10 - 24) = 0\n"
      "*(u64 *)(r10 - 16) = 0\n*(u64 *)(r10 - 8) = 0\n";
  const std::string route = zero +
                            "r2 = r10\nr2 += -64\nr3 = 64\nr4 = 0\ncall 69\n"
                            "r1 = *(u8 *)(r10 - 1)\nr0 <<= 8\nr0 |= r1\nexit\n";
  PacketHooks hooks;
  hooks.device = [](uint32_t ifindex) -> std::optional<PacketDevice> {
    if (ifindex != 5) return std::nullopt;
    return PacketDevice{.mtu = 10, .hard_header_len = 4};
  };
  hooks.fib_lookup = [](std::span<std::byte, 64> params, uint32_t) -> int64_t {
    params[63] = std::byte{0x42};
    return 0;
  };
  Buffer buffer(0, 20, 0);
  for (const std::string type : {"xdp", "sched_cls"}) {
    auto check = Make(type, mtu), look = Make(type, route);
    SetPacketHooks(*context_, {});
    EXPECT_EQ(check->RunPacket(*context_, buffer.input).value, uint64_t{0xffffffed} << 32);
    EXPECT_EQ(static_cast<int64_t>(look->RunPacket(*context_, buffer.input).value), -19 * 256);
    SetPacketHooks(*context_, hooks);
    EXPECT_EQ(check->RunPacket(*context_, buffer.input).value, uint64_t{1} << 32 | 10);
    EXPECT_EQ(look->RunPacket(*context_, buffer.input).value, 0x42u);
  }
}

TEST_P(PacketApi, TheHostSaysWhoseSocketItIs) {
  Buffer buffer(0, 20, 0);
  auto cookie = Make("sched_cls", "call 46\nexit\n"), uid = Make("sched_cls", "call 47\nexit\n");
  EXPECT_NE(cookie->RunPacket(*context_, buffer.input).value, 0u);
  EXPECT_EQ(uid->RunPacket(*context_, buffer.input).value, 0u);
  PacketHooks hooks;
  hooks.socket_cookie = 77;
  hooks.socket_uid = 1000;
  SetPacketHooks(*context_, hooks);
  EXPECT_EQ(cookie->RunPacket(*context_, buffer.input).value, 77u);
  EXPECT_EQ(uid->RunPacket(*context_, buffer.input).value, 1000u);
}

// An IPv4 header and a TCP header in the stack; makes a cookie, answers it, and
// returns what the check says of the answer with `wrong` added.
std::string CookieProgram(int wrong) {
  std::string code;
  for (int at = 8; at <= 48; at += 8)
    code += "*(u64 *)(r10 - " + std::to_string(at) + ") = 0x1234\n";
  return code +
         "*(u8 *)(r10 - 12) = 0x50\n"  // 20 bytes of TCP header at r10 - 24
         "*(u32 *)(r10 - 20) = 0x09000000\n"
         "r1 = r10\nr1 += -48\nr2 = r10\nr2 += -24\nr3 = 20\ncall 204\n"
         "w0 += 1\nw0 += " +
         std::to_string(wrong) +
         "\nr0 = be32 r0\n"
         "*(u32 *)(r10 - 16) = r0\n"
         "*(u32 *)(r10 - 20) = 0x0a000000\n"
         "r1 = r10\nr1 += -48\nr2 = r10\nr2 += -24\ncall 206\nexit\n";
}

TEST_P(PacketApi, ASynCookieIsKnownAgainForTwoMinutes) {
  Buffer buffer(0, 20, 0);
  auto good = Make("xdp", CookieProgram(0)), bad = Make("xdp", CookieProgram(1 << 22));
  EXPECT_EQ(good->RunPacket(*context_, buffer.input).value, 0u);
  EXPECT_EQ(static_cast<int64_t>(bad->RunPacket(*context_, buffer.input).value), -13);
  uint64_t minute = 0;
  ExecutionHooks hooks;
  uint64_t step = 1;
  hooks.clock = [&](int) { return (minute += step) * 60'000'000'000; };
  context_->set_hooks(hooks);
  EXPECT_EQ(good->RunPacket(*context_, buffer.input).value, 0u);
  step = 2;
  EXPECT_EQ(static_cast<int64_t>(good->RunPacket(*context_, buffer.input).value), -13);
}

TEST_P(PacketApi, BothDirectionsOfAFlowHaveOneHash) {
  std::vector<std::byte> there(42), back;
  there[12] = std::byte{8};
  there[14] = std::byte{0x45};
  there[23] = std::byte{17};
  for (size_t i = 26; i < 38; ++i) there[i] = static_cast<std::byte>(i);
  back = there;
  std::swap_ranges(back.begin() + 26, back.begin() + 30, back.begin() + 30);
  std::swap_ranges(back.begin() + 34, back.begin() + 36, back.begin() + 36);
  auto hash = Make("sched_cls", "call 34\nexit\n");
  const uint64_t first = hash->RunPacket(*context_, {.data = there}).value;
  EXPECT_NE(first, 0u);
  EXPECT_EQ(hash->RunPacket(*context_, {.data = back}).value, first);
  back[34] ^= std::byte{1};
  EXPECT_NE(hash->RunPacket(*context_, {.data = back}).value, first);
  auto another = *Runtime::Create({});
  auto other = *another->NewContext();
  auto set = Make("sched_cls", "r6 = r1\nr2 = 5\ncall 48\nr1 = r6\ncall 34\nexit\n");
  EXPECT_EQ(set->RunPacket(*context_, {.data = there}).value, 5u);
}

TEST_P(PacketApi, FieldsOfASkbComeAndGo) {
  auto executable = Make("sched_cls",
                         "r0 = *(u32 *)(r1 + 8)\n*(u32 *)(r1 + 48) = 9\nr2 = 0x0081\nr3 = 5\n"
                         "r6 = r0\ncall 18\nr0 = r6\nexit\n");
  Buffer buffer(0, 20, 0);
  SkbFields fields;
  fields.mark = 3;
  fields.cb[1] = 4;
  buffer.input.fields = &fields;
  EXPECT_EQ(RunFrame(*executable, *context_, buffer.input, output_).value, 3u);
  EXPECT_EQ(output_.fields.mark, 3u);
  EXPECT_EQ(output_.fields.cb[0], 9u);
  EXPECT_EQ(output_.fields.cb[1], 4u);
  EXPECT_EQ(output_.fields.vlan_tci, 5u);
  EXPECT_EQ(output_.fields.len, 20u);
}

TEST_P(PacketApi, ATestRunTakesPacketProgramsAlone) {
  const std::byte bytes[14] = {};
  auto executable = Make("raw_tracepoint", "r0 = 0\nexit\n");
  const auto run = TestRun(*executable, *context_, {.data = bytes});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().sys_errno, 524);
}

// What a socket has received has no header, and may be short.
TEST_P(PacketApi, RunsSkSkbProgramsOverPayload) {
  const auto program = Make("sk_skb",
                            "r2 = *(u32 *)(r1 + 76)\nr3 = *(u32 *)(r1 + 80)\n"
                            "r0 = *(u32 *)(r1 + 0)\nr0 *= 1000\n"
                            "r4 = r2\nr4 += 3\nif r4 > r3 goto end\n"
                            "r5 = *(u8 *)(r2 + 2)\nr0 += r5\nr5 = 9\n"
                            "*(u8 *)(r2 + 0) = r5\nend:\nexit\n");
  ASSERT_NE(program, nullptr);
  for (const uint32_t size : {1u, 3u, 100u}) {
    std::vector<std::byte> bytes(size, std::byte{4});
    const RunResult run = program->RunPacket(*context_, {.data = bytes});
    EXPECT_TRUE(run.ok()) << context_->trap_detail();
    EXPECT_EQ(run.value, size * 1000 + (size < 3 ? 0 : 4));
    EXPECT_EQ(bytes[0], size < 3 ? std::byte{4} : std::byte{9});
  }
  const std::vector<std::byte> bytes(64);
  const auto refused = TestRun(*program, *context_, {.data = bytes});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sys_errno, 524);
}

// One slot of a table is filled, and emptied again.
TEST_P(PacketApi, TablesSayWhetherThereIsSomewhereToRedirectTo) {
  for (const std::string type : {"devmap", "devmap_hash", "cpumap", "xskmap"}) {
    const Program program =
        ProgramFromText("-- type\nxdp\n-- maps\nports " + type +
                        " key=4 value=4 entries=4\n-- asm\n"
                        "r1 = map[ports] ll\nr2 = 2\nr3 = 1\ncall bpf_redirect_map\nexit\n");
    const auto instance = MapsOf(program);
    const auto executable = Load(*instance, program);
    ASSERT_NE(executable, nullptr) << type;
    const auto map = instance->FindMap("ports");
    ASSERT_NE(map, nullptr);
    const uint32_t slot = 2, target = 3;
    const auto* key = reinterpret_cast<const std::byte*>(&slot);
    Buffer buffer(0, 20, 0);
    EXPECT_EQ(RunFrame(*executable, *context_, buffer.input, output_).value, 1u) << type;
    EXPECT_EQ(output_.redirect.kind, RedirectKind::kNone);
    ASSERT_EQ(map->HostUpdate(key, reinterpret_cast<const std::byte*>(&target)), 0) << type;
    EXPECT_EQ(RunFrame(*executable, *context_, buffer.input, output_).value, 4u) << type;
    EXPECT_EQ(output_.redirect.kind, RedirectKind::kMap);
    EXPECT_EQ(output_.redirect.map, map.get());
    EXPECT_EQ(output_.redirect.slot, slot);
    ASSERT_EQ(map->HostDelete(key), 0);
    EXPECT_EQ(RunFrame(*executable, *context_, buffer.input, output_).value, 1u) << type;
  }
}

// What programs put into them they find there.
TEST_P(PacketApi, ProgramsUseLruTriesAndFilters) {
  const Program program = ProgramFromText(
      "-- type\nxdp\n-- maps\nrecent lru_hash key=4 value=8 entries=2\n"
      "routes lpm_trie key=8 value=8 entries=4 flags=1\n"
      "seen bloom_filter key=0 value=8 entries=8\n-- asm\n"
      // Five keys into two places, then the last one is there.
      "r6 = 0\nnext:\n*(u32 *)(r10 - 4) = r6\n*(u64 *)(r10 - 16) = r6\n"
      "r1 = map[recent] ll\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\n"
      "call bpf_map_update_elem\nif r0 != 0 goto bad\nr6 += 1\nif r6 < 5 goto next\n"
      "r1 = map[recent] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto bad\n"
      "r7 = *(u64 *)(r0 + 0)\n"
      // The route of 10.0.0.0/8 is that of 10.1.2.3.
      "r1 = 8\n*(u32 *)(r10 - 32) = r1\nr1 = 10\n*(u32 *)(r10 - 28) = r1\n"
      "r1 = 100\n*(u64 *)(r10 - 16) = r1\n"
      "r1 = map[routes] ll\nr2 = r10\nr2 += -32\nr3 = r10\nr3 += -16\nr4 = 0\n"
      "call bpf_map_update_elem\nif r0 != 0 goto bad\n"
      "r1 = 32\n*(u32 *)(r10 - 32) = r1\nr1 = 0x0302010a\n*(u32 *)(r10 - 28) = r1\n"
      "r1 = map[routes] ll\nr2 = r10\nr2 += -32\ncall bpf_map_lookup_elem\nif r0 == 0 goto bad\n"
      "r1 = *(u64 *)(r0 + 0)\nr7 += r1\n"
      // A filter finds what it was given.
      "r1 = map[seen] ll\nr2 = r10\nr2 += -16\nr3 = 0\ncall bpf_map_push_elem\n"
      "if r0 != 0 goto bad\n"
      "r1 = map[seen] ll\nr2 = r10\nr2 += -16\ncall bpf_map_peek_elem\nif r0 != 0 goto bad\n"
      "r0 = r7\nexit\nbad:\nr0 = -1\nexit\n");
  const auto instance = MapsOf(program);
  const auto executable = Load(*instance, program);
  ASSERT_NE(executable, nullptr);
  Buffer buffer(0, 20, 0);
  EXPECT_EQ(RunFrame(*executable, *context_, buffer.input, output_).value, 104u);
  EXPECT_EQ(instance->FindMap("recent")->element_count(), 2u);
}

INSTANTIATE_TEST_SUITE_P(Engines, PacketApi,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
