// SPDX-License-Identifier: Apache-2.0
// What `skep bench --setup FILE` says: which maps to fill, which rings to drain,
// which programs to put into prog arrays, and what to subtract. The format is in
// docs/bench.md.

#ifndef SKEP_TOOLS_BENCH_SETUP_H_
#define SKEP_TOOLS_BENCH_SETUP_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "skep/result.h"

namespace skep::tools {

// A piece of a key or value: `bytes` of a little-endian number.
struct BenchField {
  enum class Make { kIndex, kConst, kRandom };
  uint32_t bytes = 0;  // 1, 2, 4 or 8
  Make make = Make::kConst;
  uint64_t value = 0;  // kConst
  uint64_t min = 0;    // kRandom: uniform, both ends included
  uint64_t max = 0;
  uint64_t seed = 0;
};

struct BenchFill {
  uint64_t count = 0;
  std::vector<BenchField> key, value;  // packed in order
};

struct BenchMap {
  std::vector<BenchFill> fills;
  std::map<uint32_t, std::string> programs;  // into this prog array
  bool drain = false;                        // before each sample
};

struct BenchSetup {
  std::map<std::string, BenchMap> maps;
  std::string empty;         // the kernel's figures are less this program's; none: less an own one
  std::string baseline;      // figures an operation are less this program's; none: less nothing
  uint64_t ops_per_run = 0;  // 0: none are given
  struct Program {
    uint64_t ops_per_run = 0;
    std::string baseline;
  };
  std::map<std::string, Program> programs;              // those that differ from the above
  std::set<std::string> leave_out;                      // measured only where others need it
  std::map<std::string, std::set<std::string>> groups;  // of programs, for their means

  uint64_t OpsOf(const std::string& program) const;
  const std::string& BaselineOf(const std::string& program) const;
};

// Fails with kInvalidArgument, naming the place, on text that is no JSON, has
// fields that are not known, or numbers out of range.
Result<BenchSetup> ParseBenchSetup(const std::string& text, const std::string& name);

// Calls put(key, value) for each element of the fill, in order, until it fails.
using PutElement =
    std::function<Result<void>(std::span<const std::byte>, std::span<const std::byte>)>;
Result<void> MakeElements(const BenchFill& fill, const PutElement& put);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_BENCH_SETUP_H_
