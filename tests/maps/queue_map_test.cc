// SPDX-License-Identifier: Apache-2.0
#include "maps/queue_map.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/bpf_syscall.h"

namespace skep {
namespace {

MapSpec Spec(MapType type, uint32_t value, uint32_t entries) {
  MapSpec spec;
  spec.name = "q";
  spec.type = type;
  spec.value_size = value;
  spec.max_entries = entries;
  return spec;
}

std::shared_ptr<Map> Make(const MapSpec& spec) {
  auto map = CreateMap(spec, {.id = 1, .epochs = std::make_shared<EpochDomain>()});
  EXPECT_TRUE(map) << map.error().message;
  return *std::move(map);
}

TEST(QueueMap, AnswersRandomOperationsAsTheKernel) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  std::mt19937 random(1);
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    for (const uint32_t size : {1u, 4u, 13u}) {
      const MapSpec spec = Spec(type, size, 5);
      const test::Fd theirs = test::KernelMapCreate(spec);
      ASSERT_TRUE(theirs.ok());
      const auto ours = Make(spec);
      constexpr uint64_t kFlags[] = {0, 0, 0, 1, 2, 3, 4, 8};
      for (int i = 0; i < 5000; ++i) {
        std::vector<std::byte> a(size, std::byte{9}), b = a;
        // Empty maps leave the buffer alone.
        if (random() % 2 == 0) {
          for (std::byte& byte : a) byte = static_cast<std::byte>(random());
          const uint64_t flags = kFlags[random() % std::size(kFlags)];
          ASSERT_EQ(ours->HostUpdate(nullptr, a.data(), flags),
                    test::KernelMapUpdate(theirs, nullptr, a.data(), flags));
        } else if (random() % 3 == 0) {
          ASSERT_EQ(ours->HostLookup(nullptr, a.data()),
                    test::KernelMapLookup(theirs, nullptr, b.data()));
          ASSERT_EQ(a, b);
        } else {
          ASSERT_EQ(ours->HostLookupAndDelete(nullptr, a.data()),
                    test::KernelMapLookupAndDelete(theirs, nullptr, b.data()));
          ASSERT_EQ(a, b);
        }
      }
      std::byte key{};
      EXPECT_EQ(ours->HostDelete(nullptr), test::KernelMapDelete(theirs, nullptr));
      EXPECT_EQ(ours->HostUpdate(&key, &key), test::KernelMapUpdate(theirs, &key, &key));
      EXPECT_EQ(ours->HostLookup(&key, &key), test::KernelMapLookup(theirs, &key, &key));
      EXPECT_EQ(ours->NextKey(nullptr, &key), test::KernelMapNextKey(theirs, nullptr, &key));
    }
  }
}

TEST(QueueMap, ZeroesTheProgramsBufferWhenEmpty) {
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    const auto map = Make(Spec(type, 3, 2));
    std::byte buffer[4] = {std::byte{1}, std::byte{1}, std::byte{1}, std::byte{1}};
    EXPECT_EQ(map->Pop(buffer), -ENOENT);
    EXPECT_EQ(buffer[0], std::byte{0});
    EXPECT_EQ(buffer[2], std::byte{0});
    EXPECT_EQ(buffer[3], std::byte{1});
    EXPECT_EQ(map->Peek(buffer), -ENOENT);
  }
}

}  // namespace
}  // namespace skep
