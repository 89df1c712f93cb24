// SPDX-License-Identifier: Apache-2.0
// Files and peers of ill will: whatever is in a shared map's memory, operations
// return, and touch nothing else. SKEP_HOSTILE_ROUNDS says how often.
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/region.h"
#include "maps/map_file_header.h"
#include "maps/shared_map.h"
#include "model/ringbuf.h"
#include "tests/maps/shared_maps.h"

namespace skep {
namespace {

using test::NewPath;
using test::Put;
using test::SharedEnvironment;

// A file with some elements.
std::vector<char> FileOf(const MapSpec& spec, const std::string& path) {
  {
    const auto map = CreateMapFile(spec, path, SharedEnvironment());
    EXPECT_TRUE(map) << map.error().message;
    for (uint32_t i = 0; i < 40; ++i) Put(**map, i);
    for (uint32_t i = 0; i < 40; i += 3) test::AnyOperation(**map, i, 0, true);
  }
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

uint64_t SumOf(const std::vector<char>& file) {
  uint64_t sum = 0xcbf29ce484222325;
  for (size_t i = 0; i < offsetof(MapFileHeader, checksum); ++i) {
    sum = (sum ^ static_cast<unsigned char>(file[i])) * 0x100000001b3;
  }
  return sum;
}

class HostileFile : public testing::TestWithParam<MapSpec> {
 protected:
  void SetUp() override {
    path_ = NewPath("hostile");
    file_ = FileOf(GetParam(), path_);
    ASSERT_GE(file_.size(), 2 * PageBytes());
  }
  void TearDown() override { unlink(path_.c_str()); }

  Result<std::shared_ptr<Map>> Open(const std::vector<char>& file) {
    WriteFile(path_, file);
    return OpenMapFile(path_, SharedEnvironment());
  }

  std::string path_;
  std::vector<char> file_;
};

TEST_P(HostileFile, IsRefusedWhenABitOfItsHeaderIsWrong) {
  for (size_t at = 0; at < sizeof(MapFileHeader); ++at) {
    std::vector<char> file = file_;
    file[at] = static_cast<char>(file[at] ^ (1 << at % 8));
    const auto map = Open(file);
    ASSERT_FALSE(map) << at;
    EXPECT_EQ(map.error().code, ErrorCode::kMalformedObject) << map.error().message;
    EXPECT_EQ(map.error().message.rfind(path_ + ": ", 0), 0u) << map.error().message;
  }
}

TEST_P(HostileFile, IsRefusedWhenItIsCutShortOrTooLong) {
  const size_t whole = file_.size();
  const size_t page = PageBytes();
  for (const size_t size : {size_t{0}, size_t{1}, size_t{7}, sizeof(MapFileHeader) - 1,
                            sizeof(MapFileHeader), size_t{2048}, page - 1, page, page + 1,
                            whole / 2, whole - page, whole - 1, whole + 1, whole + page}) {
    std::vector<char> file = file_;
    file.resize(size);
    const auto map = Open(file);
    ASSERT_FALSE(map) << size;
    EXPECT_EQ(map.error().code, ErrorCode::kMalformedObject) << map.error().message;
    EXPECT_NE(map.error().message.find("has " + std::to_string(size) + " bytes, need"),
              std::string::npos)
        << map.error().message;
  }
}

// The checksum is right, as it is in a file that was made so.
TEST_P(HostileFile, WithAnotherHeaderIsRefusedOrIsThatMap) {
  constexpr size_t kFields[] = {
      offsetof(MapFileHeader, version),    offsetof(MapFileHeader, page_bytes),
      offsetof(MapFileHeader, map_type),   offsetof(MapFileHeader, key_size),
      offsetof(MapFileHeader, value_size), offsetof(MapFileHeader, max_entries),
      offsetof(MapFileHeader, flags),      offsetof(MapFileHeader, map_extra),
      offsetof(MapFileHeader, cpu_slots),  offsetof(MapFileHeader, reserved),
      offsetof(MapFileHeader, body_bytes), offsetof(MapFileHeader, body_bytes) + 4,
      offsetof(MapFileHeader, name) + 124,
  };
  constexpr uint32_t kValues[] = {0,  1,  2,  6,    9,          11,         22,
                                  27, 65, 64, 4096, 0x7fffffff, 0x80000000, 0xffffffff};
  for (const size_t field : kFields) {
    for (const uint32_t value : kValues) {
      std::vector<char> file = file_;
      std::memcpy(file.data() + field, &value, sizeof value);
      const uint64_t sum = SumOf(file);
      std::memcpy(file.data() + offsetof(MapFileHeader, checksum), &sum, sizeof sum);
      const auto map = Open(file);
      if (!map) continue;
      for (uint32_t i = 0; i < 40; ++i) test::AnyOperation(**map, i, i * 7, true);
    }
  }
}

// What an attacker writes: words that are indexes, nearly indexes, or anything.
class Spoiler {
 public:
  explicit Spoiler(uint32_t seed) : random_(seed) {}
  uint32_t Below(uint32_t end) { return static_cast<uint32_t>(random_() % end); }

  void Spoil(char* memory, size_t from, size_t size) {
    const uint32_t count = Below(2) == 0 ? 1 + Below(8) : 1 + Below(400);
    // Structure is mostly at the front.
    const bool front = Below(2) == 0;
    const auto words = static_cast<uint32_t>((front ? std::min<size_t>(size, 2048) : size) / 4);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t word = Word();
      std::memcpy(memory + from + size_t{Below(words)} * 4, &word, sizeof word);
    }
  }

 private:
  uint32_t Word() {
    constexpr uint32_t kEdges[] = {0,    1,          2,          3,          64,
                                   65,   127,        128,        1088,       1089,
                                   131,  0x7fffffff, 0x80000000, 0xfffffff8, 4096,
                                   4095, 16384,      0xffffffff, 0xfffffffe, 0xc0000000};
    switch (Below(4)) {
      case 0:
        return kEdges[Below(std::size(kEdges))];
      case 1:
        return Below(64);
      case 2:
        return Below(1200);
      default:
        return static_cast<uint32_t>(random_());
    }
  }
  std::mt19937 random_;
};

// All that can be done with a map.
void DoEverything(Map& map, Spoiler& random) {
  const MapSpec& spec = map.spec();
  for (int i = 0; i < 60; ++i) {
    test::AnyOperation(map, random.Below(100), random.Below(1u << 20), true);
  }
  for (uint32_t i = 0; i < spec.max_entries && spec.key_size != 0; ++i) {
    test::Has(map, i);
    std::byte* value = map.Lookup(test::KeyOf(spec, i).data(), i % test::kSharedCpus);
    if (value == nullptr) continue;
    // As a program: the whole value.
    std::memset(value, static_cast<int>(i), spec.value_size);
    map.ElementAt(value);
  }
  std::vector<std::byte> key(spec.key_size + 8), next(spec.key_size + 8);
  bool more = spec.key_size != 0 && map.NextKey(nullptr, next.data()) == 0;
  for (uint32_t i = 0; more && i < 3 * spec.max_entries; ++i) {
    key = next;
    more = map.NextKey(key.data(), next.data()) == 0;
  }
  int sum = 0;
  map.ForEach(
      0,
      [](void* to, const std::byte* k, std::byte* v) {
        *static_cast<int*>(to) += static_cast<int>(*k) + static_cast<int>(*v);
        return true;
      },
      &sum);
  map.element_count();
  if (spec.type == MapType::kRingbuf) {
    model::Ringbuf& ring = model::Ringbuf::Of(map);
    for (uint64_t what = 0; what < 5; ++what) ring.Query(what);
    std::byte* record = ring.Reserve(random.Below(5000), 0);
    const auto busy = ring.BusyRecordAt(ring.UserData().begin + random.Below(8192));
    if (busy) std::memset(busy->begin, 1, busy->size);
    if (record != nullptr) ring.CommitHere(record, 0, random.Below(2) == 0);
  }
}

int Rounds() {
  const char* rounds = std::getenv("SKEP_HOSTILE_ROUNDS");
  return rounds == nullptr ? 15 : std::atoi(rounds);
}

TEST_P(HostileFile, SpoilsNothingButTheMap) {
  const int failed = test::InChild([&] {
    for (int round = 0; round < Rounds(); ++round) {
      alarm(20);
      Spoiler random(static_cast<uint32_t>(round));
      std::vector<char> file = file_;
      const size_t control = SharedRegion::kDescriptionBytes;
      if (random.Below(3) == 0) random.Spoil(file.data(), control, PageBytes() - control);
      random.Spoil(file.data(), PageBytes(), file.size() - PageBytes());
      const auto map = Open(file);
      if (!map) return 1;
      DoEverything(**map, random);
    }
    return 0;
  });
  EXPECT_EQ(failed, 0);
}

// The other process writes while we use the map, but for the words of locks that we
// hold just then.
TEST_P(HostileFile, OfAPeerSpoilsNothingButTheMap) {
  const int failed = test::InChild([&] {
    for (int round = 0; round < Rounds(); ++round) {
      alarm(20);
      Spoiler random(static_cast<uint32_t>(round));
      const auto map = Open(file_);
      if (!map) return 1;
      const int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
      auto memory = Region::OfFile(fd, 0, file_.size());
      close(fd);
      if (!memory) return 2;
      auto* bytes = reinterpret_cast<char*>(memory->base());
      for (int i = 0; i < 5; ++i) {
        const size_t control = SharedRegion::kDescriptionBytes;
        if (random.Below(3) == 0) random.Spoil(bytes, control, PageBytes() - control);
        random.Spoil(bytes, PageBytes(), file_.size() - PageBytes());
        DoEverything(**map, random);
      }
    }
    return 0;
  });
  EXPECT_EQ(failed, 0);
}

// A file that comes from outside is mended when it is opened: it is a sound map.
TEST_P(HostileFile, IsASoundMapWhenItIsOpen) {
  if (GetParam().type == MapType::kBloomFilter) return;
  for (int round = 0; round < Rounds(); ++round) {
    Spoiler random(static_cast<uint32_t>(round));
    std::vector<char> file = file_;
    random.Spoil(file.data(), PageBytes(), file.size() - PageBytes());
    const auto map = Open(file);
    ASSERT_TRUE(map) << map.error().message;
    test::Contents contents;
    ASSERT_TRUE(test::TakeContents(**map, &contents)) << "round " << round;
    for (uint32_t i = 0; i < 2000; ++i)
      test::AnyOperation(**map, i % 60, i * 2654435761u >> 9, true);
    contents.clear();
    ASSERT_TRUE(test::TakeContents(**map, &contents)) << "round " << round;
  }
}

TEST(HostileFiles, OfAnotherKindIsRefused) {
  const std::string folder = testing::TempDir();
  EXPECT_FALSE(OpenMapFile(folder, SharedEnvironment()));
  const std::string fifo = NewPath("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const auto refused = OpenMapFile(fifo, SharedEnvironment());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, fifo + ": is no regular file");
  unlink(fifo.c_str());
  const auto text = OpenMapFile("/proc/self/status", SharedEnvironment());
  EXPECT_FALSE(text);
  const std::string plain = NewPath("plain");
  WriteFile(plain, std::vector<char>(10000, 'x'));
  const auto map = OpenMapFile(plain, SharedEnvironment());
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().message, plain + ": holds no map of skep");
  unlink(plain.c_str());
}

INSTANTIATE_TEST_SUITE_P(OfEveryType, HostileFile, testing::ValuesIn(test::ShareableSpecs()),
                         [](const auto& type) { return test::SpecName(type.param); });

}  // namespace
}  // namespace skep
