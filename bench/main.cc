// SPDX-License-Identifier: Apache-2.0
//
//   skep_bench --benchmark_filter=Workload        the table of all engines
//   skep_bench --benchmark_filter=Compile         what compiling costs
//   skep_bench --benchmark_out=FILE --benchmark_out_format=json
#include <algorithm>
#include <string_view>

#include <benchmark/benchmark.h>

#include "bench/benchmarks.h"

int main(int argc, char** argv) {
  // Then standard output is one document, to which a table does not belong.
  const bool for_machines = std::any_of(argv + 1, argv + argc, [](std::string_view argument) {
    return argument.starts_with("--benchmark_format=") && !argument.ends_with("=console");
  });
  skep::bench::RegisterWorkloads();
  skep::bench::RegisterCalls();
  skep::bench::RegisterCompilation();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  skep::bench::PinToOneCpu();
  benchmark::RunSpecifiedBenchmarks();
  if (!for_machines) skep::bench::PrintWorkloadTable();
  return skep::bench::AnyWorkloadFailed() ? 1 : 0;
}
