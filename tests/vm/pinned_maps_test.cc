// SPDX-License-Identifier: Apache-2.0
// Programs of two processes on the maps that their objects pin by name.
#include <cstdlib>
#include <filesystem>

#include <sys/wait.h>
#include <unistd.h>

#include "skep/map_file.h"
#include "skep/ring_buffer_reader.h"

#include "tests/vm/objects_of_programs.h"

namespace skep {
namespace {

class PinnedMaps : public test::RunObjectTest {
 protected:
  void SetUp() override {
    test::RunObjectTest::SetUp();
    std::string folder = testing::TempDir() + "skep_pins_XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    options_.pin_directory = folder;
  }
  void TearDown() override { std::filesystem::remove_all(options_.pin_directory); }

  static uint64_t Total(Map& totals) {
    const uint32_t two = 2;
    uint64_t total = 0;
    EXPECT_EQ(totals.HostLookup(reinterpret_cast<const std::byte*>(&two),
                                reinterpret_cast<std::byte*>(&total)),
              0);
    return total;
  }

  InstanceOptions options_;
};

TEST_P(PinnedMaps, CountTheRunsOfBothProcesses) {
  SKEP_OPEN_OR_SKIP(object, "pins");
  const auto instance = runtime_->Instantiate(object, options_);
  ASSERT_TRUE(instance) << instance.error().message;
  const auto count = LoadNamed(**instance, "count");
  ASSERT_NE(count, nullptr);
  for (int i = 1; i <= 5; ++i) ASSERT_EQ(Run(count), i);

  // Forked from a process with threads of the runtime's own: none so far.
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto runtime = Runtime::Create({});
    auto mine = runtime ? (*runtime)->Instantiate(object, options_)
                        : Result<std::shared_ptr<Instance>>(std::move(runtime).error());
    if (!mine) _exit(101);
    auto loaded = (*mine)->Load("count", test::Privileged(GetParam()));
    auto context = (*runtime)->NewContext();
    if (!loaded || loaded->executable == nullptr || !context) _exit(102);
    int last = 0;
    for (int i = 0; i < 5; ++i) {
      std::vector<std::byte> packet(64);
      last = static_cast<int>(loaded->executable->RunPacket(**context, {.data = packet}).value);
    }
    _exit(last);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 10);

  EXPECT_EQ(Run(count), 11);
  EXPECT_EQ(Total(*(*instance)->FindMap("totals")), 11u);
  EXPECT_EQ(Run(LoadNamed(**instance, "forget")), 0);
  EXPECT_EQ(Run(count), 1);

  std::vector<uint64_t> seen;
  const auto reader =
      RingBufferReader::Create((*instance)->FindMap("events"), [&](std::span<const std::byte> e) {
        uint64_t number = 0;
        std::memcpy(&number, e.data(), sizeof number);
        seen.push_back(number);
        return 0;
      });
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->Poll(0), 12);
  EXPECT_EQ(seen, (std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1}));
}

TEST_P(PinnedMaps, GoOnAfterTheProcess) {
  SKEP_OPEN_OR_SKIP(object, "pins");
  for (int i = 1; i <= 3; ++i) {
    const auto instance = runtime_->Instantiate(object, options_);
    ASSERT_TRUE(instance) << instance.error().message;
    EXPECT_EQ(Run(LoadNamed(**instance, "count")), i);
  }
  const auto map = runtime_->OpenMapFile(options_.pin_directory + "/totals");
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(Total(**map), 3u);
}

TEST_P(PinnedMaps, AreRefusedWhenTheFileHoldsAnotherMap) {
  SKEP_OPEN_OR_SKIP(object, "pins");
  MapSpec spec;
  spec.name = "counts";
  spec.type = MapType::kHash;
  spec.key_size = spec.value_size = 4;
  spec.max_entries = 64;
  const std::string path = options_.pin_directory + "/counts";
  ASSERT_TRUE(runtime_->CreateMapFile(spec, path));
  const auto instance = runtime_->Instantiate(object, options_);
  ASSERT_FALSE(instance);
  EXPECT_NE(instance.error().message.find(
                path + ": map 'counts': the map that is there has key_size 4, need 8"),
            std::string::npos)
      << instance.error().message;
}

TEST_P(PinnedMaps, MayBeGivenByName) {
  SKEP_OPEN_OR_SKIP(object, "pins");
  const auto first = *runtime_->Instantiate(object);
  InstanceOptions options;
  options.maps = {{"counts", first->FindMap("counts")}};
  const auto second = runtime_->Instantiate(object, options);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(Run(LoadNamed(*first, "count")), 1);
  EXPECT_EQ(Run(LoadNamed(**second, "count")), 2);
  options.maps = {{"nobody", first->FindMap("counts")}};
  EXPECT_FALSE(runtime_->Instantiate(object, options));
  options.maps = {{"totals", first->FindMap("counts")}};
  EXPECT_FALSE(runtime_->Instantiate(object, options));
}

INSTANTIATE_TEST_SUITE_P(Engines, PinnedMaps,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kJit),
                         test::EngineParamName);

TEST(FirstCpuSlot, IsThatOfTheFirstContext) {
  const auto runtime = Runtime::Create({.cpu_slots = 4, .first_cpu_slot = 2});
  ASSERT_TRUE(runtime);
  const auto context = (*runtime)->NewContext();
  ASSERT_TRUE(context);
  EXPECT_EQ((*context)->cpu(), 2u);
  const auto last = (*runtime)->NewContext();
  ASSERT_TRUE(last);
  EXPECT_EQ((*last)->cpu(), 3u);
  EXPECT_FALSE((*runtime)->NewContext());
  EXPECT_FALSE(Runtime::Create({.cpu_slots = 4, .first_cpu_slot = 4}));
}

}  // namespace
}  // namespace skep
