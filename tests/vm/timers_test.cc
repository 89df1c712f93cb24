// SPDX-License-Identifier: Apache-2.0
// Timers that run their callback, on every engine. What the calls return without
// one that fires is compared with the kernel by tests/tools/run_objects_test.py.
#include <cstdint>
#include <memory>
#include <string>

#include "tests/vm/objects_of_programs.h"

namespace skep {
namespace {

using std::chrono::milliseconds;

struct Element {
  uint64_t count;
  uint64_t timer[2];
  uint64_t last_key;
};

class Timers : public test::RunObjectTest {
 protected:
  static Element ElementOf(Instance& instance, const std::string& map, uint32_t key) {
    Element e{};
    EXPECT_EQ(instance.FindMap(map)->HostLookup(reinterpret_cast<const std::byte*>(&key),
                                                reinterpret_cast<std::byte*>(&e)),
              0);
    return e;
  }
  // From the object's BTF would be better; the order is that of the source.
  static int64_t Fired(Instance& instance) { return Variable<int64_t>(instance, "fired"); }
  template <class T>
  static T Variable(Instance& instance, const std::string& name) {
    const Offsets at;
    for (const auto& [variable, offset] : at.all) {
      if (name == variable) return Global<T>(instance, "timers.bss", offset);
    }
    ADD_FAILURE() << name;
    return T{};
  }
  struct Offsets {
    std::pair<const char*, size_t> all[3] = {{"fired", 256}, {"in_callback", 264}, {"rearm", 328}};
  };
  static void SetRearm(Instance& instance, int value) {
    const auto map = instance.FindMap("timers.bss");
    const uint32_t zero = 0;
    std::vector<std::byte> bytes(map->host_value_size());
    const auto* key = reinterpret_cast<const std::byte*>(&zero);
    EXPECT_EQ(map->HostLookup(key, bytes.data()), 0);
    std::memcpy(bytes.data() + 328, &value, sizeof value);
    EXPECT_EQ(map->HostUpdate(key, bytes.data()), 0);
  }
};

TEST_P(Timers, CallTheirCallbackWithMapKeyAndValue) {
  SKEP_OPEN_OR_SKIP(object, "timers");
  const auto instance = *runtime_->Instantiate(object);
  const auto start = LoadNamed(*instance, "start");
  ASSERT_NE(start, nullptr);
  EXPECT_EQ(Run(start), 0);
  EXPECT_TRUE(Eventually([&] { return Fired(*instance) == 1; }));
  EXPECT_EQ(ElementOf(*instance, "hash", 3).count, 1u);
  EXPECT_EQ(ElementOf(*instance, "hash", 3).last_key, 3u);

  const auto in_array = LoadNamed(*instance, "start_in_array");
  EXPECT_EQ(Run(in_array), 0);
  EXPECT_TRUE(Eventually([&] { return Fired(*instance) == 2; }));
  EXPECT_EQ(ElementOf(*instance, "array", 2).count, 1u);
  EXPECT_EQ(ElementOf(*instance, "array", 2).last_key, 2u);
}

TEST_P(Timers, MayArmThemselvesAgainAndAreStoppedByCancel) {
  SKEP_OPEN_OR_SKIP(object, "timers");
  const auto instance = *runtime_->Instantiate(object);
  const auto start = LoadNamed(*instance, "start");
  const auto stop = LoadNamed(*instance, "stop");
  ASSERT_NE(start, nullptr);
  SetRearm(*instance, 1);
  EXPECT_EQ(Run(start), 0);
  EXPECT_TRUE(Eventually([&] { return Fired(*instance) >= 10; }));
  EXPECT_GE(Run(stop), 0);
  const int64_t fired = Fired(*instance);
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(Fired(*instance), fired);
  EXPECT_EQ(Run(stop), 0);
}

TEST_P(Timers, AreTakenFromTheirOwnCallbackWithEdeadlk) {
  SKEP_OPEN_OR_SKIP(object, "timers");
  const auto instance = *runtime_->Instantiate(object);
  const auto start = LoadNamed(*instance, "start_self_cancel");
  ASSERT_NE(start, nullptr);
  EXPECT_EQ(Run(start), 0);
  EXPECT_TRUE(Eventually([&] { return Fired(*instance) == 1; }));
  EXPECT_EQ(Variable<int64_t>(*instance, "in_callback"), -EDEADLK);
  EXPECT_EQ(Global<int64_t>(*instance, "timers.bss", 272), 0);  // start
  EXPECT_EQ(Global<int64_t>(*instance, "timers.bss", 280), 0);  // delete of its own element
}

TEST_P(Timers, KeepTheirProgramAliveUntilTheyHaveRun) {
  SKEP_OPEN_OR_SKIP(object, "timers");
  const auto instance = *runtime_->Instantiate(object);
  auto start = LoadNamed(*instance, "start");
  ASSERT_NE(start, nullptr);
  SetRearm(*instance, 1);
  EXPECT_EQ(Run(start), 0);
  const std::weak_ptr<Executable> program = start;
  start = nullptr;
  EXPECT_FALSE(program.expired());
  EXPECT_TRUE(Eventually([&] { return Fired(*instance) >= 5; }));
  const auto remove = LoadNamed(*instance, "remove");
  EXPECT_EQ(Run(remove), 0);
  EXPECT_TRUE(Eventually([&] { return program.expired(); }));
}

TEST_P(Timers, EndWithTheLastUserOfTheirMap) {
  SKEP_OPEN_OR_SKIP(object, "timers");
  auto instance = *runtime_->Instantiate(object);
  const auto start = LoadNamed(*instance, "start_far_away");
  const auto stop = LoadNamed(*instance, "stop");
  ASSERT_NE(start, nullptr);
  EXPECT_EQ(Run(start), 0);
  instance = nullptr;
  EXPECT_EQ(Run(stop), -EINVAL);   // there is no timer any more
  EXPECT_EQ(Run(start), -EINVAL);  // and none can be made
}

INSTANTIATE_TEST_SUITE_P(Engines, Timers,
                         testing::Values(Engine::kInterp, Engine::kChecked, Engine::kBaseline,
                                         Engine::kJit),
                         test::EngineParamName);

}  // namespace
}  // namespace skep
