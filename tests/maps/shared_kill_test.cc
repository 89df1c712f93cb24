// SPDX-License-Identifier: Apache-2.0
// Processes are killed at any moment while they use a shared map; those that are
// left go on, and the map is sound. SKEP_KILLS says how many of each type.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "maps/shared_map.h"
#include "tests/maps/shared_maps.h"

namespace skep {
namespace {

using test::AnyOperation;
using test::SharedEnvironment;

constexpr uint32_t kKeys = 100;  // more than LRU maps hold

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t Below(uint32_t end) { return static_cast<uint32_t>(engine_() % end); }
  uint32_t Any() { return static_cast<uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

int KillCount() {
  const char* count = std::getenv("SKEP_KILLS");
  return count == nullptr ? 25 : std::atoi(count);
}

// Says that it is ready, then uses the map until it is killed.
[[noreturn]] void Use(int memory, int ready, uint32_t seed, bool consumes) {
  const auto map = OpenSharedMap(memory, SharedEnvironment());
  if (!map) _exit(1);
  if (write(ready, "r", 1) != 1) _exit(2);
  Random random(seed);
  for (;;) AnyOperation(**map, random.Below(kKeys), random.Any(), consumes);
}

class SharedMapUnderKill : public testing::TestWithParam<MapSpec> {
 protected:
  void SetUp() override {
    auto map = CreateSharedMap(GetParam(), SharedEnvironment());
    ASSERT_TRUE(map) << map.error().message;
    map_ = map->map;
    fd_ = map->fd;
  }

  // Uses the map ourselves for so long.
  void UseFor(std::chrono::microseconds time, bool consumes) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      AnyOperation(*map_, random_.Below(kKeys), random_.Any(), consumes);
    }
  }

  void KillOne() {
    int ready[2];
    ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
    const uint32_t seed = random_.Any();
    const bool child_consumes = random_.Below(2) == 0;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) Use(fd_, ready[1], seed, child_consumes);
    close(ready[1]);
    // One in four while it opens the map, perhaps repairing.
    char byte = 0;
    const bool early = random_.Below(4) == 0;
    ASSERT_TRUE(early || read(ready[0], &byte, 1) == 1);
    const std::chrono::microseconds time(random_.Below(early ? 1500 : 400));
    if (random_.Below(2) == 0) {
      UseFor(time, !child_consumes);
    } else {
      usleep(static_cast<useconds_t>(time.count()));
    }
    ASSERT_EQ(kill(child, SIGKILL), 0);
    // Others go on before anybody knows.
    if (random_.Below(2) == 0) UseFor(std::chrono::microseconds(20), false);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    close(ready[0]);
  }

  std::shared_ptr<Map> map_;
  int fd_ = -1;
  Random random_{std::random_device{}()};
};

TEST_P(SharedMapUnderKill, IsSoundForThoseThatAreLeft) {
  for (int i = 0; i < KillCount(); ++i) {
    ASSERT_NO_FATAL_FAILURE(KillOne()) << i;
    ASSERT_EQ(test::CheckMap(*map_), "") << "after kill " << i;
  }
}

TEST_P(SharedMapUnderKill, IsSoundForThoseThatComeLater) {
  for (int i = 0; i < KillCount() / 5; ++i) {
    ASSERT_NO_FATAL_FAILURE(KillOne()) << i;
    const auto later = OpenSharedMap(fd_, SharedEnvironment());
    ASSERT_TRUE(later) << later.error().message;
    ASSERT_EQ(test::CheckMap(**later), "") << "after kill " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryType, SharedMapUnderKill, testing::ValuesIn(test::ShareableSpecs()),
                         [](const auto& type) { return test::SpecName(type.param); });

}  // namespace
}  // namespace skep
