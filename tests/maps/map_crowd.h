// SPDX-License-Identifier: Apache-2.0
// MapCrowd: one map of each type that many threads work on, small and full, so that
// they meet.
//
// Threads: as the methods say.

#ifndef SKEP_TESTS_MAPS_MAP_CROWD_H_
#define SKEP_TESTS_MAPS_MAP_CROWD_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "skep/map.h"

#include "maps/create.h"
#include "tests/maps/map_keys.h"

namespace skep::test {

using Bytes = std::vector<std::byte>;

// A number; `otherwise` if the variable is not set.
uint64_t FromEnvironment(const char* name, uint64_t otherwise);

struct MapCrowd {
  std::vector<MapSpec> specs;
  std::vector<std::shared_ptr<Map>> maps, inners;
  std::atomic<uint64_t> operations{0};

  void Make(const std::function<std::shared_ptr<Map>(const MapSpec&)>& create);
  void GoOnFor(uint64_t seconds);
  bool going() const { return std::chrono::steady_clock::now() < end_; }

  // What bpf(2) could do, on any map, until the time is over. From any thread.
  void WorkAsHost(uint64_t seed);
  // Takes records until the time is over; returns how many. From one thread.
  uint64_t ReadRing();
  // What must hold when nobody works on them any more; fails the test if not.
  void CheckAtRest() const;

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace skep::test

#endif  // SKEP_TESTS_MAPS_MAP_CROWD_H_
