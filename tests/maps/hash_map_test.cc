// SPDX-License-Identifier: Apache-2.0
// Hash maps from the program's side: pointers, recycling, threads, memory.
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/memory_access.h"
#include "maps/create.h"

namespace skep {
namespace {

constexpr uint32_t kCpus = 4;

std::shared_ptr<Map> Make(MapType type, uint32_t key, uint32_t value, uint32_t entries,
                          uint32_t flags = 0) {
  MapSpec spec;
  spec.name = "m";
  spec.type = type;
  spec.key_size = key;
  spec.value_size = value;
  spec.max_entries = entries;
  spec.flags = flags;
  auto map =
      CreateMap(spec, {.cpu_slots = kCpus, .id = 1, .epochs = std::make_shared<EpochDomain>()});
  EXPECT_TRUE(map) << map.error().message;
  return *std::move(map);
}

const std::byte* Bytes(const uint64_t& value) { return reinterpret_cast<const std::byte*>(&value); }
uint64_t Load(const std::byte* value) {
  return LoadRelaxed<uint64_t>(reinterpret_cast<uint64_t>(value));
}

TEST(HashMap, KeepsEveryKeyThroughManyInsertsAndDeletes) {
  const auto map = Make(MapType::kHash, 8, 8, 1000);
  std::set<uint64_t> present;
  for (uint64_t i = 0; i < 100000; ++i) {
    const uint64_t key = i * 2654435761 % 1500;
    const auto cpu = static_cast<uint32_t>(i % kCpus);
    if (i % 3 == 2) {
      ASSERT_EQ(map->Delete(Bytes(key), cpu), present.erase(key) != 0 ? 0 : -ENOENT);
    } else {
      const bool fits = present.count(key) != 0 || present.size() < 1000;
      ASSERT_EQ(map->Update(Bytes(key), Bytes(key), kUpdateAny, cpu), fits ? 0 : -E2BIG);
      if (fits) present.insert(key);
    }
  }
  for (uint64_t key = 0; key < 1500; ++key) {
    const std::byte* value = map->Lookup(Bytes(key), 0);
    ASSERT_EQ(value != nullptr, present.count(key) != 0) << key;
    if (value == nullptr) continue;
    EXPECT_EQ(Load(value), key);
  }
}

TEST(HashMap, ReplacesAKeyWhenFull) {
  const auto map = Make(MapType::kHash, 8, 8, 16);
  for (uint64_t key = 0; key < 16; ++key) {
    ASSERT_EQ(map->Update(Bytes(key), Bytes(key), kUpdateNoExist, 0), 0);
  }
  const uint64_t more = 99, value = 7;
  EXPECT_EQ(map->Update(Bytes(more), Bytes(value), kUpdateAny, 1), -E2BIG);
  EXPECT_EQ(map->Update(Bytes(more), Bytes(value), kUpdateExist, 1), -ENOENT);
  for (uint64_t key = 0; key < 16; ++key) {
    for (uint32_t cpu = 0; cpu < kCpus; ++cpu) {
      ASSERT_EQ(map->Update(Bytes(key), Bytes(value), kUpdateExist, cpu), 0);
    }
    EXPECT_EQ(Load(map->Lookup(Bytes(key), 0)), value);
  }
}

TEST(HashMap, DeletesOfOneCpuServeInsertsOfAnother) {
  const auto map = Make(MapType::kHash, 8, 8, 500);
  uint64_t next = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 500; ++i, ++next) {
      ASSERT_EQ(map->Update(Bytes(next), Bytes(next), kUpdateNoExist, 0), 0);
    }
    for (uint64_t key = next - 500; key < next; ++key) ASSERT_EQ(map->Delete(Bytes(key), 1), 0);
  }
}

TEST(HashMap, KnowsItsElementsByAddress) {
  const auto map = Make(MapType::kHash, 8, 12, 16, kMapRdonlyProg);
  const uint64_t key = 5;
  const std::byte input[12] = {};
  ASSERT_EQ(map->Update(Bytes(key), input, kUpdateAny, 0), 0);
  std::byte* value = map->Lookup(Bytes(key), 0);
  ASSERT_NE(value, nullptr);
  const auto extent = map->ElementAt(value + 11);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->begin, value);
  EXPECT_EQ(extent->size, 12u);
  EXPECT_FALSE(extent->writable);
  EXPECT_FALSE(map->ElementAt(value + 12));
  EXPECT_FALSE(map->ElementAt(value - 1));
  EXPECT_FALSE(map->ElementAt(input));
}

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

