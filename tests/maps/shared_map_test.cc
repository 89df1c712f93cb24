// SPDX-License-Identifier: Apache-2.0
// Maps of several processes: the same elements in each, in memory and in files.
#include "maps/shared_map.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "skep/ring_buffer_reader.h"

#include "base/shared_region.h"
#include "maps/shareable.h"
#include "model/ringbuf.h"
#include "tests/maps/shared_maps.h"

namespace skep {
namespace {

using test::Has;
using test::InChild;
using test::KeyOf;
using test::NewPath;
using test::Put;
using test::SharedEnvironment;

constexpr uint32_t kFew = 20;

// What is left of the elements 0 .. 2 * kFew of which one process has put the first
// half and another one the second.
std::vector<uint32_t> Numbers(Map& map) {
  std::vector<uint32_t> numbers;
  if (map.type() == MapType::kQueue || map.type() == MapType::kStack) {
    std::vector<std::byte> value(map.host_value_size());
    while (map.HostLookupAndDelete(nullptr, value.data()) == 0) {
      uint32_t i = 0;
      std::memcpy(&i, value.data(), 4);
      EXPECT_TRUE(test::IsValueOf(map, i, value));
      numbers.push_back(i);
    }
    return numbers;
  }
  if (map.type() == MapType::kRingbuf) {
    EXPECT_EQ(model::Ringbuf::Of(map).Consume(
                  [](void* to, const std::byte* data, uint32_t size) {
                    EXPECT_EQ(size, 16u);
                    uint32_t i = 0;
                    std::memcpy(&i, data, 4);
                    static_cast<std::vector<uint32_t>*>(to)->push_back(i);
                    return 0;
                  },
                  &numbers),
              static_cast<int>(2 * kFew));
    return numbers;
  }
  for (uint32_t i = 0; i < 2 * kFew; ++i) {
    if (Has(map, i)) numbers.push_back(i);
  }
  return numbers;
}

// What all of them are for the type.
std::vector<uint32_t> Expected(MapType type) {
  std::vector<uint32_t> numbers;
  for (uint32_t i = 0; i < 2 * kFew; ++i) numbers.push_back(i);
  if (type == MapType::kStack) std::reverse(numbers.begin(), numbers.end());
  return numbers;
}

void ExpectAll(Map& map) {
  const std::vector<uint32_t> numbers = Numbers(map);
  // LRU maps of 32 have let some go.
  if (map.type() == MapType::kLruHash || map.type() == MapType::kLruPercpuHash) {
    EXPECT_GE(numbers.size(), kFew);
  } else {
    EXPECT_EQ(numbers, Expected(map.type()));
  }
}

class SharedMapOfType : public testing::TestWithParam<MapSpec> {};

TEST_P(SharedMapOfType, HasTheElementsOfBothProcesses) {
  const auto map = CreateSharedMap(GetParam(), SharedEnvironment());
  ASSERT_TRUE(map) << map.error().message;
  for (uint32_t i = 0; i < kFew; ++i) ASSERT_EQ(Put(*map->map, i), 0) << i;
  const int failed = InChild([&] {
    const auto mine = OpenSharedMap(map->fd, SharedEnvironment());
    if (!mine) return 1;
    const bool keyed = GetParam().key_size != 0 || GetParam().type == MapType::kBloomFilter;
    for (uint32_t i = 0; i < kFew; ++i) {
      if (keyed && !Has(**mine, i)) return 2;
    }
    for (uint32_t i = kFew; i < 2 * kFew; ++i) {
      if (Put(**mine, i) != 0) return 3;
    }
    return 0;
  });
  ASSERT_EQ(failed, 0);
  ExpectAll(*map->map);
}

TEST_P(SharedMapOfType, IsInItsFileForWhoOpensIt) {
  const std::string path = NewPath("file");
  {
    const auto map = CreateMapFile(GetParam(), path, SharedEnvironment());
    ASSERT_TRUE(map) << map.error().message;
    for (uint32_t i = 0; i < kFew; ++i) ASSERT_EQ(Put(**map, i), 0) << i;
  }
  const int failed = InChild([&] {
    const auto mine = OpenMapFile(path, SharedEnvironment());
    if (!mine) return 1;
    for (uint32_t i = kFew; i < 2 * kFew; ++i) {
      if (Put(**mine, i) != 0) return 3;
    }
    return 0;
  });
  ASSERT_EQ(failed, 0);
  const auto info = ReadMapFile(path);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->spec.type, GetParam().type);
  EXPECT_EQ(info->spec.key_size, GetParam().key_size);
  EXPECT_EQ(info->spec.value_size, GetParam().value_size);
  EXPECT_EQ(info->spec.max_entries, GetParam().max_entries);
  EXPECT_EQ(info->spec.flags, GetParam().flags);
  EXPECT_EQ(info->spec.name, GetParam().name);
  const auto map = OpenMapFile(path, SharedEnvironment());
  ASSERT_TRUE(map) << map.error().message;
  ExpectAll(**map);
  unlink(path.c_str());
}

// Types whose updates replace an element: a reader sees one value or the other.
TEST_P(SharedMapOfType, ShowsValuesWholeWhileAnotherProcessChangesThem) {
  const MapType type = GetParam().type;
  if (type != MapType::kHash && type != MapType::kLruHash && type != MapType::kLpmTrie) return;
  const auto map = CreateSharedMap(GetParam(), SharedEnvironment());
  ASSERT_TRUE(map) << map.error().message;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto mine = OpenSharedMap(map->fd, SharedEnvironment());
    for (uint32_t round = 0; mine; ++round) Put(**mine, round % kFew, round & 0xff);
    _exit(1);
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(60);
  int seen = 0;
  std::vector<std::byte> value(map->map->host_value_size());
  while (std::chrono::steady_clock::now() < end) {
    for (uint32_t i = 0; i < kFew; ++i) {
      if (map->map->HostLookup(KeyOf(GetParam(), i).data(), value.data()) != 0) continue;
      ++seen;
      uint32_t owner = 0;  // in a trie perhaps a shorter prefix
      std::memcpy(&owner, value.data(), 4);
      ASSERT_TRUE(test::IsValueOf(*map->map, owner & 0xffff, value)) << i;
    }
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_GT(seen, 100);
}

INSTANTIATE_TEST_SUITE_P(EveryType, SharedMapOfType, testing::ValuesIn(test::ShareableSpecs()),
                         [](const auto& type) { return test::SpecName(type.param); });

MapSpec HashSpec() { return test::ShareableSpecs().front(); }

TEST(SharedMap, RefusesTypesThatReferToOneProcess) {
  MapSpec spec;
  spec.name = "jumps";
  spec.type = MapType::kProgArray;
  spec.key_size = spec.value_size = 4;
  spec.max_entries = 1;
  const auto map = CreateSharedMap(spec, SharedEnvironment());
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(map.error().message,
            "map 'jumps' (prog_array) cannot be shared: maps of this type refer to what belongs to "
            "one process");
}

TEST(SharedMap, RefusesValuesThatReferToOneProcess) {
  auto type = std::make_shared<model::ValueType>();
  type->size = 24;
  model::ValueField& field = type->fields.emplace_back();
  field.kind = model::SpecialKind::kTimer;
  field.size = 16;
  MapEnvironment environment = SharedEnvironment();
  environment.value_type = type;
  const auto map = CreateSharedMap(HashSpec(), environment);
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().code, ErrorCode::kUnsupported);
  field.kind = model::SpecialKind::kSpinLock;
  EXPECT_TRUE(CheckShareable(HashSpec(), type.get()));
}

TEST(SharedMap, RefusesFrozenContents) {
  MapSpec spec = test::ShareableSpecs()[6];
  ASSERT_EQ(spec.type, MapType::kArray);
  spec.frozen = true;
  EXPECT_FALSE(CreateSharedMap(spec, SharedEnvironment()));
}

TEST(MapFile, SaysThatThereIsOneAlready) {
  const std::string path = NewPath("twice");
  ASSERT_TRUE(CreateMapFile(HashSpec(), path, SharedEnvironment()));
  const auto again = CreateMapFile(HashSpec(), path, SharedEnvironment());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().sys_errno, EEXIST);
  EXPECT_NE(again.error().message.find(path), std::string::npos);
  unlink(path.c_str());
}

