// SPDX-License-Identifier: Apache-2.0
#include "tests/maps/map_crowd.h"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "skep/map_batch.h"
#include "skep/ring_buffer_reader.h"

namespace skep::test {
namespace {

MapSpec Spec(MapType type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags = 0) {
  MapSpec spec;
  spec.name = "m" + std::to_string(static_cast<uint32_t>(type));
  spec.type = type;
  spec.key_size = key;
  spec.value_size = value;
  spec.max_entries = entries;
  spec.flags = flags;
  return spec;
}

// Few elements and few keys, so that threads meet; LRU maps that are full.
std::vector<MapSpec> AllTypes() {
  std::vector<MapSpec> specs = {Spec(MapType::kHash, 4, 16, 8),
                                Spec(MapType::kHash, 12, 40, 9),
                                Spec(MapType::kPercpuHash, 4, 8, 8),
                                Spec(MapType::kLruHash, 8, 16, 6),
                                Spec(MapType::kLruPercpuHash, 4, 12, 6),
                                Spec(MapType::kArray, 4, 16, 6),
                                Spec(MapType::kPercpuArray, 4, 8, 6),
                                Spec(MapType::kLpmTrie, 8, 16, 8, kMapNoPrealloc),
                                Spec(MapType::kQueue, 0, 16, 5),
                                Spec(MapType::kStack, 0, 12, 5),
                                Spec(MapType::kBloomFilter, 0, 8, 20, kMapZeroSeed),
                                Spec(MapType::kRingbuf, 0, 0, 4096),
                                Spec(MapType::kArrayOfMaps, 4, 4, 3),
                                Spec(MapType::kHashOfMaps, 4, 4, 6)};
  const auto inner = std::make_shared<const MapSpec>(Spec(MapType::kHash, 4, 8, 8));
  specs[specs.size() - 2].inner = specs.back().inner = inner;
  return specs;
}

void Batch(Map& map, bool remove, uint32_t room) {
  Bytes token(BatchTokenSize(map)), keys(uint64_t{room} * map.spec().key_size),
      values(uint64_t{room} * map.host_value_size());
  MapBatch batch{.out = token.data(), .keys = keys.data(), .values = values.data(), .count = room};
  if (remove) {
    LookupAndDeleteBatch(map, batch);
  } else {
    LookupBatch(map, batch);
  }
}

}  // namespace

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void MapCrowd::Make(const std::function<std::shared_ptr<Map>(const MapSpec&)>& create) {
  specs = AllTypes();
  for (const MapSpec& spec : specs) maps.push_back(create(spec));
  for (int i = 0; i < 4; ++i) inners.push_back(create(*specs.back().inner));
}

void MapCrowd::GoOnFor(uint64_t seconds) {
  end_ = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
}

void MapCrowd::WorkAsHost(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return static_cast<uint32_t>(random() % n); };
  while (going()) {
    const uint32_t which = below(maps.size());
    Map& map = *maps[which];
    const MapSpec& spec = specs[which];
    if (spec.type == MapType::kRingbuf) continue;
    Bytes key(spec.key_size + 8u), next(spec.key_size + 8u);
    Bytes value(map.host_value_size() + 8u, static_cast<std::byte>(below(256)));
    if (spec.key_size != 0) {
      const Bytes chosen = KeyBytes(spec, below(KeysOf(spec)));
      std::copy(chosen.begin(), chosen.end(), key.begin());
    }
    const std::byte* at = spec.key_size == 0 ? nullptr : key.data();
    switch (below(9)) {
      case 0:
      case 1:
        if (spec.inner != nullptr) {
          map.SetMap(key.data(), inners[below(inners.size())]);
        } else {
          map.HostUpdate(at, value.data(), below(3));
        }
        break;
      case 2:
        map.HostDelete(at);
        break;
      case 3:
        map.HostLookupAndDelete(at, value.data());
        break;
      case 4:
        map.NextKey(below(2) == 0 ? nullptr : at, next.data());
        break;
      case 5:
        Batch(map, below(2) == 0, below(6) + 1);
        break;
      case 6:
        map.ForEach(
            0, [](void*, const std::byte*, std::byte*) { return true; }, nullptr);
        break;
      default:
        map.HostLookup(at, value.data());
    }
    ++operations;
  }
}

uint64_t MapCrowd::ReadRing() {
  uint64_t records = 0;
  const auto ring = std::find_if(maps.begin(), maps.end(), [](const std::shared_ptr<Map>& map) {
    return map->type() == MapType::kRingbuf;
  });
  auto reader = RingBufferReader::Create(*ring, [&](std::span<const std::byte>) {
    ++records;
    return 0;
  });
  EXPECT_TRUE(reader);
  while (reader && going()) EXPECT_GE((*reader)->Poll(10), 0);
  return records;
}

void MapCrowd::CheckAtRest() const {
  for (size_t i = 0; i < maps.size(); ++i) {
    Map& map = *maps[i];
    const MapSpec& spec = specs[i];
    if (spec.key_size == 0) continue;
    Bytes key(spec.key_size), value(map.host_value_size());
    const std::byte* at = nullptr;
    uint64_t listed = 0;
    for (; map.NextKey(at, key.data()) == 0 && listed <= spec.max_entries; at = key.data()) {
      const int found = map.HostLookup(key.data(), value.data());
      // Slots of an array of maps may be empty.
      EXPECT_TRUE(found == 0 || spec.type == MapType::kArrayOfMaps) << spec.name;
      ++listed;
    }
    EXPECT_LE(listed, spec.max_entries) << spec.name;
    const bool counts = spec.type == MapType::kHash || spec.type == MapType::kPercpuHash ||
                        spec.type == MapType::kLruHash || spec.type == MapType::kLruPercpuHash;
    EXPECT_EQ(counts ? map.element_count() : listed, listed) << spec.name;
  }
}

}  // namespace skep::test
