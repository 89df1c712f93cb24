// SPDX-License-Identifier: Apache-2.0
//
// BM_Workload/<name>: one program on every engine, on the real kernel and as
// native code, interleaved: each of 11 rounds times every engine once, and the
// median of the rounds counts. So what the machine does meanwhile hits all of
// them alike and ratios within one run mean something; absolute times drift.
// Results and packets are compared with the native twin's before the clock runs.
//
// Counters are nanoseconds a run. The kernel's is less that of its empty
// program; ours and native code include the call. `*_net` are less the engine's
// own empty program.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <sched.h>
#include <time.h>

#include "skep/runtime.h"

#include "bench/benchmarks.h"
#include "bench/kernel_program.h"
#include "bench/workload.h"

namespace skep::bench {
namespace {

constexpr int kRounds = 11;
constexpr double kBatchNs = 4e6;
constexpr uint32_t kKernelMaxRepeat = 4'000'000;
constexpr const char* kKernelName = "kernel";

// A way to run a program. Both functions may be called in any order.
struct Variant {
  std::string name;
  // Runs once over the packet, which it may change. Returns r0's lower half.
  std::function<std::optional<uint32_t>(PacketBytes&)> run_once;
  // Nanoseconds of that many runs.
  std::function<double(uint64_t)> time_runs;
};

// CPU time of this thread in nanoseconds: others on the machine do not count,
// nor do they in the kernel's figures.
double ThreadNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

Variant NativeVariant(const char* name, NativeFunction function,
                      std::span<std::byte, kPacketSize> low) {
  return {
      .name = name,
      .run_once = [=](PacketBytes& packet) -> std::optional<uint32_t> {
        std::memcpy(low.data(), packet.data(), kPacketSize);
        NativeContext context = ContextOf(low);
        const int value = function(&context);
        std::memcpy(packet.data(), low.data(), kPacketSize);
        return static_cast<uint32_t>(value);
      },
      .time_runs =
          [=](uint64_t runs) {
            NativeContext context = ContextOf(low);
            const double start = ThreadNs();
            for (uint64_t i = 0; i < runs; ++i) benchmark::DoNotOptimize(function(&context));
            return ThreadNs() - start;
          },
  };
}

Variant EngineVariant(Engine engine, const std::shared_ptr<Executable>& executable,
                      ExecutionContext& context, std::span<std::byte, kPacketSize> packet) {
  return {
      .name = std::string(EngineName(engine)),
      .run_once = [=, &context](PacketBytes& bytes) -> std::optional<uint32_t> {
        const RunResult result = executable->RunPacket(context, {.data = bytes});
        if (!result.ok()) return std::nullopt;
        return static_cast<uint32_t>(result.value);
      },
      .time_runs =
          [=, &context](uint64_t runs) {
            const PacketInput input{.data = packet};
            const Executable& program = *executable;
            const double start = ThreadNs();
            for (uint64_t i = 0; i < runs; ++i) {
              benchmark::DoNotOptimize(program.RunPacket(context, input).value);
            }
            return ThreadNs() - start;
          },
  };
}

Variant KernelVariant(const std::shared_ptr<KernelProgram>& program, const PacketBytes& packet) {
  return {
      .name = kKernelName,
      .run_once = [=](PacketBytes& bytes) -> std::optional<uint32_t> {
        const auto outcome = program->RunOnce(bytes);
        if (!outcome) return std::nullopt;
        std::copy(outcome->packet.begin(), outcome->packet.end(), bytes.begin());
        return outcome->value;
      },
      .time_runs =
          [=, &packet](uint64_t runs) {
            const auto repeat = static_cast<uint32_t>(std::min<uint64_t>(runs, kKernelMaxRepeat));
            const auto each = program->TimeRuns(packet, repeat);
            return each ? static_cast<double>(*each) * static_cast<double>(runs) : 0.0;
          },
  };
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The mean of the middle half. For the kernel's figures: they are whole numbers,
// and so the median of small ones is coarser than the mean of several.
double MiddleMean(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t cut = values.size() / 4;
  const std::span<const double> middle(values.data() + cut, values.size() - 2 * cut);
  return std::accumulate(middle.begin(), middle.end(), 0.0) / static_cast<double>(middle.size());
}

// Runs that take about kBatchNs.
uint64_t Calibrate(const Variant& variant) {
  uint64_t runs = 1;
  while (runs < (uint64_t{1} << 30)) {
    const double ns = variant.time_runs(runs);
    if (ns > kBatchNs / 4) {
      return std::max<uint64_t>(1,
                                static_cast<uint64_t>(static_cast<double>(runs) * kBatchNs / ns));
    }
    runs *= 4;
  }
  return runs;
}

struct Row {
  std::string workload;
  std::map<std::string, double> ns;  // by variant
};
std::vector<Row>& Rows() {
  static std::vector<Row> rows;
  return rows;
}

// What every workload of one process shares.
struct Bench {
  PacketBytes packet = MakePacket();
  std::span<std::byte, kPacketSize> low = LowPacket();
  std::unique_ptr<Runtime> runtime;
  std::unique_ptr<ExecutionContext> context;
  std::map<std::string, double> empty_ns;  // the empty program, by variant
  std::string kernel_refusal;              // why the kernel is left out
};

Bench& SharedBench() {
  static Bench* const bench = [] {
    auto made = std::make_unique<Bench>();
    auto runtime = Runtime::Create({});
    if (runtime) {
      made->runtime = *std::move(runtime);
      if (auto context = made->runtime->NewContext()) made->context = *std::move(context);
    }
    return made.release();
  }();
  return *bench;
}

// Fails if an engine does not take the program; a kernel that is not to be had
// is left out.
Result<std::vector<Variant>> MakeVariants(Bench& bench, const Workload& workload) {
  if (!bench.context) return Error{ErrorCode::kResourceLimit, "no runtime"};
  SKEP_TRY(const Program program, OpenWorkload(workload));
  SKEP_TRY(const std::shared_ptr<Instance> instance,
           bench.runtime->Instantiate(std::span<const MapSpec>()));
  std::vector<Variant> variants;
  for (const Engine engine : {Engine::kInterp, Engine::kBaseline, Engine::kJit}) {
    LoadOptions options;
    options.engine = engine;
    options.verify.rights = Rights::kRoot;
    SKEP_TRY(const LoadOutcome outcome, instance->Load(program, options));
    if (!outcome.executable) {
      return Error{ErrorCode::kInvalidArgument, outcome.report.findings.front().message};
    }
    variants.push_back(EngineVariant(engine, outcome.executable, *bench.context, bench.low));
  }
  if (auto kernel = KernelProgram::Load(program)) {
    variants.push_back(
        KernelVariant(std::make_shared<KernelProgram>(*std::move(kernel)), bench.packet));
  } else {
    bench.kernel_refusal = kernel.error().message;
  }
  if (workload.native) {
    variants.push_back(NativeVariant("native", workload.native, bench.low));
    variants.push_back(NativeVariant("native_nv", workload.native_nv, bench.low));
  }
  return variants;
}

// Empty if all variants return the same and leave the same packet.
std::string Compare(const Bench& bench, const std::vector<Variant>& variants) {
  std::optional<uint32_t> expected;
  PacketBytes expected_packet{};
  // From the back: native code, where there is any, is what the rest must equal.
  for (auto variant = variants.rbegin(); variant != variants.rend(); ++variant) {
    PacketBytes packet = bench.packet;
    const std::optional<uint32_t> value = variant->run_once(packet);
    if (!value) return variant->name + " did not run to the end";
    if (!expected) {
      expected = value;
      expected_packet = packet;
    }
    if (value != expected) {
      return variant->name + " returned " + std::to_string(*value) + ", " + variants.back().name +
             " " + std::to_string(*expected);
    }
    if (packet != expected_packet) return variant->name + " left another packet";
  }
  return {};
}

std::map<std::string, double> Measure(Bench& bench, const std::vector<Variant>& variants) {
  std::vector<uint64_t> runs;
  runs.reserve(variants.size());
  for (const Variant& variant : variants) runs.push_back(Calibrate(variant));
  std::vector<std::vector<double>> samples(variants.size());
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < variants.size(); ++i) {
      // Every engine follows another one in turn.
      const size_t at = (i + static_cast<size_t>(round)) % variants.size();
      std::memcpy(bench.low.data(), bench.packet.data(), kPacketSize);
      samples[at].push_back(variants[at].time_runs(runs[at]) / static_cast<double>(runs[at]));
    }
  }
  std::map<std::string, double> ns;
  for (size_t i = 0; i < variants.size(); ++i) {
    const bool whole = variants[i].name == kKernelName;
    ns[variants[i].name] = whole ? MiddleMean(samples[i]) : Median(samples[i]);
  }
  return ns;
}

bool any_failed = false;

void Fail(benchmark::State& state, const std::string& why) {
  any_failed = true;
  state.SkipWithError(why.c_str());
}

void RunWorkload(benchmark::State& state, const Workload& workload) {
  Bench& bench = SharedBench();
  const auto variants = MakeVariants(bench, workload);
  if (!variants) {
    Fail(state, variants.error().message);
    return;
  }
  if (const std::string difference = Compare(bench, *variants); !difference.empty()) {
    Fail(state, difference);
    return;
  }
  const bool is_empty = std::strcmp(workload.name, "empty") == 0;
  if (!is_empty && bench.empty_ns.empty()) {
    const auto empty = MakeVariants(bench, Workloads().front());
    if (empty) bench.empty_ns = Measure(bench, *empty);
  }
  std::map<std::string, double> ns;
  for (auto _ : state) ns = Measure(bench, *variants);
  if (is_empty) bench.empty_ns = ns;

  Row row{workload.name, {}};
  for (const auto& [name, value] : ns) {
    const double net = value - bench.empty_ns[name];
    row.ns[name] = name == kKernelName && !is_empty ? net : value;
    state.counters[name] = row.ns[name];
    if (!is_empty) state.counters[name + "_net"] = net;
  }
  Rows().push_back(row);
}

// Geometric mean of numerator/denominator over all rows but `empty`.
double Geomean(const std::string& numerator, const std::string& denominator) {
  double sum = 0;
  int count = 0;
  for (const Row& row : Rows()) {
    const auto n = row.ns.find(numerator), d = row.ns.find(denominator);
    if (row.workload == "empty" || n == row.ns.end() || d == row.ns.end()) continue;
    if (n->second <= 0 || d->second <= 0) continue;
    sum += std::log(n->second / d->second);
    ++count;
  }
  return count == 0 ? 0 : std::exp(sum / count);
}

}  // namespace