TEST(MapFile, SaysThatThereIsNone) {
  const auto map = OpenMapFile("/nowhere/at/all", SharedEnvironment());
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().sys_errno, ENOENT);
  EXPECT_EQ(map.error().message.rfind("/nowhere/at/all: open: ", 0), 0u) << map.error().message;
}

TEST(MapFile, StartsWithTheInitialValue) {
  MapSpec spec = test::ShareableSpecs()[6];
  spec.value_size = 3;
  spec.max_entries = 1;
  spec.initial_value = std::make_shared<std::vector<std::byte>>(3, std::byte{7});
  const std::string path = NewPath("initial");
  ASSERT_TRUE(CreateMapFile(spec, path, SharedEnvironment()));
  const auto map = OpenMapFile(path, SharedEnvironment());
  ASSERT_TRUE(map) << map.error().message;
  const uint32_t key = 0;
  std::byte value[3] = {};
  ASSERT_EQ((*map)->HostLookup(reinterpret_cast<const std::byte*>(&key), value), 0);
  EXPECT_EQ(value[2], std::byte{7});
  unlink(path.c_str());
}

TEST(MapFile, OfAHundredMillionEntriesTakesNoRoomUntilUsed) {
  MapSpec spec = HashSpec();
  spec.max_entries = 100'000'000;
  const std::string path = NewPath("large");
  const auto room = [&] {
    struct stat status = {};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  };
  {
    const auto map = CreateMapFile(spec, path, SharedEnvironment());
    ASSERT_TRUE(map) << map.error().message;
    EXPECT_LT(room(), 1u << 20);
    ASSERT_EQ(Put(**map, 1), 0);
  }
  const auto map = OpenMapFile(path, SharedEnvironment());
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_TRUE(Has(**map, 1));
  EXPECT_LT(room(), 1u << 20);
  unlink(path.c_str());
}

