// SPDX-License-Identifier: Apache-2.0
// Rings that the host fills, on every engine.
#include <cerrno>
#include <cstdint>
#include <string>

#include "skep/user_ring_buffer_writer.h"

#include "tests/vm/objects_of_programs.h"

namespace skep {
namespace {

class UserRing : public test::RunObjectTest {
 protected:
  struct Totals {
    uint64_t samples, sum, stop_at;
  };
  static std::span<const std::byte> Bytes(const uint64_t& number) {
    return std::as_bytes(std::span(&number, 1));
  }
};

TEST_P(UserRing, GivesSamplesInOrderAndSkipsDiscardedOnes) {
  SKEP_OPEN_OR_SKIP(object, "user_ring");
  const auto instance = *runtime_->Instantiate(object);
  const auto drain = LoadNamed(*instance, "drain");
  ASSERT_NE(drain, nullptr);
  auto writer = *UserRingBufferWriter::Create(instance->FindMap("ring"));
  EXPECT_EQ(Run(drain), 0);
  for (uint64_t i = 1; i <= 5; ++i) EXPECT_TRUE(writer->Write(Bytes(i)));
  std::byte* sample = writer->Reserve(8);
  ASSERT_NE(sample, nullptr);
  writer->Discard(sample);
  EXPECT_TRUE(writer->Write(Bytes(100)));
  EXPECT_EQ(Run(drain), 6);
  EXPECT_EQ(Global<int64_t>(*instance, "user_rin.bss", 24), 0);  // refused
  EXPECT_EQ(Global<Totals>(*instance, "user_rin.bss", 0).sum, 115u);
  EXPECT_EQ(Run(drain), 0);
}

TEST_P(UserRing, StopsAtASampleThatIsStillBeingWritten) {
  SKEP_OPEN_OR_SKIP(object, "user_ring");
  const auto instance = *runtime_->Instantiate(object);
  const auto drain = LoadNamed(*instance, "drain");
  ASSERT_NE(drain, nullptr);
  auto writer = *UserRingBufferWriter::Create(instance->FindMap("ring"));
  std::byte* sample = writer->Reserve(8);
  ASSERT_NE(sample, nullptr);
  EXPECT_TRUE(writer->Write(Bytes(2)));
  EXPECT_EQ(Run(drain), 0);
  std::memset(sample, 0, 8);
  writer->Submit(sample);
  // Zero is where the callback says that it is enough: that one counts.
  EXPECT_EQ(Run(drain), 1);
  EXPECT_EQ(Run(drain), 1);
}

TEST_P(UserRing, RefusesUnknownFlags) {
  SKEP_OPEN_OR_SKIP(object, "user_ring");
  const auto instance = *runtime_->Instantiate(object);
  const auto drain = LoadNamed(*instance, "drain_with_unknown_flags");
  ASSERT_NE(drain, nullptr);
  EXPECT_EQ(Run(drain), -EINVAL);
}

TEST_P(UserRing, IsFullAndHasRoomAgain) {
  SKEP_OPEN_OR_SKIP(object, "user_ring");
  const auto instance = *runtime_->Instantiate(object);
  const auto drain = LoadNamed(*instance, "drain");
  ASSERT_NE(drain, nullptr);
  auto writer = *UserRingBufferWriter::Create(instance->FindMap("ring"));
  EXPECT_EQ(writer->Reserve(4096), nullptr);
  for (int round = 0; round < 3; ++round) {
    int written = 0;
    while (writer->Write(Bytes(7))) ++written;
    EXPECT_EQ(written, 4096 / 16);
    EXPECT_EQ(Run(drain), written);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, UserRing,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
