// SPDX-License-Identifier: Apache-2.0
// What `skep bench` prints of its rows.

#ifndef SKEP_TOOLS_BENCH_REPORT_H_
#define SKEP_TOOLS_BENCH_REPORT_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tools/bench_run.h"
#include "tools/output.h"

namespace skep::tools {

Json BenchJson(const std::vector<BenchRow>& rows);

// The figures of one program as a line: an engine each, and every engine's ratio to
// the last one. Errors follow below.
std::string BenchText(const std::vector<BenchRow>& rows,
                      const std::map<std::string, std::set<std::string>>& groups);

// What rows are compared by: nanoseconds an operation where there are any, else a
// run.
double BenchFigure(const BenchRow& row);

// The geometric mean of ratios; 0 of none. Ratios that are not above 0 are left
// out: where the baseline takes as long as the program, there is none.
double GeometricMean(const std::vector<double>& ratios);

// An SVG picture: for each program a bar for the ratio of each engine to `reference`,
// on a logarithmic axis, with the spread of the rounds as a line.
std::string BenchPlot(const std::vector<BenchRow>& rows, const std::string& reference);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_BENCH_REPORT_H_
