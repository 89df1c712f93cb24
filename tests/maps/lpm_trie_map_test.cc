// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "maps/create.h"

namespace skep {
namespace {

// An IPv4 prefix, as programs write it.
struct Key {
  uint32_t length;
  uint8_t data[4];

  uint32_t Address() const {
    return uint32_t{data[0]} << 24 | uint32_t{data[1]} << 16 | uint32_t{data[2]} << 8 | data[3];
  }
  const std::byte* bytes() const { return reinterpret_cast<const std::byte*>(this); }
};

Key MakeKey(uint32_t length, uint32_t address) {
  return {length,
          {static_cast<uint8_t>(address >> 24), static_cast<uint8_t>(address >> 16),
           static_cast<uint8_t>(address >> 8), static_cast<uint8_t>(address)}};
}

uint32_t Mask(uint32_t length) { return length == 0 ? 0 : ~uint32_t{0} << (32 - length); }

std::shared_ptr<Map> Make(uint32_t entries) {
  MapSpec spec;
  spec.name = "routes";
  spec.type = MapType::kLpmTrie;
  spec.key_size = sizeof(Key);
  spec.value_size = 8;
  spec.max_entries = entries;
  spec.flags = kMapNoPrealloc;
  auto made = CreateMap(spec, {.cpu_slots = 4, .id = 1, .epochs = std::make_shared<EpochDomain>()});
  EXPECT_TRUE(made) << made.error().message;
  return made ? *made : nullptr;
}

// What is stored says where it belongs.
uint64_t ValueFor(uint32_t length, uint32_t address) {
  return uint64_t{length} << 32 | (address & Mask(length));
}

int Put(Map& map, uint32_t length, uint32_t address, uint64_t flags = 0) {
  const Key key = MakeKey(length, address);
  const uint64_t value = ValueFor(length, address);
  return map.Update(key.bytes(), reinterpret_cast<const std::byte*>(&value), flags, 0);
}

int Drop(Map& map, uint32_t length, uint32_t address) {
  const Key key = MakeKey(length, address);
  return map.Delete(key.bytes(), 0);
}

// The value found for a key, or 0.
uint64_t Get(Map& map, uint32_t length, uint32_t address) {
  const Key key = MakeKey(length, address);
  uint64_t value = 0;
  const int status = map.HostLookup(key.bytes(), reinterpret_cast<std::byte*>(&value));
  return status == 0 ? value : 0;
}

TEST(LpmTrie, FindsTheLongestPrefix) {
  const auto map = Make(10);
  EXPECT_EQ(Put(*map, 8, 0x0a000000), 0);
  EXPECT_EQ(Put(*map, 24, 0x0a010200), 0);
  EXPECT_EQ(Put(*map, 32, 0x0a010203), 0);
  EXPECT_EQ(Get(*map, 32, 0x0a010203), ValueFor(32, 0x0a010203));
  EXPECT_EQ(Get(*map, 32, 0x0a010204), ValueFor(24, 0x0a010200));
  EXPECT_EQ(Get(*map, 32, 0x0a020304), ValueFor(8, 0x0a000000));
  EXPECT_EQ(Get(*map, 16, 0x0a010203), ValueFor(8, 0x0a000000));
  EXPECT_EQ(Get(*map, 32, 0x0b000000), 0u);
  EXPECT_EQ(Get(*map, 33, 0x0a010203), 0u);
}

// Of all sizes that give the index other levels.
class LpmTrieOfSize : public testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Entries, LpmTrieOfSize,
                         testing::Values(1, 200, 300, 3000, 20'000, 70'000, 4'000'000),
                         testing::PrintToStringParamName());

TEST_P(LpmTrieOfSize, HoldsWhatAModelHolds) {
  const uint32_t kEntries = GetParam();
  const auto map = Make(kEntries);
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> model;
  std::mt19937 random(1);
  for (int step = 0; step < 60'000; ++step) {
    const auto length = static_cast<uint32_t>(random() % 33);
    // Few different bits, so that prefixes lie within each other.
    const auto address = static_cast<uint32_t>(random()) & 0xc0818307;
    const std::pair<uint32_t, uint32_t> key{length, address & Mask(length)};
    switch (random() % 3) {
      case 0: {
        const bool fits = model.contains(key) || model.size() < kEntries;
        ASSERT_EQ(Put(*map, length, address), fits ? 0 : -ENOSPC) << step;
        if (fits) model[key] = ValueFor(length, address);
        break;
      }
      case 1:
        ASSERT_EQ(Drop(*map, length, address), model.erase(key) != 0 ? 0 : -ENOENT) << step;
        break;
      default: {
        uint64_t want = 0;
        for (uint32_t shorter = 0; shorter <= length; ++shorter) {
          const auto it = model.find({shorter, address & Mask(shorter)});
          if (it != model.end()) want = it->second;
        }
        ASSERT_EQ(Get(*map, length, address), want) << step;
      }
    }
  }
}

// Readers meet nodes that are taken out and used again at every moment.
TEST(LpmTrie, ReadersSeeOnlyPrefixesOfTheirKeyWhileOthersWrite) {
  const auto map = Make(64);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      std::mt19937 random(reader);
      while (!stop.load()) {
        const auto address = static_cast<uint32_t>(random()) & 0xc0818307;
        const uint64_t value = Get(*map, 32, address);
        const auto length = static_cast<uint32_t>(value >> 32);
        if (value != 0 && (length > 32 || value != ValueFor(length, address))) ++wrong;
      }
    });
  }
  for (unsigned writer = 0; writer < 2; ++writer) {
    threads.emplace_back([&, writer] {
      std::mt19937 random(100 + writer);
      for (int i = 0; i < 40'000; ++i) {
        const auto length = static_cast<uint32_t>(random() % 33);
        const auto address = static_cast<uint32_t>(random()) & 0xc0818307;
        if (random() % 2 == 0) {
          Put(*map, length, address);
        } else {
          Drop(*map, length, address);
        }
      }
    });
  }
  threads[2].join();
  threads[3].join();
  stop = true;
  threads[0].join();
  threads[1].join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace skep
