// SPDX-License-Identifier: Apache-2.0
// bpf_redirect_map as Linux's xdp programs see it: a slot that is there is noted
// and answered with XDP_REDIRECT, an empty one with what the flags' low bits say.
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "helpers/functions.h"
#include "maps/create.h"
#include "model/execution_layout.h"
#include "model/packet_state.h"

namespace skep {
namespace {

constexpr uint64_t kXdpAborted = 0;
constexpr uint64_t kXdpPass = 2;
constexpr uint64_t kXdpRedirect = 4;

// Each kind of table, with slot 1 filled.
class RedirectMap : public testing::TestWithParam<MapType> {
 protected:
  RedirectMap() {
    MapSpec spec;
    spec.type = GetParam();
    spec.key_size = spec.value_size = 4;
    spec.max_entries = 4;
    auto map =
        CreateMap(spec, {.cpu_slots = 4, .id = 1, .epochs = std::make_shared<EpochDomain>()});
    if (map) map_ = *std::move(map);
  }
  void SetUp() override {
    ASSERT_NE(map_, nullptr);
    ASSERT_EQ(Put(1, 7), 0);
  }
  int Put(uint32_t slot, uint32_t value, uint64_t flags = 0) {
    return map_->HostUpdate(reinterpret_cast<const std::byte*>(&slot),
                            reinterpret_cast<const std::byte*>(&value), flags);
  }
  int Drop(uint32_t slot) { return map_->HostDelete(reinterpret_cast<const std::byte*>(&slot)); }
  bool IsOfDevices() const {
    return GetParam() == MapType::kDevmap || GetParam() == MapType::kDevmapHash;
  }
  uint64_t Call(uint64_t slot, uint64_t flags) {
    return helpers::RedirectMap(reinterpret_cast<uint64_t>(map_.get()), slot, flags, 0, 0,
                                *context_);
  }
  const PacketRedirect& redirect() const {
    return model::ExecutionLayout::extras(*context_).packet->redirect;
  }

  EpochDomain domain_;
  std::unique_ptr<ExecutionContext> context_ = model::ExecutionLayout::Create(3, domain_, [] {});
  std::shared_ptr<Map> map_;
};

TEST_P(RedirectMap, NotesTheMapAndTheSlot) {
  EXPECT_EQ(Call(1, kXdpPass), kXdpRedirect);
  EXPECT_EQ(redirect().kind, RedirectKind::kMap);
  EXPECT_EQ(redirect().map, map_.get());
  EXPECT_EQ(redirect().slot, 1u);
}

TEST_P(RedirectMap, AnswersAnEmptySlotWithTheFlagsAndForgetsTheLastRequest) {
  EXPECT_EQ(Call(1, 0), kXdpRedirect);
  EXPECT_EQ(Call(2, kXdpPass), kXdpPass);
  EXPECT_EQ(redirect().map, nullptr);
  EXPECT_EQ(Call(9, kXdpPass), kXdpPass) << "there is no such slot";
}

TEST_P(RedirectMap, AnswersASlotThatTheHostEmptiedAsAnEmptyOne) {
  EXPECT_EQ(Drop(1), 0);
  EXPECT_EQ(Call(1, kXdpPass), kXdpPass);
}

TEST_P(RedirectMap, RefusesFlagsThatLinuxDoesNotKnow) {
  constexpr uint64_t kBroadcast = uint64_t{1} << 3;
  EXPECT_EQ(Call(1, uint64_t{1} << 5), kXdpAborted);
  EXPECT_EQ(Call(1, kBroadcast), IsOfDevices() ? kXdpRedirect : kXdpAborted);
  EXPECT_EQ(redirect().flags, IsOfDevices() ? kBroadcast : 0);
}

TEST_P(RedirectMap, GivesProgramsWhatTheHostPutThereToRead) {
  const uint32_t slot = 1;
  std::byte* value = map_->Lookup(reinterpret_cast<const std::byte*>(&slot), 0);
  ASSERT_NE(value, nullptr);
  uint32_t read = 0;
  std::memcpy(&read, value, sizeof read);
  EXPECT_EQ(read, 7u);
  const auto extent = map_->ElementAt(value + 3);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->begin, value);
  EXPECT_EQ(extent->size, 4u);
  EXPECT_FALSE(extent->writable);
}

INSTANTIATE_TEST_SUITE_P(Tables, RedirectMap,
                         testing::Values(MapType::kDevmap, MapType::kDevmapHash, MapType::kCpumap,
                                         MapType::kXskmap),
                         [](const auto& instance) -> std::string {
                           switch (instance.param) {
                             case MapType::kDevmap:
                               return "devmap";
                             case MapType::kDevmapHash:
                               return "devmap_hash";
                             case MapType::kCpumap:
                               return "cpumap";
                             default:
                               return "xskmap";
                           }
                         });

// Beside the kernel there is no socket to put into one; the others are compared
// with it in map_kernel_test.cc.
TEST(Xskmap, AnswersTheHostAsLinuxDoes) {
  MapSpec spec;
  spec.type = MapType::kXskmap;
  spec.key_size = spec.value_size = 4;
  spec.max_entries = 2;
  const auto map =
      CreateMap(spec, {.cpu_slots = 4, .id = 1, .epochs = std::make_shared<EpochDomain>()});
  ASSERT_TRUE(map);
  const auto put = [&](uint32_t slot, uint32_t value, uint64_t flags) {
    return (*map)->HostUpdate(reinterpret_cast<const std::byte*>(&slot),
                              reinterpret_cast<const std::byte*>(&value), flags);
  };
  EXPECT_EQ(put(0, 5, kUpdateExist), -ENOENT);
  EXPECT_EQ(put(0, 5, kUpdateNoExist), 0);
  EXPECT_EQ(put(0, 6, kUpdateNoExist), -EEXIST);
  EXPECT_EQ(put(0, 6, kUpdateExist), 0);
  EXPECT_EQ(put(0, 0, 0), -EBADF);
  EXPECT_EQ(put(2, 5, 0), -E2BIG);
  EXPECT_EQ(put(0, 5, 3), -EINVAL);
  const uint32_t slot = 0;
  std::byte value[4];
  EXPECT_EQ((*map)->HostLookup(reinterpret_cast<const std::byte*>(&slot), value), -EOPNOTSUPP);
}

}  // namespace
}  // namespace skep
