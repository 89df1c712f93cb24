// SPDX-License-Identifier: Apache-2.0
// Many threads at once: operations of the host and running programs on one set of maps,
// and producers against a consumer. Meant for the thread and address sanitizers too.
//
//   SKEP_STRESS_SECONDS=60        how long maps are worked on; 1 by default
//   SKEP_RING_RECORDS=100000000   records through one ring; 400,000 by default
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "skep/map_batch.h"
#include "skep/ring_buffer_reader.h"
#include "skep/runtime.h"

#include "tests/maps/map_program.h"
#include "vm/test_file.h"

namespace skep::test {
namespace {

using Bytes = std::vector<std::byte>;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

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

class MapStress : public testing::Test {
 protected:
  MapStress() : runtime_(*Runtime::Create({.cpu_slots = 16})) {
    for (const MapSpec& spec : specs_) maps_.push_back(*runtime_->CreateMap(spec));
    for (int i = 0; i < 4; ++i) inners_.push_back(*runtime_->CreateMap(*specs_.back().inner));
  }

  bool Going() const { return std::chrono::steady_clock::now() < end_; }

  // What bpf(2) could do, on any map.
  void Host(uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](uint64_t n) { return static_cast<uint32_t>(random() % n); };
    while (Going()) {
      const uint32_t which = below(maps_.size());
      Map& map = *maps_[which];
      const MapSpec& spec = specs_[which];
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
            map.SetMap(key.data(), inners_[below(inners_.size())]);
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
      ++operations_;
    }
  }

  static void Batch(Map& map, bool remove, uint32_t room) {
    Bytes token(BatchTokenSize(map)), keys(uint64_t{room} * map.spec().key_size),
        values(uint64_t{room} * map.host_value_size());
    MapBatch batch{
        .out = token.data(), .keys = keys.data(), .values = values.data(), .count = room};
    if (remove) {
      LookupAndDeleteBatch(map, batch);
    } else {
      LookupBatch(map, batch);
    }
  }

  // Programs over all maps, each on the engine of the thread.
  void Programs(Engine engine, uint64_t seed) {
    auto context = *runtime_->NewContext();
    Bytes packet(64);
    VerifyOptions options;
    options.rights = Rights::kRoot;
    for (uint64_t number = 0; Going(); ++number) {
      MapProgramGenerator generator(seed * 1000000 + number);
      const Program program = generator.Next(specs_);
      const VerifyOutcome verdict = Verify(program, runtime_->environment(), options);
      if (!verdict.verified) continue;
      const auto prepared = runtime_->Prepare(*verdict.verified, engine, maps_);
      ASSERT_TRUE(prepared) << prepared.error().message;
      for (int run = 0; run < 200 && Going(); ++run) {
        const RunResult result = (*prepared)->RunPacket(*context, {.data = packet});
        ASSERT_TRUE(result.ok()) << context->trap_detail();
        ++runs_;
      }
    }
  }