TEST(MapFile, OfAPercpuMapNeedsAsManySlotsAsTheRuntimeHas) {
  MapSpec spec = HashSpec();
  spec.type = MapType::kPercpuHash;
  const std::string path = NewPath("slots");
  ASSERT_TRUE(CreateMapFile(spec, path, SharedEnvironment()));
  EXPECT_EQ(ReadMapFile(path)->cpu_slots, test::kSharedCpus);
  MapEnvironment more = SharedEnvironment();
  more.cpu_slots = test::kSharedCpus + 1;
  const auto refused = OpenMapFile(path, more);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, path + ": has 4 CPU slots, need at least the runtime's 5");
  MapEnvironment fewer = SharedEnvironment();
  fewer.cpu_slots = 1;
  const auto map = OpenMapFile(path, fewer);
  ASSERT_TRUE(map);
  EXPECT_EQ((*map)->host_value_size(), test::kSharedCpus * 24);
  unlink(path.c_str());
}

TEST(SharedMap, RefusesMemoryThatCanBeCutShort) {
  const auto map = CreateSharedMap(HashSpec(), SharedEnvironment());
  ASSERT_TRUE(map);
  EXPECT_NE(fcntl(map->fd, F_GET_SEALS) & F_SEAL_SHRINK, 0);
  EXPECT_LT(ftruncate(map->fd, 0), 0);
  const int fd = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_GE(fd, 0);
  const auto refused = OpenSharedMap(fd, SharedEnvironment());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("is not sealed against shrinking"), std::string::npos);
  close(fd);
}

TEST(SharedMap, TakesAsManyProcessesAsThereAreSlots) {
  const auto map = CreateSharedMap(HashSpec(), SharedEnvironment());
  ASSERT_TRUE(map);
  std::vector<std::shared_ptr<Map>> more;
  for (uint32_t i = 1; i < SharedRegion::kMaxAttached; ++i) {
    auto opened = OpenSharedMap(map->fd, SharedEnvironment());
    ASSERT_TRUE(opened) << i << opened.error().message;
    more.push_back(*std::move(opened));
  }
  const auto refused = OpenSharedMap(map->fd, SharedEnvironment());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceLimit);
  more.pop_back();
  EXPECT_TRUE(OpenSharedMap(map->fd, SharedEnvironment()));
}

}  // namespace
}  // namespace skep
