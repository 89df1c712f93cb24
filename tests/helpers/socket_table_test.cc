// SPDX-License-Identifier: Apache-2.0
// Helpers over tables of sockets and cgroups, which the host fills with numbers.
#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "helpers/functions.h"
#include "maps/create.h"
#include "model/execution_layout.h"
#include "model/packet_state.h"

namespace skep {
namespace {

constexpr uint64_t kSkDrop = 0, kSkPass = 1, kIngress = 1;

class SocketTables : public testing::Test {
 protected:
  std::shared_ptr<Map> Make(MapType type, uint32_t flags = 0) {
    MapSpec spec;
    spec.name = "sockets";
    spec.type = type;
    spec.key_size = spec.value_size = 4;
    spec.max_entries = 4;
    spec.flags = flags;
    auto map =
        CreateMap(spec, {.cpu_slots = 4, .id = 1, .epochs = std::make_shared<EpochDomain>()});
    EXPECT_TRUE(map) << map.error().message;
    return *std::move(map);
  }
  static int Put(Map& map, uint32_t slot, uint32_t number) {
    return map.HostUpdate(reinterpret_cast<const std::byte*>(&slot),
                          reinterpret_cast<const std::byte*>(&number));
  }
  PacketHooks& hooks() { return model::ExecutionLayout::extras(*context_).packet->hooks; }
  static uint64_t Register(const void* p) { return reinterpret_cast<uint64_t>(p); }
  static int64_t Signed(uint64_t r0) { return static_cast<int64_t>(r0); }
  void Listen() {
    hooks().choose_socket = [this](uint64_t number, uint64_t flags) {
      chosen_.emplace_back(number, flags);
    };
  }

