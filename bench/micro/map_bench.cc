// SPDX-License-Identifier: Apache-2.0
//
// BM_MapOp/<engine>/<operation>: map_ops.bpf.c, 128 operations a run. The
// counter s_per_op is not net: base_loop shows what the loop itself costs.

#include <cstdio>
#include <cstring>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/benchmarks.h"
#include "bench/micro/programs.h"
#include "bench/workload.h"

namespace skep::bench {
namespace {

constexpr double kOperations = 128;

struct Fill {
  const char* map;
  uint64_t entries;
};
// Keys 0 .. entries-1; of hash_key16 the second half is 99, as its program asks.
constexpr Fill kFills[] = {{"hash_1k", 1024}, {"hash_64k", 65536}, {"hash_key16", 1024}};

Result<void> FillMaps(const Instance& instance) {
  for (const Fill& fill : kFills) {
    const std::shared_ptr<Map> map = instance.FindMap(fill.map);
    if (!map) return Error{ErrorCode::kUnresolved, std::string("no map ") + fill.map};
    for (uint64_t i = 0; i < fill.entries; ++i) {
      const uint64_t key[2] = {i, 99};
      const uint64_t value = 1;
      const int status = map->HostUpdate(std::as_bytes(std::span(key)).data(),
                                         std::as_bytes(std::span(&value, 1)).data(), kUpdateAny);
      if (status != 0) {
        return Error{ErrorCode::kSystem, std::string(fill.map) + ": update failed", -status};
      }
    }
  }
  return {};
}

Result<std::shared_ptr<Instance>> OpenInstance() {
  SKEP_TRY(const Object object, Object::Open(ObjectPath("bench/micro", "map_ops")));
  SKEP_TRY(std::shared_ptr<Instance> instance, SharedRuntime().Instantiate(object));
  SKEP_TRY_VOID(FillMaps(*instance));
  return instance;
}

Result<void> RunOperation(benchmark::State& state, const std::string& name, Engine engine) {
  // Shared, so that each benchmark starts where the one before left the maps.
  static auto* const shared = new Result<std::shared_ptr<Instance>>(OpenInstance());
  if (!*shared) return shared->error();
  LoadOptions options;
  options.engine = engine;
  options.verify = PrivilegedRules();
  SKEP_TRY(const LoadOutcome outcome, (**shared)->Load(name, options));
  if (!outcome.executable) {
    return Error{ErrorCode::kInvalidArgument, outcome.report.findings.front().message};
  }
  SKEP_TRY(const std::unique_ptr<ExecutionContext> context, SharedRuntime().NewContext());
  PacketBytes packet = MakePacket();
  PacketInput input;
  input.data = packet;
  for (auto _ : state) {
    benchmark::DoNotOptimize(outcome.executable->RunPacket(*context, input).value);
  }
  state.counters["s_per_op"] = benchmark::Counter(
      kOperations, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  return {};
}

}  // namespace

void RegisterMapOperations() {
  const auto object = Object::Open(ObjectPath("bench/micro", "map_ops"));
  if (!object) {
    std::fprintf(stderr, "map operations are left out: %s\n", object.error().message.c_str());
    return;
  }
  for (const ObjectProgram& program : object->programs()) {
    for (const Engine engine : {Engine::kInterp, Engine::kJit}) {
      const std::string name = program.name;
      benchmark::RegisterBenchmark(
          ("BM_MapOp/" + std::string(EngineName(engine)) + "/" + name).c_str(),
          [=](benchmark::State& state) {
            if (const auto done = RunOperation(state, name, engine); !done) {
              state.SkipWithError(done.error().message.c_str());
            }
          });
    }
  }
}

}  // namespace skep::bench
