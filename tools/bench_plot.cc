// SPDX-License-Identifier: Apache-2.0
// The picture of `skep bench --plot`: horizontal bars that start at the reference,
// to the left where an engine is faster and to the right where it is slower.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "tools/bench_report.h"

namespace skep::tools {
namespace {

constexpr int kLabels = 180;  // pixels for the names of programs
constexpr int kChart = 560;
constexpr int kValues = 60;
constexpr int kBar = 10;
constexpr int kGap = 10;
constexpr int kHead = 44;
constexpr int kFoot = 30;
constexpr std::array kColours = {"#2a78b5", "#d98b1f", "#3c9a5f", "#a0569f", "#777777"};

struct Bar {
  std::string engine;
  double ratio = 0, low = 0, high = 0;
};
struct Group {
  std::string program;
  std::vector<Bar> bars;
};

const BenchSpread& SpreadOf(const BenchRow& row) { return row.op ? *row.op : row.run; }

std::vector<Group> Groups(const std::vector<BenchRow>& rows, const std::string& reference) {
  std::vector<Group> groups;
  for (const BenchRow& base : rows) {
    if (base.engine != reference || !base.error.empty() || !(BenchFigure(base) > 0)) continue;
    Group group{base.program, {}};
    for (const BenchRow& row : rows) {
      const bool same = row.program == base.program && row.object == base.object;
      if (!same || row.engine == reference || !row.error.empty()) continue;
      const double to = BenchFigure(base);
      const BenchSpread& spread = SpreadOf(row);
      if (!(spread.median > 0)) continue;
      group.bars.push_back(
          {row.engine, spread.median / to, std::max(spread.min, 0.0) / to, spread.max / to});
    }
    if (!group.bars.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

std::string Escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out;
}

// A logarithmic axis from `least` to `most`, powers of two.
struct Axis {
  double least = 0.5, most = 2;
  double At(double ratio) const {
    const double clamped = std::clamp(ratio, least, most);
    return kLabels + kChart * std::log2(clamped / least) / std::log2(most / least);
  }
};

Axis AxisFor(const std::vector<Group>& groups) {
  Axis axis;
  for (const Group& group : groups) {
    for (const Bar& bar : group.bars) {
      while (bar.ratio < axis.least && axis.least > 1.0 / 1024) axis.least /= 2;
      while (bar.ratio > axis.most && axis.most < 1024) axis.most *= 2;
    }
  }
  return axis;
}

}  // namespace

std::string BenchPlot(const std::vector<BenchRow>& rows, const std::string& reference) {
  const std::vector<Group> groups = Groups(rows, reference);
  std::vector<std::string> engines;
  int height = kHead + kFoot;
  for (const Group& group : groups) {
    height += kGap + kBar * static_cast<int>(group.bars.size());
    for (const Bar& bar : group.bars) {
      if (std::find(engines.begin(), engines.end(), bar.engine) == engines.end()) {
        engines.push_back(bar.engine);
      }
    }
  }
  const auto colour = [&](const std::string& engine) {
    const auto at = std::find(engines.begin(), engines.end(), engine) - engines.begin();
    return kColours[static_cast<size_t>(at) % kColours.size()];
  };
  const Axis axis = AxisFor(groups);
  const int width = kLabels + kChart + kValues;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{0}\" height=\"{1}\" "
      "fill=\"white\"/>\n<text x=\"{2}\" y=\"16\" font-size=\"13\">time over that of {3} (left is "
      "faster)</text>\n",
      width, height, kLabels, Escape(reference));
  int x = kLabels;
  for (const std::string& engine : engines) {
    out += fmt::format(
        "<rect x=\"{}\" y=\"24\" width=\"10\" height=\"10\" fill=\"{}\"/>\n<text x=\"{}\" "
        "y=\"33\">{}</text>\n",
        x, colour(engine), x + 14, Escape(engine));
    x += 30 + 8 * static_cast<int>(engine.size());
  }
  for (double tick = axis.least; tick <= axis.most; tick *= 2) {
    out += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"{3}\"/>\n<text "
        "x=\"{0:.1f}\" y=\"{4}\" text-anchor=\"middle\">{5:g}</text>\n",
        axis.At(tick), kHead, height - kFoot, tick == 1 ? "#444444" : "#dddddd",
        height - kFoot + 16, tick);
  }
  int y = kHead + kGap / 2;
  for (const Group& group : groups) {
    const int middle = y + kBar * static_cast<int>(group.bars.size()) / 2;
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", kLabels - 8,
                       middle + 4, Escape(group.program));
    for (const Bar& bar : group.bars) {
      const double from = axis.At(1), to = axis.At(bar.ratio);
      out += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n<line "
          "x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"black\"/>\n<text "
          "x=\"{}\" y=\"{}\">{:.2f}</text>\n",
          std::min(from, to), y, std::max(std::abs(to - from), 1.0), kBar - 1, colour(bar.engine),
          axis.At(bar.low), y + kBar / 2.0, axis.At(bar.high), y + kBar / 2.0, kLabels + kChart + 8,
          y + kBar - 1, bar.ratio);
      y += kBar;
    }
    y += kGap;
  }
  return out + "</svg>\n";
}

}  // namespace skep::tools
