// SPDX-License-Identifier: Apache-2.0
// bpf_redirect_map as Linux's xdp programs see it: a slot that is there is noted
// and answered with XDP_REDIRECT, an empty one with what the flags' low bits say.
#include <cstdint>
#include <memory>

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

class RedirectMap : public testing::Test {
 protected:
  RedirectMap() {
    MapSpec spec;
    spec.type = MapType::kArray;
    spec.key_size = spec.value_size = 4;
    spec.max_entries = 2;
    auto map =
        CreateMap(spec, {.cpu_slots = 4, .id = 1, .epochs = std::make_shared<EpochDomain>()});
    if (map) map_ = *std::move(map);
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

TEST_F(RedirectMap, NotesTheMapAndTheSlot) {
  ASSERT_NE(map_, nullptr);
  EXPECT_EQ(Call(1, kXdpPass), kXdpRedirect);
  EXPECT_EQ(redirect().kind, RedirectKind::kMap);
  EXPECT_EQ(redirect().map, map_.get());
  EXPECT_EQ(redirect().slot, 1u);
}

TEST_F(RedirectMap, AnswersAnEmptySlotWithTheFlagsAndForgetsTheLastRequest) {
  ASSERT_NE(map_, nullptr);
  EXPECT_EQ(Call(0, 0), kXdpRedirect);
  EXPECT_EQ(Call(2, kXdpPass), kXdpPass);
  EXPECT_EQ(redirect().map, nullptr);
}

TEST_F(RedirectMap, RefusesFlagsThatLinuxDoesNotKnow) {
  ASSERT_NE(map_, nullptr);
  EXPECT_EQ(Call(1, uint64_t{1} << 4), kXdpAborted);
  EXPECT_EQ(Call(1, uint64_t{1} << 3), kXdpAborted) << "only maps of devices broadcast";
}

}  // namespace
}  // namespace skep