TEST(HashMap, OfAHundredMillionEntriesCostsNothingUntilUsed) {
  const uint64_t before = ResidentBytes();
  const auto map = Make(MapType::kHash, 8, 8, 100'000'000);
  EXPECT_LT(ResidentBytes() - before, 1u << 20);
  const uint64_t key = 1;
  EXPECT_EQ(map->Lookup(Bytes(key), 0), nullptr);
  EXPECT_EQ(map->Update(Bytes(key), Bytes(key), kUpdateAny, 0), 0);
  EXPECT_NE(map->Lookup(Bytes(key), 0), nullptr);
}

TEST(PercpuHashMap, ZeroesTheOtherSlotsOfARecycledElement) {
  const auto map = Make(MapType::kPercpuHash, 8, 8, 4);
  const uint64_t a = 1, b = 2, value = 77;
  for (uint32_t cpu = 0; cpu < kCpus; ++cpu) {
    ASSERT_EQ(map->Update(Bytes(a), Bytes(value), kUpdateAny, cpu), 0);
  }
  ASSERT_EQ(map->Delete(Bytes(a), 2), 0);
  ASSERT_EQ(map->Update(Bytes(b), Bytes(value), kUpdateAny, 2), 0);
  for (uint32_t cpu = 0; cpu < kCpus; ++cpu) {
    EXPECT_EQ(Load(map->Lookup(Bytes(b), cpu)), cpu == 2 ? value : 0) << cpu;
  }
}

// A value always belongs to its key: writers store f(key, round), and keys come
// and go; a reader that finds a key by copying out (the host's way) never sees
// another key's value, whatever is recycled under it.
TEST(HashMap, NeverShowsTheHostAnotherKeysValue) {
  struct Value {
    uint64_t key, round, check;
  };
  const auto map = Make(MapType::kHash, 8, sizeof(Value), 64);
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (uint32_t cpu = 0; cpu < 2; ++cpu) {
    writers.emplace_back([&, cpu] {
      for (uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
        const uint64_t key = i * 7 % 96;
        const Value value{key, i, key ^ i};
        const int error =
            map->Update(Bytes(key), reinterpret_cast<const std::byte*>(&value), kUpdateAny, cpu);
        ASSERT_TRUE(error == 0 || error == -E2BIG);
        if (i % 2 == 0) map->Delete(Bytes((key + 13) % 96), cpu);
      }
    });
  }
  uint64_t found = 0;
  for (uint64_t i = 0; found < 50000 && i < 20'000'000; ++i) {
    if (i % 4096 == 0) std::this_thread::yield();  // the writers may not run yet
    const uint64_t key = i % 96;
    Value value{};
    if (map->HostLookup(Bytes(key), reinterpret_cast<std::byte*>(&value)) != 0) continue;
    ASSERT_EQ(value.key, key);
    ASSERT_EQ(value.check, value.key ^ value.round);
    ++found;
  }
  stop = true;
  for (std::thread& t : writers) t.join();
  EXPECT_GT(found, 0u);
}

// Keys that stay are found by every lookup while their neighbours come and go.
TEST(HashMap, AlwaysFindsAKeyThatStays) {
  for (const uint32_t key_size : {8u, 16u, 24u}) {
    const auto map = Make(MapType::kHash, key_size, 8, 40);
    const auto key = [key_size](uint64_t number) {
      std::vector<std::byte> bytes(key_size, std::byte{1});
      std::memcpy(bytes.data(), &number, sizeof number);
      return bytes;
    };
    for (uint64_t k = 0; k < 8; ++k) {
      ASSERT_EQ(map->Update(key(k).data(), Bytes(k), kUpdateAny, 0), 0);
    }
    std::atomic<bool> stop{false};
    std::thread churn([&] {
      for (uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
        const auto other = key(100 + i % 64);
        if (map->Update(other.data(), Bytes(i), kUpdateAny, 1) != 0 || i % 2 == 0) {
          map->Delete(key(100 + i * 5 % 64).data(), 1);
        }
        // Replacing the key moves it to another element.
        ASSERT_EQ(map->Update(key(i % 8).data(), Bytes(i % 8), kUpdateAny, 1), 0);
      }
    });
    for (int i = 0; i < 50000; ++i) {
      const auto number = static_cast<uint64_t>(i % 8);
      ASSERT_NE(map->Lookup(key(number).data(), 0), nullptr);
    }
    stop = true;
    churn.join();
  }
}

}  // namespace
}  // namespace skep
