// SPDX-License-Identifier: Apache-2.0
#include "tools/log_compare.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>
#include <vector>

namespace skep::tools {
namespace {

// One instruction walked over, or the start of another path, and what was
// printed about the state behind it.
struct Step {
  uint32_t insn = 0;
  bool starts_path = false;
  std::map<std::string, std::string, std::less<>> state;
};

// The number that `text` starts with, followed by `mark`; what is behind it
// stays in `text`.
std::optional<uint32_t> TakeNumber(std::string_view& text, std::string_view mark) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  if (rest.substr(0, mark.size()) != mark) return std::nullopt;
  text = rest.substr(mark.size());
  return number;
}

// Without the mark of precision and without ids.
std::string Plain(std::string_view value) {
  std::string out(value);
  if (!out.empty() && out[0] == 'P') out.erase(0, 1);
  for (const std::string_view name : {"ref_obj_id=", "id="}) {
    const size_t at = out.find(name);
    if (at == std::string::npos || at == 0 || (out[at - 1] != '(' && out[at - 1] != ',')) continue;
    const size_t end = std::min(out.find_first_of(",)", at), out.size());
    if (end < out.size() && out[end] == ',') {
      out.erase(at, end - at + 1);
    } else if (out[at - 1] == ',') {
      out.erase(at - 1, end - at + 1);
    } else {
      out.erase(at, end - at);
    }
  }
  return out;
}

// "R0=1 R1=ctx(off=2, ...) fp-8=0": items are parted by spaces outside of
// parentheses.
void AddItems(std::string_view text, Step& step) {
  int depth = 0;
  size_t begin = 0;
  std::string frame;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size()) {
      depth += int{text[i] == '('} - int{text[i] == ')'};
      if (text[i] != ' ' || depth > 0) continue;
    }
    const std::string_view item = text.substr(begin, i - begin);
    begin = i + 1;
    if (item.substr(0, 5) == "frame" && item.back() == ':') frame = std::string(item) + " ";
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    const bool known = item[0] == 'R' || item.substr(0, 2) == "fp";
    if (known) {
      step.state[frame + std::string(item.substr(0, equals))] = Plain(item.substr(equals + 1));
    }
  }
}

std::vector<Step> Parse(std::string_view log) {
  std::vector<Step> steps;
  while (!log.empty()) {
    const size_t end = std::min(log.find('\n'), log.size());
    std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    if (line.substr(0, 5) == "from ") {
      line.remove_prefix(5);
      if (!TakeNumber(line, " to ")) continue;
      const auto insn = TakeNumber(line, ":");
      if (insn) steps.push_back({*insn, true, {}});
      continue;
    }
    const auto insn = TakeNumber(line, ": ");
    if (!insn) continue;
    if (line.empty() || line[0] != '(') {
      if (!steps.empty()) AddItems(line, steps.back());
      continue;
    }
    steps.push_back({*insn, false, {}});
    const size_t state = line.find("; ");
    if (state != std::string_view::npos) AddItems(line.substr(state + 2), steps.back());
  }
  return steps;
}

std::string Where(const Step& step) {
  return (step.starts_path ? "another path, from instruction " : "instruction ") +
         std::to_string(step.insn);
}

}  // namespace

std::optional<LogDifference> CompareLogs(std::string_view first, std::string_view second) {
  const std::vector<Step> a = Parse(first), b = Parse(second);
  const size_t common = std::min(a.size(), b.size());
  for (size_t i = 0; i < common; ++i) {
    if (a[i].insn != b[i].insn || a[i].starts_path != b[i].starts_path) {
      return LogDifference{i, a[i].insn, "path", Where(a[i]), Where(b[i])};
    }
    for (const auto& [name, value] : a[i].state) {
      const auto other = b[i].state.find(name);
      if (other != b[i].state.end() && other->second != value) {
        return LogDifference{i, a[i].insn, name, value, other->second};
      }
    }
  }
  if (a.size() == b.size()) return std::nullopt;
  const Step& next = a.size() > common ? a[common] : b[common];
  const std::string ends = "nothing more";
  return LogDifference{common, next.insn, "end", a.size() > common ? Where(next) : ends,
                       b.size() > common ? Where(next) : ends};
}

}  // namespace skep::tools