void RegisterWorkloads() {
  for (const Workload& workload : Workloads()) {
    benchmark::RegisterBenchmark(
        (std::string("BM_Workload/") + workload.name).c_str(),
        [&workload](benchmark::State& state) { RunWorkload(state, workload); })
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  }
}

void PinToOneCpu() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  // The last one: interrupts tend to go to the first.
  for (size_t cpu = CPU_SETSIZE; cpu-- > 0;) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
    return;
  }
}

bool AnyWorkloadFailed() { return any_failed; }

void PrintWorkloadTable() {
  if (Rows().empty()) return;
  const char* const columns[] = {"interp", "baseline", "jit", "kernel", "native", "native_nv"};
  const std::pair<const char*, const char*> ratios[] = {
      {"interp", "kernel"}, {"baseline", "kernel"}, {"jit", "kernel"}, {"jit", "native_nv"}};
  std::printf(
      "\nns a run, medians of %d interleaved rounds (kernel: less its empty program)\n%-14s",
      kRounds, "");
  for (const char* column : columns) std::printf("%11s", column);
  for (const auto& [n, d] : ratios) {
    std::printf("%20s", (std::string(n) + "/" + d).c_str());
  }
  for (const Row& row : Rows()) {
    std::printf("\n%-14s", row.workload.c_str());
    for (const char* column : columns) {
      const auto at = row.ns.find(column);
      at == row.ns.end() ? std::printf("%11s", "-") : std::printf("%11.1f", at->second);
    }
    for (const auto& [n, d] : ratios) {
      const auto above = row.ns.find(n), below = row.ns.find(d);
      const bool known = row.workload != "empty" && above != row.ns.end() &&
                         below != row.ns.end() && below->second > 0;
      known ? std::printf("%20.2f", above->second / below->second) : std::printf("%20s", "-");
    }
  }
  std::printf("\n%-14s%66s", "geomean", "");
  for (const auto& [n, d] : ratios) std::printf("%20.2f", Geomean(n, d));
  std::printf("\n");
  if (!SharedBench().kernel_refusal.empty()) {
    std::printf("the kernel was left out: %s\n", SharedBench().kernel_refusal.c_str());
  }
}

}  // namespace skep::bench
