// SPDX-License-Identifier: Apache-2.0
// The groups of benchmarks that main() registers, and what it does for the
// workloads beside Google Benchmark's own work.

#ifndef SKEP_BENCH_BENCHMARKS_H_
#define SKEP_BENCH_BENCHMARKS_H_

namespace skep::bench {

void RegisterWorkloads();    // BM_Workload/<name>
void RegisterCalls();        // BM_Call/<engine>/<how>
void RegisterCompilation();  // BM_Prepare/<engine>/<program>, BM_Verify/<program>

// Keeps this thread on one CPU from now on.
void PinToOneCpu();
// Whether a workload could not be run, or an engine's result was not native's.
bool AnyWorkloadFailed();
// Prints the workloads that ran as one table, with ratios and geometric means.
void PrintWorkloadTable();

}  // namespace skep::bench

#endif  // SKEP_BENCH_BENCHMARKS_H_
