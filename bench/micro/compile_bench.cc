// SPDX-License-Identifier: Apache-2.0
//
// BM_Prepare/<engine>/<program>: from a verified program to one that runs, that
// is, lowering and, for the JIT, compiling. BM_Verify/<program>: the verifier.
// The counter s_per_insn is per instruction of the program, s_per_processed per
// instruction that the verifier walked over.

#include <string>
#include <utility>

#include <benchmark/benchmark.h>

#include "bench/benchmarks.h"
#include "bench/micro/programs.h"
#include "bench/workload.h"

namespace skep::bench {
namespace {

benchmark::Counter PerIteration(double items) {
  // Seconds for one item; Google Benchmark prints it with a unit prefix.
  return benchmark::Counter(
      items, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void Prepare(benchmark::State& state, const Program& program, Engine engine) {
  const auto verified = VerifyOrError(program, SharedRuntime().environment());
  if (!verified) {
    state.SkipWithError(verified.error().message.c_str());
    return;
  }
  size_t code_bytes = 0;
  for (auto _ : state) {
    const auto executable = SharedRuntime().Prepare(*verified, engine, {});
    if (!executable) {
      state.SkipWithError(executable.error().message.c_str());
      return;
    }
    code_bytes = (*executable)->code().size();
  }
  const auto size = static_cast<double>(program.insns().size());
  state.counters["insns"] = size;
  state.counters["s_per_insn"] = PerIteration(size);
  if (code_bytes != 0) state.counters["bytes_per_insn"] = static_cast<double>(code_bytes) / size;
}

void VerifyProgram(benchmark::State& state, const Program& program) {
  uint64_t processed = 0;
  for (auto _ : state) {
    const VerifyOutcome outcome = Verify(program, SharedRuntime().environment(), PrivilegedRules());
    if (!outcome.report.accepted) {
      state.SkipWithError(outcome.report.findings.front().message.c_str());
      return;
    }
    processed = outcome.report.statistics.processed;
  }
  state.counters["insns"] = static_cast<double>(program.insns().size());
  state.counters["processed"] = static_cast<double>(processed);
  state.counters["s_per_processed"] = PerIteration(static_cast<double>(processed));
}

void Register(const std::string& name, const Program& program) {
  for (const Engine engine : {Engine::kInterp, Engine::kJit}) {
    benchmark::RegisterBenchmark(
        ("BM_Prepare/" + std::string(EngineName(engine)) + "/" + name).c_str(),
        [=](benchmark::State& state) { Prepare(state, program, engine); })
        ->Unit(benchmark::kMicrosecond);
  }
  benchmark::RegisterBenchmark(("BM_Verify/" + name).c_str(), [=](benchmark::State& state) {
    VerifyProgram(state, program);
  })->Unit(benchmark::kMicrosecond);
}

}  // namespace

void RegisterCompilation() {
  Register("empty", EmptyProgram());
  for (const uint32_t size : {64u, 1024u, 16384u}) {
    Register("straight_" + std::to_string(size), StraightProgram(size));
  }
  for (const Workload& workload : Workloads().subspan(1)) {  // without the empty one
    // One that cannot be opened is reported where it is run.
    if (const auto program = OpenWorkload(workload)) Register(workload.name, *program);
  }
}

}  // namespace skep::bench
