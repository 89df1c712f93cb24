// SPDX-License-Identifier: Apache-2.0
// Programs on every engine and the host on one set of maps at once; four producers and
// a consumer on one ring.
//
//   SKEP_STRESS_SECONDS=60        how long maps are worked on; 1 by default
//   SKEP_RING_RECORDS=100000000   records through the ring; 400,000 by default
#include <atomic>
#include <cstring>
#include <iostream>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "skep/ring_buffer_reader.h"
#include "skep/runtime.h"

#include "tests/maps/map_crowd.h"
#include "tests/maps/map_program.h"
#include "vm/test_file.h"

namespace skep::test {
namespace {

class ProgramStress : public testing::Test {
 protected:
  ProgramStress() {
    crowd_.Make([this](const MapSpec& spec) { return *runtime_->CreateMap(spec); });
  }

  // Programs over all maps, each on the engine of the thread.
  void Programs(Engine engine, uint64_t seed) {
    auto context = *runtime_->NewContext();
    Bytes packet(64);
    VerifyOptions options;
    options.rights = Rights::kRoot;
    for (uint64_t number = 0; crowd_.going(); ++number) {
      MapProgramGenerator generator(seed * 1000000 + number);
      const Program program = generator.Next(crowd_.specs);
      const VerifyOutcome verdict = Verify(program, runtime_->environment(), options);
      if (!verdict.verified) continue;
      const auto prepared = runtime_->Prepare(*verdict.verified, engine, crowd_.maps);
      ASSERT_TRUE(prepared) << prepared.error().message;
      for (int run = 0; run < 200 && crowd_.going(); ++run) {
        const RunResult result = (*prepared)->RunPacket(*context, {.data = packet});
        ASSERT_TRUE(result.ok()) << context->trap_detail();
        ++runs_;
      }
    }
  }

  std::unique_ptr<Runtime> runtime_ = *Runtime::Create({.cpu_slots = 16});
  MapCrowd crowd_;
  std::atomic<uint64_t> runs_{0};
};

TEST_F(ProgramStress, EightThreadsOfTheHostAndOfEveryEngineAtOnce) {
  crowd_.GoOnFor(FromEnvironment("SKEP_STRESS_SECONDS", 1));
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) {
    constexpr Engine kEngines[] = {Engine::kJit, Engine::kInterp, Engine::kBaseline,
                                   Engine::kChecked};
    threads.emplace_back([this, i] { crowd_.WorkAsHost(i); });
    threads.emplace_back([this, i, engine = kEngines[i]] { Programs(engine, i); });
  }
  const uint64_t records = crowd_.ReadRing();
  for (std::thread& thread : threads) thread.join();
  crowd_.CheckAtRest();
  std::cout << crowd_.operations << " operations, " << runs_ << " runs of programs, " << records
            << " records\n";
  EXPECT_GT(crowd_.operations, 0u);
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
