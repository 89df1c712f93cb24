// SPDX-License-Identifier: Apache-2.0
//
// BM_Call/<engine>/<how>: an empty program called through the C++ API.

#include <array>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/benchmarks.h"
#include "bench/micro/programs.h"
#include "bench/workload.h"

namespace skep::bench {
namespace {

// The program, prepared, and a context of its own for each benchmark.
struct Ready {
  std::shared_ptr<Executable> executable;
  std::unique_ptr<ExecutionContext> context;
};

bool MakeReady(benchmark::State& state, const Program& program, Engine engine, bool metered,
               Ready& ready) {
  const auto verified = VerifyOrError(program, SharedRuntime().environment());
  if (!verified) {
    state.SkipWithError(verified.error().message.c_str());
    return false;
  }
  auto executable = SharedRuntime().Prepare(*verified, engine, {}, metered);
  auto context = SharedRuntime().NewContext();
  if (!executable || !context) {
    state.SkipWithError((executable ? context.error() : executable.error()).message.c_str());
    return false;
  }
  ready = {*std::move(executable), *std::move(context)};
  return true;
}

void CallWithMemory(benchmark::State& state, Engine engine, bool metered) {
  Ready ready;
  if (!MakeReady(state, EmptyProgram(), engine, metered, ready)) return;
  std::array<std::byte, 64> memory{};
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        ready.executable->Run(*ready.context, memory.data(), memory.size()).value);
  }
}

void CallWithPacket(benchmark::State& state, Engine engine) {
  const auto program = OpenWorkload(Workloads().front());
  if (!program) {
    state.SkipWithError(program.error().message.c_str());
    return;
  }
  Ready ready;
  if (!MakeReady(state, *program, engine, false, ready)) return;
  PacketBytes packet = MakePacket();
  PacketInput input;
  input.data = packet;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ready.executable->RunPacket(*ready.context, input).value);
  }
}

}  // namespace

void RegisterCalls() {
  for (const Engine engine : {Engine::kInterp, Engine::kChecked, Engine::kJit}) {
    const std::string prefix = "BM_Call/" + std::string(EngineName(engine));
    benchmark::RegisterBenchmark((prefix + "/memory").c_str(), [engine](benchmark::State& state) {
      CallWithMemory(state, engine, false);
    });
    benchmark::RegisterBenchmark((prefix + "/packet").c_str(), [engine](benchmark::State& state) {
      CallWithPacket(state, engine);
    });
  }
  benchmark::RegisterBenchmark("BM_Call/jit/metered", [](benchmark::State& state) {
    CallWithMemory(state, Engine::kJit, true);
  });
}

}  // namespace skep::bench
