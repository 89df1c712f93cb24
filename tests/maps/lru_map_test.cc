// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "maps/create.h"

namespace skep {
namespace {

class LruMap : public testing::TestWithParam<MapType> {
 protected:
  static constexpr uint32_t kSlots = 4;

  std::shared_ptr<Map> Make(uint32_t key_size, uint32_t entries) {
    MapSpec spec;
    spec.name = "lru";
    spec.type = GetParam();
    spec.key_size = key_size;
    spec.value_size = 8;
    spec.max_entries = entries;
    auto made =
        CreateMap(spec, {.cpu_slots = kSlots, .id = 1, .epochs = std::make_shared<EpochDomain>()});
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : nullptr;
  }
  static int Put(Map& map, uint64_t key, uint64_t value, uint32_t cpu = 0) {
    return map.Update(reinterpret_cast<const std::byte*>(&key),
                      reinterpret_cast<const std::byte*>(&value), kUpdateAny, cpu);
  }
  static bool Has(Map& map, uint64_t key) {
    std::byte value[8 * kSlots];
    return map.HostLookup(reinterpret_cast<const std::byte*>(&key), value) == 0;
  }
};

TEST_P(LruMap, TakesNewKeysWhenItIsFull) {
  const auto map = Make(8, 100);
  for (uint64_t key = 0; key < 10'000; ++key) {
    ASSERT_EQ(Put(*map, key, key), 0);
    ASSERT_TRUE(Has(*map, key));
    ASSERT_LE(map->element_count(), 100u);
  }
  EXPECT_EQ(map->element_count(), 100u);
}

TEST_P(LruMap, KeepsWhatProgramsLookedUp) {
  constexpr uint64_t kEntries = 1000;
  const auto map = Make(8, kEntries);
  for (uint64_t key = 0; key < kEntries; ++key) ASSERT_EQ(Put(*map, key, key), 0);
  // Even keys are in use; odd ones give way to new ones.
  for (uint64_t fresh = 0; fresh < kEntries / 2; ++fresh) {
    for (uint64_t key = 0; key < kEntries; key += 2) {
      map->Lookup(reinterpret_cast<const std::byte*>(&key), 0);
    }
    ASSERT_EQ(Put(*map, kEntries + fresh, fresh), 0);
  }
  uint64_t even = 0, odd = 0;
  for (uint64_t key = 0; key < kEntries; ++key) (key % 2 == 0 ? even : odd) += Has(*map, key);
  EXPECT_EQ(even, kEntries / 2);
  EXPECT_LE(odd, kEntries / 20);
}

TEST_P(LruMap, LookingByTheHostIsNoUse) {
  constexpr uint64_t kEntries = 200;
  const auto map = Make(8, kEntries);
  for (uint64_t key = 0; key < kEntries; ++key) ASSERT_EQ(Put(*map, key, key), 0);
  for (uint64_t key = 0; key < kEntries; ++key) ASSERT_TRUE(Has(*map, key));
  for (uint64_t key = 0; key < kEntries; ++key) ASSERT_EQ(Put(*map, kEntries + key, key), 0);
  uint64_t kept = 0;
  for (uint64_t key = 0; key < kEntries; ++key) kept += Has(*map, key);
  EXPECT_EQ(kept, 0u);
}

TEST_P(LruMap, RefusesAsLinuxDoes) {
  const auto map = Make(8, 10);
  const uint64_t key = 1, value = 2;
  const auto* k = reinterpret_cast<const std::byte*>(&key);
  const auto* v = reinterpret_cast<const std::byte*>(&value);
  EXPECT_EQ(map->Update(k, v, kUpdateExist, 0), -ENOENT);
  EXPECT_EQ(map->Update(k, v, kUpdateLock, 0), -EINVAL);
  EXPECT_EQ(map->Update(k, v, kUpdateNoExist, 0), 0);
  EXPECT_EQ(map->Update(k, v, kUpdateNoExist, 0), -EEXIST);
  EXPECT_EQ(map->Delete(k, 0), 0);
  EXPECT_EQ(map->Delete(k, 0), -ENOENT);
}

TEST_P(LruMap, StaysWholeUnderThreads) {
  const auto map = Make(4, 64);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (uint32_t cpu = 0; cpu < kSlots; ++cpu) {
    threads.emplace_back([&, cpu] {
      std::mt19937 random(cpu);
      for (int i = 0; i < 20'000; ++i) {
        const auto key = static_cast<uint32_t>(random() % 300);
        const auto* k = reinterpret_cast<const std::byte*>(&key);
        const uint64_t value = key;
        switch (random() % 4) {
          case 0:
            map->Delete(k, cpu);
            break;
          case 1:
            map->Lookup(k, cpu);
            break;
          default:
            if (map->Update(k, reinterpret_cast<const std::byte*>(&value), 0, cpu) != 0) ++wrong;
        }
        if (map->element_count() > 64 + kSlots) ++wrong;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong.load(), 0);
  uint32_t listed = 0;
  uint32_t key = 0;
  auto* k = reinterpret_cast<std::byte*>(&key);
  for (const std::byte* at = nullptr; map->NextKey(at, k) == 0; at = k) ++listed;
  EXPECT_EQ(listed, map->element_count());
}

INSTANTIATE_TEST_SUITE_P(Types, LruMap, testing::Values(MapType::kLruHash, MapType::kLruPercpuHash),
                         [](const auto& instance) {
                           return instance.param == MapType::kLruHash ? "shared" : "per_cpu";
                         });

}  // namespace
}  // namespace skep
