// SPDX-License-Identifier: Apache-2.0
// Many threads at once on one set of maps: operations of the host, and what helpers and
// programs do: look up, change values in place, update, delete, iterate, inside of the
// epoch domain. Needs nothing of engines, so that it is quickly built with sanitizers;
// program_stress_test.cc runs real programs.
//
//   SKEP_STRESS_SECONDS=60   how long; 1 by default
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

#include "skep/ring_buffer_reader.h"

#include "base/memory_access.h"
#include "model/ringbuf.h"
#include "tests/maps/map_crowd.h"

namespace skep::test {
namespace {

constexpr uint32_t kCpus = 8;

class MapStress : public testing::Test {
 protected:
  MapStress() {
    crowd_.Make([this](const MapSpec& spec) {
      return *CreateMap(spec, {.cpu_slots = kCpus, .id = ++ids_, .epochs = epochs_});
    });
  }

  // A program on CPU slot `cpu`: some helpers, then it leaves the epoch.
  void Run(uint32_t cpu) {
    std::mt19937_64 random(cpu);
    const auto below = [&](uint64_t n) { return static_cast<uint32_t>(random() % n); };
    EpochSlot slot(*epochs_);
    while (crowd_.going()) {
      slot.Enter();
      for (int i = 0; i < 10; ++i) {
        Map* map = crowd_.maps[below(crowd_.maps.size())].get();
        if (map->spec().inner != nullptr) {
          const Bytes key = KeyBytes(map->spec(), below(KeysOf(map->spec())));
          map = reinterpret_cast<Map*>(map->Lookup(Padded(key).data(), cpu));
          if (map == nullptr) continue;
        }
        Help(*map, cpu, below(8), KeyBytes(map->spec(), below(KeysOf(map->spec()))));
      }
      slot.Leave();
      ++runs_;
    }
  }

  static Bytes Padded(Bytes bytes) {
    bytes.resize(bytes.size() + 8);
    return bytes;
  }

  static void Help(Map& map, uint32_t cpu, uint32_t what, const Bytes& number) {
    const MapSpec& spec = map.spec();
    const Bytes key = Padded(number);
    Bytes value(spec.value_size + 8u, static_cast<std::byte>(what));
    if (spec.type == MapType::kRingbuf) {
      model::Ringbuf::Of(map).Output(value.data(), 8, 0);
      return;
    }
    if (spec.key_size == 0) {
      if (what < 3) map.Push(value.data(), what == 0 ? kUpdateExist : kUpdateAny);
      if (what == 3) map.Peek(value.data());
      if (what > 3) map.Pop(value.data());
      return;
    }
    switch (what) {
      case 0:
      case 1:
        map.Update(key.data(), value.data(), kUpdateAny, cpu);
        break;
      case 2:
        map.Delete(key.data(), cpu);
        break;
      case 3:
        map.ForEach(
            cpu, [](void*, const std::byte*, std::byte* at) { return Touch(at); }, nullptr);
        break;
      default:
        if (std::byte* found = map.Lookup(key.data(), cpu); found != nullptr) Touch(found);
    }
  }

  // As machine code does: whole words, relaxed.
  static bool Touch(std::byte* value) {
    const auto at = reinterpret_cast<uint64_t>(value);
    StoreRelaxed<uint8_t>(at, static_cast<uint8_t>(LoadRelaxed<uint8_t>(at) + 1));
    return true;
  }

  uint32_t ids_ = 0;
  std::shared_ptr<EpochDomain> epochs_ = std::make_shared<EpochDomain>();
  MapCrowd crowd_;
  std::atomic<uint64_t> runs_{0};
};

TEST_F(MapStress, EightThreadsOfTheHostAndOfProgramsAtOnce) {
  crowd_.GoOnFor(FromEnvironment("SKEP_STRESS_SECONDS", 1));
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] { crowd_.WorkAsHost(i); });
    threads.emplace_back([this, i] { Run(i); });
  }
  const uint64_t records = crowd_.ReadRing();
  for (std::thread& thread : threads) thread.join();
  crowd_.CheckAtRest();
  std::cout << crowd_.operations << " operations, " << runs_ << " runs, " << records
            << " records\n";
  EXPECT_GT(crowd_.operations, 0u);
  EXPECT_GT(runs_, 0u);
}

}  // namespace
}  // namespace skep::test
