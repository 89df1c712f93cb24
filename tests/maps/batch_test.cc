// SPDX-License-Identifier: Apache-2.0
// Batches where the kernel's way to cut hashes into pieces is not ours to compare with
// (see map_differential_test.cc): full tables, tiny batches, elements that come and go.
#include <cerrno>
#include <cstring>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "skep/map_batch.h"

#include "maps/create.h"

namespace skep {
namespace {

constexpr uint32_t kEntries = 60000;

std::shared_ptr<Map> Full(MapType type) {
  MapSpec spec;
  spec.name = "m";
  spec.type = type;
  spec.key_size = 4;
  spec.value_size = 8;
  spec.max_entries = kEntries;
  const auto map =
      *CreateMap(spec, {.cpu_slots = 2, .id = 1, .epochs = std::make_shared<EpochDomain>()});
  std::vector<uint64_t> value(map->host_value_size() / 8);
  for (uint32_t key = 0; key < kEntries; ++key) {
    value.assign(value.size(), key * 3ull);
    EXPECT_EQ(map->HostUpdate(reinterpret_cast<const std::byte*>(&key),
                              reinterpret_cast<const std::byte*>(value.data())),
              0);
  }
  return map;
}

struct Drained {
  std::vector<uint32_t> keys;
  uint32_t grown = 0;  // -ENOSPC that came
  bool values_fit = true;
};

// `between` runs after each batch.
template <class Between>
Drained Drain(Map& map, uint32_t room, bool remove, Between between) {
  Drained out;
  std::vector<std::byte> token(BatchTokenSize(map));
  const std::byte* in = nullptr;
  const size_t words = map.host_value_size() / 8;
  for (;;) {
    std::vector<uint32_t> keys(room);
    std::vector<uint64_t> values(room * words);
    MapBatch batch{.in = in,
                   .out = token.data(),
                   .keys = reinterpret_cast<std::byte*>(keys.data()),
                   .values = reinterpret_cast<std::byte*>(values.data()),
                   .count = room};
    const int result = remove ? LookupAndDeleteBatch(map, batch) : LookupBatch(map, batch);
    if (result == -ENOSPC) {
      EXPECT_EQ(batch.count, 0u);
      ++out.grown;
      ++room;
      in = token.data();
      continue;
    }
    for (uint32_t i = 0; i < batch.count; ++i) {
      out.keys.push_back(keys[i]);
      for (size_t w = 0; w < words; ++w) out.values_fit &= values[i * words + w] == keys[i] * 3ull;
    }
    if (result != 0) {
      EXPECT_EQ(result, -ENOENT);
      return out;
    }
    in = token.data();
    between();
  }
}

class HashBatches : public testing::TestWithParam<MapType> {};

TEST_P(HashBatches, GiveEveryElementOnceHoweverSmall) {
  const auto map = Full(GetParam());
  for (const uint32_t room : {1u, 7u, 1000u, kEntries}) {
    const Drained all = Drain(*map, room, false, [] {});
    EXPECT_EQ(all.keys.size(), kEntries);
    EXPECT_EQ(std::set<uint32_t>(all.keys.begin(), all.keys.end()).size(), kEntries);
    EXPECT_TRUE(all.values_fit);
    // Some chains are longer than one; one of seven comes about once in hundreds of seeds.
    if (room != 7) {
      EXPECT_EQ(all.grown != 0, room == 1);
    }
  }
}

TEST_P(HashBatches, RemoveWhatTheyGive) {
  const auto map = Full(GetParam());
  const Drained all = Drain(*map, 5, true, [] {});
  EXPECT_EQ(std::set<uint32_t>(all.keys.begin(), all.keys.end()).size(), kEntries);
  EXPECT_TRUE(all.values_fit);
  EXPECT_EQ(map->element_count(), 0u);
  uint32_t next = 0;
  EXPECT_EQ(map->NextKey(nullptr, reinterpret_cast<std::byte*>(&next)), -ENOENT);
}

TEST_P(HashBatches, MissNothingThatStaysWhileOthersComeAndGo) {
  const auto map = Full(GetParam());
  // Odd keys go and come back between batches; even ones stay.
  uint32_t at = 1;
  const std::vector<uint64_t> value(map->host_value_size() / 8);
  const Drained all = Drain(*map, 16, false, [&] {
    for (int i = 0; i < 20; ++i, at = (at + 2) % kEntries) {
      const auto* key = reinterpret_cast<const std::byte*>(&at);
      if (map->HostDelete(key) != 0) {
        EXPECT_EQ(map->HostUpdate(key, reinterpret_cast<const std::byte*>(value.data())), 0);
      }
    }
  });
  std::set<uint32_t> even;
  for (const uint32_t key : all.keys) {
    if (key % 2 == 0) {
      EXPECT_TRUE(even.insert(key).second) << key << " came twice";
    }
  }
  EXPECT_EQ(even.size(), kEntries / 2);
}

INSTANTIATE_TEST_SUITE_P(Types, HashBatches,
                         testing::Values(MapType::kHash, MapType::kPercpuHash, MapType::kLruHash,
                                         MapType::kLruPercpuHash));

TEST(HashBatch, SaysTheEndOfATokenFromBeyondTheTable) {
  const auto map = Full(MapType::kHash);
  const uint32_t far = 0xfffffff0;
  uint32_t token = 7, key = 0;
  uint64_t value = 0;
  MapBatch batch{.in = reinterpret_cast<const std::byte*>(&far),
                 .out = reinterpret_cast<std::byte*>(&token),
                 .keys = reinterpret_cast<std::byte*>(&key),
                 .values = reinterpret_cast<std::byte*>(&value),
                 .count = 1};
  EXPECT_EQ(LookupBatch(*map, batch), -ENOENT);
  EXPECT_EQ(batch.count, 0u);
  EXPECT_EQ(token, 7u);
}

}  // namespace
}  // namespace skep
