// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_report.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace skep::tools {
namespace {

Json SpreadJson(const BenchSpread& spread) {
  return {{"min", spread.min}, {"median", spread.median}, {"max", spread.max}};
}

std::string Figure(double ns) {
  if (ns < 10) return fmt::format("{:.2f}", ns);
  return ns < 1000 ? fmt::format("{:.1f}", ns) : fmt::format("{:.0f}", ns);
}

// Rows of one program of one object.
using Line = std::vector<const BenchRow*>;

std::vector<Line> Lines(const std::vector<BenchRow>& rows) {
  std::vector<Line> lines;
  for (const BenchRow& row : rows) {
    if (lines.empty() || lines.back().front()->program != row.program ||
        lines.back().front()->object != row.object) {
      lines.emplace_back();
    }
    lines.back().push_back(&row);
  }
  return lines;
}

std::vector<std::string> Engines(const std::vector<BenchRow>& rows) {
  std::vector<std::string> engines;
  for (const BenchRow& row : rows) {
    if (std::find(engines.begin(), engines.end(), row.engine) == engines.end()) {
      engines.push_back(row.engine);
    }
  }
  return engines;
}

// The engine's figure over the reference's; none if either is missing.
std::optional<double> Ratio(const Line& line, const std::string& engine,
                            const std::string& reference) {
  const BenchRow* of = nullptr;
  const BenchRow* to = nullptr;
  for (const BenchRow* row : line) {
    if (row->engine == engine) of = row;
    if (row->engine == reference) to = row;
  }
  if (of == nullptr || to == nullptr || !of->error.empty() || !to->error.empty()) return {};
  const double base = BenchFigure(*to);
  if (!(base > 0)) return {};
  return BenchFigure(*of) / base;
}

// A row of means over the lines that `wanted` names.
template <class Wanted>
std::vector<std::string> MeanRow(const std::string& name, const std::vector<Line>& lines,
                                 const std::vector<std::string>& engines, Wanted wanted) {
  std::vector<std::string> cells = {name};
  cells.resize(1 + engines.size());
  for (size_t e = 0; e + 1 < engines.size(); ++e) {
    std::vector<double> ratios;
    for (const Line& line : lines) {
      const auto ratio = Ratio(line, engines[e], engines.back());
      if (wanted(line) && ratio) ratios.push_back(*ratio);
    }
    cells.push_back(ratios.empty() ? "" : fmt::format("{:.2f}", GeometricMean(ratios)));
  }
  return cells;
}

}  // namespace

double BenchFigure(const BenchRow& row) { return row.op ? row.op->median : row.run.median; }

double GeometricMean(const std::vector<double>& ratios) {
  double sum = 0;
  size_t count = 0;
  for (const double ratio : ratios) {
    if (!(ratio > 0)) continue;
    sum += std::log(ratio);
    ++count;
  }
  return count == 0 ? 0 : std::exp(sum / static_cast<double>(count));
}

Json BenchJson(const std::vector<BenchRow>& rows) {
  Json all = Json::array();
  for (const BenchRow& row : rows) {
    Json json = {{"object", row.object}, {"program", row.program}, {"engine", row.engine}};
    json["compile_us"] = row.compile_us ? Json(*row.compile_us) : Json(nullptr);
    json["code_bytes"] = row.code_bytes ? Json(*row.code_bytes) : Json(nullptr);
    json["ns_per_run"] = row.error.empty() ? SpreadJson(row.run) : Json(nullptr);
    if (row.op) json["ns_per_op"] = SpreadJson(*row.op);
    if (!row.error.empty()) json["error"] = row.error;
    all.push_back(std::move(json));
  }
  return all;
}

std::string BenchText(const std::vector<BenchRow>& rows,
                      const std::map<std::string, std::set<std::string>>& groups) {
  const std::vector<Line> lines = Lines(rows);
  const std::vector<std::string> engines = Engines(rows);
  const bool operations =
      std::any_of(rows.begin(), rows.end(), [](const BenchRow& row) { return row.op.has_value(); });
  std::vector<std::vector<std::string>> table;
  std::vector<std::string> head = {operations ? "ns an operation" : "ns a run"};
  head.insert(head.end(), engines.begin(), engines.end());
  for (size_t e = 0; e + 1 < engines.size(); ++e) head.push_back(engines[e] + "/" + engines.back());
  table.push_back(std::move(head));
  std::string errors;
  for (const Line& line : lines) {
    std::vector<std::string> cells = {line.front()->program};
    for (const std::string& engine : engines) {
      const auto row = std::find_if(line.begin(), line.end(),
                                    [&](const BenchRow* one) { return one->engine == engine; });
      cells.push_back(row == line.end()       ? ""
                      : (*row)->error.empty() ? Figure(BenchFigure(**row))
                                              : "-");
      if (row != line.end() && !(*row)->error.empty()) {
        errors += fmt::format("{} on {}: {}\n", line.front()->program, engine, (*row)->error);
      }
    }
    for (size_t e = 0; e + 1 < engines.size(); ++e) {
      const auto ratio = Ratio(line, engines[e], engines.back());
      cells.push_back(ratio ? fmt::format("{:.2f}", *ratio) : "");
    }
    table.push_back(std::move(cells));
  }
  if (engines.size() > 1 && lines.size() > 1) {
    std::set<std::string> grouped;
    for (const auto& [name, members] : groups) {
      grouped.insert(members.begin(), members.end());
      table.push_back(MeanRow("geomean of " + name, lines, engines, [&](const Line& line) {
        return members.contains(line.front()->program);
      }));
    }
    if (!groups.empty()) {
      table.push_back(MeanRow("geomean of others", lines, engines, [&](const Line& line) {
        return !grouped.contains(line.front()->program);
      }));
    }
    table.push_back(MeanRow("geomean", lines, engines, [](const Line&) { return true; }));
  }
  return Table(table) + errors;
}

}  // namespace skep::tools