  // What must hold when nobody works on them any more.
  void CheckAtRest() {
    for (size_t i = 0; i < maps_.size(); ++i) {
      Map& map = *maps_[i];
      const MapSpec& spec = specs_[i];
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

  const std::vector<MapSpec> specs_ = AllTypes();
  std::unique_ptr<Runtime> runtime_;
  std::vector<std::shared_ptr<Map>> maps_, inners_;
  std::chrono::steady_clock::time_point end_;
  std::atomic<uint64_t> operations_{0}, runs_{0};
};

TEST_F(MapStress, EightThreadsOfOperationsAndPrograms) {
  end_ = std::chrono::steady_clock::now() +
         std::chrono::seconds(FromEnvironment("SKEP_STRESS_SECONDS", 1));
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) threads.emplace_back([this, i] { Host(i); });
  uint64_t seed = 0;
  for (const Engine engine : {Engine::kJit, Engine::kInterp, Engine::kBaseline, Engine::kChecked}) {
    threads.emplace_back([this, engine, seed] { Programs(engine, seed); });
    ++seed;
  }
  // And the ring is read.
  uint64_t records = 0;
  auto reader = RingBufferReader::Create(maps_[11], [&](std::span<const std::byte>) {
    ++records;
    return 0;
  });
  ASSERT_TRUE(reader);
  while (Going()) EXPECT_GE((*reader)->Poll(10), 0);
  for (std::thread& thread : threads) thread.join();
  CheckAtRest();
  std::cout << operations_ << " operations, " << runs_ << " runs of programs, " << records
            << " records\n";
  EXPECT_GT(operations_, 0u);
  EXPECT_GT(runs_, 0u);
}

// r1 points to {producer, number}: sends them as a record and returns 0; 1 if there was no
// room. Each eighth record is sent by ringbuf_output; before each fourth one that is
// thrown away.
constexpr char kProducer[] = R"(-- maps
ring ringbuf key=0 value=0 entries=65536
-- asm
r6 = r1
r7 = *(u64 *)(r6 + 8)
r8 = r7
r8 &= 3
if r8 != 0 goto send
r1 = map[0] ll
r2 = 24
r3 = 0
call 131
if r0 == 0 goto full
*(u64 *)(r0 + 0) = 99
r1 = r0
r2 = 0
call 133
send:
r8 = r7
r8 &= 7
if r8 == 0 goto output
r1 = map[0] ll
r2 = 16
r3 = 0
call 131
if r0 == 0 goto full
r1 = *(u64 *)(r6 + 0)
*(u64 *)(r0 + 0) = r1
*(u64 *)(r0 + 8) = r7
r1 = r0
r2 = 0
call 132
r0 = 0
exit
output:
r1 = map[0] ll
r2 = *(u64 *)(r6 + 0)
*(u64 *)(r10 - 16) = r2
*(u64 *)(r10 - 8) = r7
r2 = r10
r2 += -16
r3 = 16
r4 = 0
call 130
if r0 != 0 goto full
r0 = 0
exit
full:
r0 = 1
exit
)";

TEST(RingStress, FourProducersLoseRepeatAndMixUpNothing) {
  constexpr uint64_t kProducers = 4;
  const uint64_t each = FromEnvironment("SKEP_RING_RECORDS", 400'000) / kProducers;
  auto file = ParseTestFile(kProducer, "producer.ebpf");
  ASSERT_TRUE(file) << file.error().message;
  file->program.name = "producer";
  const Program program = *Program::Create(file->program);
  const auto runtime = *Runtime::Create({.cpu_slots = 8});
  const auto instance = *runtime->Instantiate(program.maps());
  LoadOptions options;
  options.verify.rights = Rights::kRoot;
  options.verify.memory_size = 16;
  const auto loaded = instance->Load(program, options);
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_NE(loaded->executable, nullptr) << loaded->report.log;

  std::atomic<uint64_t> full{0}, failed{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> producers;
  for (uint64_t producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&, producer] {
      auto context = *runtime->NewContext();
      for (uint64_t number = 0; number < each && !stop; ++number) {
        uint64_t message[2] = {producer, number};
        for (;;) {
          const RunResult result =
              loaded->executable->RunBytes(*context, std::as_writable_bytes(std::span(message)));
          if (!result.ok()) ++failed;
          if (!result.ok() || result.value == 0 || stop) break;
          ++full;
          std::this_thread::yield();
        }
      }
    });
  }
  uint64_t next[kProducers] = {};
  uint64_t taken = 0, wrong = 0;
  auto reader = RingBufferReader::Create(instance->FindMap("ring"), [&](auto record) {
    uint64_t message[2] = {};
    if (record.size() != sizeof message) {
      ++wrong;
      return 0;
    }
    std::memcpy(message, record.data(), sizeof message);
    if (message[0] >= kProducers || message[1] != next[message[0]]) ++wrong;
    if (message[0] < kProducers) next[message[0]] = message[1] + 1;
    ++taken;
    return 0;
  });
  ASSERT_TRUE(reader);
  while (taken < each * kProducers && wrong == 0 && failed == 0) {
    ASSERT_GE((*reader)->Poll(1000), 0);
  }
  stop = true;
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(failed, 0u);
  EXPECT_EQ(taken, each * kProducers);
  EXPECT_EQ((*reader)->Consume(), 0);
  std::cout << taken << " records, the ring was full " << full << " times\n";
}

}  // namespace
}  // namespace skep::test
