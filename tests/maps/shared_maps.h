// SPDX-License-Identifier: Apache-2.0
// What tests of shared maps have in common: a map of each type that can be
// shared, elements by number, and values that tell whether they are whole.

#ifndef SKEP_TESTS_MAPS_SHARED_MAPS_H_
#define SKEP_TESTS_MAPS_SHARED_MAPS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "maps/create.h"

namespace skep {
void PrintTo(const MapSpec& spec, std::ostream* out);
}

namespace skep::test {

inline constexpr uint32_t kSharedCpus = 4;

MapEnvironment SharedEnvironment();

// A map of each type, in sizes that make buckets overflow and LRU maps evict.
std::vector<MapSpec> ShareableSpecs();
// For names of tests.
std::string SpecName(const MapSpec& spec);

// The key of element i: different ones for different i below max_entries.
std::vector<std::byte> KeyOf(const MapSpec& spec, uint32_t i);
// A value that says that it is element i's, `round` times changed, as the host
// sees values of the map; and whether one is such a value for some round.
std::vector<std::byte> ValueOf(const Map& map, uint32_t i, uint32_t round);
bool IsValueOf(const Map& map, uint32_t i, const std::vector<std::byte>& value);

// Puts element i into the map, whatever the type does for that; queues get it at
// the end, filters as a member. Returns the map's code.
int Put(Map& map, uint32_t i, uint32_t round = 0);
// Whether element i is in a map with keys or a filter, with a value of its own.
bool Has(Map& map, uint32_t i);

// Everything in a map, in order: key and value of each element, or the values of a
// queue or ring, which it takes out; for a filter, which of 64 values it has. False
// if that does not end in as many steps as there can be elements.
using Contents = std::vector<std::vector<std::byte>>;
bool TakeContents(Map& map, Contents* contents);

// What must hold of any map, whatever processes died in it: it is as large as it
// was made, values are whole (per-CPU and array values: each word), and what is
// listed can be found. Leaves other elements behind. Empty, or what is wrong.
std::string CheckMap(Map& map);

// Changes element i, looks at it or removes it, by `choice`. A ring has one consumer.
void AnyOperation(Map& map, uint32_t i, uint32_t choice, bool consumes);

// Runs `body` in a process of its own, which ends with its result; kills nothing.
// Returns the exit status, or -signal.
int InChild(const std::function<int()>& body);

// A path below the test's directory for temporary files, not there yet.
std::string NewPath(const std::string& name);

}  // namespace skep::test

#endif  // SKEP_TESTS_MAPS_SHARED_MAPS_H_
