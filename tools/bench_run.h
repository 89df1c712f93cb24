// SPDX-License-Identifier: Apache-2.0
// BenchRun: the programs of one object, timed on several engines in one run.
//
// Each round times every program on every engine once; so what the machine does
// meanwhile hits all of them alike, and ratios within one run mean something.
// Before the clock runs each program has run once on each engine, and what it
// returned and made of the packet must be the same on all.

#ifndef SKEP_TOOLS_BENCH_RUN_H_
#define SKEP_TOOLS_BENCH_RUN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "skep/result.h"

#include "tools/bench_engine.h"
#include "tools/bench_setup.h"
#include "tools/input.h"

namespace skep::tools {

struct BenchOptions {
  std::vector<std::string> engines;   // by name, "kernel" among them
  std::vector<std::string> programs;  // empty: all
  uint32_t rounds = 11;
  uint32_t sample_ms = 8;
  std::vector<std::byte> packet;
};

struct BenchSpread {
  double min = 0, median = 0, max = 0;
};

// One program on one engine.
struct BenchRow {
  std::string object, program, engine;
  std::string error;     // why there is no figure; empty if there is one
  bool differs = false;  // the error is a result that is not the first engine's
  std::optional<double> compile_us;
  std::optional<uint64_t> code_bytes;
  BenchSpread run;                // nanoseconds; the kernel's less its empty program
  std::optional<BenchSpread> op;  // nanoseconds an operation, less the baseline
};

// Fails if the object cannot be used at all: no such program, a setup that does
// not fit, an engine that is not to be had. Programs that an engine refuses have
// rows with errors.
Result<std::vector<BenchRow>> RunBench(const Input& input, const BenchOptions& options,
                                       const BenchSetup& setup);

// Keeps this thread on one CPU. Fails with kSystem if that is not allowed.
Result<void> PinToCpu(uint32_t cpu);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_BENCH_RUN_H_