  using Choices = std::vector<std::pair<uint64_t, uint64_t>>;
  EpochDomain domain_;
  std::unique_ptr<ExecutionContext> context_ = model::ExecutionLayout::Create(3, domain_, [] {});
  Choices chosen_;
};

TEST_F(SocketTables, RedirectsTellTheHostOfTheNumber) {
  const auto map = Make(MapType::kSockmap), hash = Make(MapType::kSockhash);
  ASSERT_EQ(Put(*map, 2, 77), 0);
  ASSERT_EQ(Put(*hash, 5, 88), 0);
  Listen();
  using Helper =
      uint64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, ExecutionContext&) noexcept;
  for (const Helper helper : {Helper{helpers::SkRedirectMap}, Helper{helpers::MsgRedirectMap}}) {
    EXPECT_EQ(helper(0, Register(map.get()), 2, 0, 0, *context_), kSkPass);
    EXPECT_EQ(helper(0, Register(map.get()), uint64_t{1} << 32 | 2, kIngress, 0, *context_),
              kSkPass);
    EXPECT_EQ(helper(0, Register(map.get()), 3, 0, 0, *context_), kSkDrop) << "an empty slot";
    EXPECT_EQ(helper(0, Register(map.get()), 4, 0, 0, *context_), kSkDrop) << "no slot";
    EXPECT_EQ(helper(0, Register(map.get()), 2, 2, 0, *context_), kSkDrop) << "unknown flags";
  }
  EXPECT_EQ(chosen_, (Choices{{77, 0}, {77, 1}, {77, 0}, {77, 1}}));
  chosen_.clear();
  const uint32_t there = 5, missing = 6;
  for (const Helper helper : {Helper{helpers::SkRedirectHash}, Helper{helpers::MsgRedirectHash}}) {
    EXPECT_EQ(helper(0, Register(hash.get()), Register(&there), 1, 0, *context_), kSkPass);
    EXPECT_EQ(helper(0, Register(hash.get()), Register(&missing), 0, 0, *context_), kSkDrop);
  }
  EXPECT_EQ(chosen_, (Choices{{88, 1}, {88, 1}}));
}

TEST_F(SocketTables, WithoutAListenerProgramsSeeTheSame) {
  const auto map = Make(MapType::kSockmap);
  ASSERT_EQ(Put(*map, 0, 1), 0);
  EXPECT_EQ(helpers::SkRedirectMap(0, Register(map.get()), 0, 0, 0, *context_), kSkPass);
}

TEST_F(SocketTables, ProgramsPutTheirOwnSocketIn) {
  // What the host may do by descriptor does not bind programs.
  const auto map = Make(MapType::kSockmap, kMapRdonly), hash = Make(MapType::kSockhash);
  const uint32_t slot = 1, beyond = 4;
  const auto put = [&](const std::shared_ptr<Map>& table, const uint32_t& key, uint64_t flags) {
    const uint64_t r0 =
        table == map
            ? helpers::SockMapUpdate(0, Register(map.get()), Register(&key), flags, 0, *context_)
            : helpers::SockHashUpdate(0, Register(hash.get()), Register(&key), flags, 0, *context_);
    return Signed(r0);
  };
  EXPECT_EQ(put(map, slot, 0), -EOPNOTSUPP) << "the host names no socket";
  hooks().socket_number = 9;
  EXPECT_EQ(put(map, slot, kUpdateExist), -ENOENT);
  EXPECT_EQ(put(map, slot, 0), 0);
  EXPECT_EQ(put(map, slot, kUpdateNoExist), -EEXIST);
  EXPECT_EQ(put(map, beyond, 0), -E2BIG);
  EXPECT_EQ(put(map, slot, 3), -EINVAL);
  EXPECT_EQ(put(hash, beyond, 0), 0);
  EXPECT_EQ(put(hash, beyond, kUpdateNoExist), -EEXIST);
  Listen();
  EXPECT_EQ(helpers::SkRedirectMap(0, Register(map.get()), slot, 0, 0, *context_), kSkPass);
  EXPECT_EQ(chosen_, (Choices{{9, 0}}));
}

TEST_F(SocketTables, ReuseportProgramsChooseAmongAGroup) {
  const auto group = Make(MapType::kReuseportSockarray);
  ASSERT_EQ(Put(*group, 3, 40), 0);
  EXPECT_EQ(Put(*group, 2, 40), -EBUSY) << "it has a slot already";
  Listen();
  const uint32_t there = 3, missing = 0;
  const auto choose = [&](const uint32_t& key, uint64_t flags) {
    return Signed(
        helpers::SkSelectReuseport(0, Register(group.get()), Register(&key), flags, 0, *context_));
  };
  EXPECT_EQ(choose(there, 0), 0);
  EXPECT_EQ(choose(missing, 0), -ENOENT);
  EXPECT_EQ(choose(there, 1), -EINVAL);
  EXPECT_EQ(chosen_, (Choices{{40, 0}}));
}

TEST_F(SocketTables, TasksAreUnderTheirCgroupsAncestors) {
  const auto cgroups = Make(MapType::kCgroupArray);
  ASSERT_EQ(Put(*cgroups, 0, 100), 0);
  ASSERT_EQ(Put(*cgroups, 1, 7), 0);
  ASSERT_EQ(Put(*cgroups, 2, 8), 0);
  const auto under = [&](uint64_t slot) {
    return Signed(
        helpers::CurrentTaskUnderCgroup(Register(cgroups.get()), slot, 0, 0, 0, *context_));
  };
  EXPECT_EQ(under(0), 0) << "the host says nothing of cgroups";
  // The root is 7, its child 100 is the task's own.
  model::ExecutionLayout::extras(*context_).hooks.cgroup_id = [](int level) -> uint64_t {
    return level == -1 || level == 1 ? 100 : level == 0 ? 7 : 0;
  };
  EXPECT_EQ(under(0), 1);
  EXPECT_EQ(under(1), 1);
  EXPECT_EQ(under(2), 0);
  EXPECT_EQ(under(3), -EAGAIN);
  EXPECT_EQ(under(4), -E2BIG);
}

}  // namespace
}  // namespace skep
