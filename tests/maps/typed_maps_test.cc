// SPDX-License-Identifier: Apache-2.0
#include "skep/typed_maps.h"

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "skep/typed_queues.h"

#include "maps/create.h"

namespace skep {
namespace {

struct Flow {
  uint32_t source = 0;
  uint16_t port = 0;
  uint16_t zero = 0;
  auto operator<=>(const Flow&) const = default;
};
struct Stats {
  uint64_t packets = 0;
  uint32_t bytes = 0;
  uint32_t zero = 0;
  bool operator==(const Stats&) const = default;
};
struct Prefix {
  uint32_t length = 0;
  uint8_t address[4] = {};
};

std::shared_ptr<Map> Make(MapType type, size_t key, size_t value, uint32_t entries,
                          uint32_t flags = 0) {
  MapSpec spec;
  spec.name = "m";
  spec.type = type;
  spec.key_size = static_cast<uint32_t>(key);
  spec.value_size = static_cast<uint32_t>(value);
  spec.max_entries = entries;
  spec.flags = flags;
  return *CreateMap(spec, {.cpu_slots = 3, .id = 1, .epochs = std::make_shared<EpochDomain>()});
}

TEST(TypedMaps, HashMapsReadWriteAndRange) {
  for (const MapType type : {MapType::kHash, MapType::kLruHash}) {
    const auto flows =
        typed::HashMap<Flow, Stats>::Open(Make(type, sizeof(Flow), sizeof(Stats), 1000));
    ASSERT_TRUE(flows) << flows.error().message;
    std::map<Flow, Stats> expected;
    for (uint32_t i = 0; i < 500; ++i) {
      const Flow flow{.source = i, .port = 80};
      EXPECT_EQ(flows->Update(flow, {.packets = i, .bytes = 1}), 0);
      expected[flow] = {.packets = i, .bytes = 1};
    }
    EXPECT_EQ(flows->Update({.source = 1, .port = 80}, {}, kUpdateNoExist), -EEXIST);
    EXPECT_EQ(flows->Lookup({.source = 1, .port = 81}), std::nullopt);
    EXPECT_EQ(flows->Lookup({.source = 7, .port = 80})->packets, 7u);
    std::map<Flow, Stats> seen;
    for (const auto& [flow, stats] : *flows) EXPECT_TRUE(seen.emplace(flow, stats).second);
    EXPECT_EQ(seen, expected);

    EXPECT_EQ(flows->Take({.source = 7, .port = 80})->packets, 7u);
    EXPECT_EQ(flows->Erase({.source = 7, .port = 80}), -ENOENT);
    uint32_t done = 9;
    EXPECT_EQ(flows->EraseAll({{.source = 8, .port = 80}, {.source = 7, .port = 80}}, &done),
              -ENOENT);
    EXPECT_EQ(done, 1u);
    for (auto at = flows->begin(); at != flows->end(); ++at) EXPECT_EQ(flows->Erase(at->first), 0);
    EXPECT_TRUE(flows->begin() == flows->end());
  }
}

TEST(TypedMaps, WritesManyUntilOneFails) {
  const auto map = typed::HashMap<uint32_t, uint32_t>::Open(Make(MapType::kHash, 4, 4, 2));
  ASSERT_TRUE(map);
  uint32_t done = 0;
  const std::vector<std::pair<uint32_t, uint32_t>> all = {{1, 10}, {2, 20}, {3, 30}};
  EXPECT_EQ(map->UpdateAll(all, kUpdateAny, &done), -E2BIG);
  EXPECT_EQ(done, 2u);
  EXPECT_EQ(map->Lookup(2), 20u);
}

TEST(TypedMaps, PercpuValuesAreVectorsByCpuSlot) {
  for (const MapType type : {MapType::kPercpuHash, MapType::kLruPercpuHash}) {
    const auto map = typed::PercpuHashMap<uint32_t, uint32_t>::Open(Make(type, 4, 4, 100));
    ASSERT_TRUE(map);
    EXPECT_EQ(map->Update(5, {1, 2, 3}), 0);
    EXPECT_EQ(map->Update(6, {4}), 0);
    EXPECT_EQ(*map->Lookup(5), (std::vector<uint32_t>{1, 2, 3}));
    EXPECT_EQ(*map->Lookup(6), (std::vector<uint32_t>{4, 0, 0}));
    uint32_t sum = 0;
    for (const auto& [key, values] : *map) {
      for (const uint32_t value : values) sum += value;
    }
    EXPECT_EQ(sum, 10u);
  }
}

TEST(TypedMaps, ArraysCountAndRange) {
  const auto array = typed::ArrayMap<uint16_t>::Open(Make(MapType::kArray, 4, 2, 200));
  ASSERT_TRUE(array);
  EXPECT_EQ(array->size(), 200u);
  EXPECT_EQ(array->Update(199, 7), 0);
  EXPECT_EQ(array->Update(200, 7), -E2BIG);
  EXPECT_EQ(array->Lookup(200), std::nullopt);
  uint32_t next = 0;
  for (const auto& [index, value] : *array) {
    EXPECT_EQ(index, next++);
    EXPECT_EQ(value, index == 199 ? 7 : 0);
  }
  EXPECT_EQ(next, 200u);
  const auto lanes = typed::PercpuArrayMap<uint64_t>::Open(Make(MapType::kPercpuArray, 4, 8, 2));
  ASSERT_TRUE(lanes);
  EXPECT_EQ(lanes->Update(1, {5, 6, 7}), 0);
  EXPECT_EQ(*lanes->Lookup(1), (std::vector<uint64_t>{5, 6, 7}));
}

TEST(TypedMaps, TriesFindTheLongestPrefix) {
  const auto trie = typed::HashMap<Prefix, uint32_t>::Open(
      Make(MapType::kLpmTrie, sizeof(Prefix), 4, 10, kMapNoPrealloc));
  ASSERT_TRUE(trie);
  EXPECT_EQ(trie->Update({8, {10, 0, 0, 0}}, 1), 0);
  EXPECT_EQ(trie->Update({16, {10, 1, 0, 0}}, 2), 0);
  EXPECT_EQ(trie->Lookup({32, {10, 1, 2, 3}}), 2u);
  EXPECT_EQ(trie->Lookup({32, {10, 2, 2, 3}}), 1u);
  uint32_t count = 0;
  for (const auto& element : *trie) count += element.second;
  EXPECT_EQ(count, 3u);
}

TEST(TypedMaps, QueuesStacksAndFilters) {
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    const auto jobs = typed::QueueMap<uint32_t>::Open(Make(type, 0, 4, 2));
    ASSERT_TRUE(jobs);
    EXPECT_EQ(jobs->Pop(), std::nullopt);
    EXPECT_EQ(jobs->Push(1), 0);
    EXPECT_EQ(jobs->Push(2), 0);
    EXPECT_EQ(jobs->Push(3), -E2BIG);
    EXPECT_EQ(jobs->Push(3, kUpdateExist), 0);
    EXPECT_EQ(jobs->Peek(), type == MapType::kQueue ? 2u : 3u);
    EXPECT_EQ(jobs->Pop(), type == MapType::kQueue ? 2u : 3u);
  }
  const auto filter = typed::BloomFilter<Flow>::Open(Make(MapType::kBloomFilter, 0, 8, 100));
  ASSERT_TRUE(filter);
  EXPECT_FALSE(filter->MayContain({.source = 1}));
  EXPECT_EQ(filter->Add({.source = 1}), 0);
  EXPECT_TRUE(filter->MayContain({.source = 1}));
}

TEST(TypedMaps, RefuseMapsOfOtherTypesAndSizes) {
  using Words = typed::HashMap<uint32_t, uint32_t>;
  EXPECT_EQ(Words::Open(nullptr).error().message, "view of a map: there is no map");
  EXPECT_EQ(Words::Open(Make(MapType::kArray, 4, 4, 1)).error().message,
            "map 'm' is of type array, the view is for hash or lru_hash or lpm_trie");
  EXPECT_EQ(Words::Open(Make(MapType::kHash, 4, 8, 1)).error().message,
            "map 'm' has keys of 4 and values of 8 bytes, the view 4 and 4");
  EXPECT_FALSE((typed::PercpuHashMap<uint32_t, uint32_t>::Open(Make(MapType::kHash, 4, 4, 1))));
  EXPECT_FALSE(typed::QueueMap<uint32_t>::Open(Make(MapType::kHash, 4, 4, 1)));
}

}  // namespace
}  // namespace skep
