// SPDX-License-Identifier: Apache-2.0
#include "tools/report.h"

#include <algorithm>
#include <string_view>
#include <vector>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "isa/decode.h"
#include "isa/disasm.h"
#include "tools/output.h"
#include "vm/helper_symbols.h"

namespace skep::tools {
namespace {

constexpr size_t kLinesBefore = 4, kLinesAfter = 1;

struct ListedInsn {
  uint32_t slot = 0;
  std::string text;
};

std::vector<ListedInsn> List(const Program& program) {
  const HelperSymbols symbols;
  std::vector<ListedInsn> out;
  for (uint32_t slot = 0; slot < program.insns().size(); ++slot) {
    const DecodeResult decoded = Decode(program.insns(), slot);
    if (!decoded) {
      out.push_back({slot, "(" + Message(decoded.error) + ")"});
      continue;
    }
    out.push_back({slot, Disassemble(decoded.insn, &symbols)});
    slot += static_cast<uint32_t>(decoded.slots()) - 1;
  }
  return out;
}

// A source line without indentation, and without what ends a line of a long
// inline assembly.
std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && std::string_view(" \t").find(text.front()) != std::string_view::npos) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::string_view(" \t\\").find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  return text;
}

// The instructions around the one that was refused, under their source lines.
std::string Excerpt(const Program& program, uint32_t refused) {
  const std::vector<ListedInsn> all = List(program);
  const auto at = std::find_if(all.begin(), all.end(),
                               [&](const ListedInsn& insn) { return insn.slot == refused; });
  if (at == all.end()) return {};
  const size_t index = static_cast<size_t>(at - all.begin());
  const size_t begin = index - std::min(index, kLinesBefore);
  const size_t end = std::min(all.size(), index + kLinesAfter + 1);
  std::string out;
  const SourceLine* shown = nullptr;
  for (size_t i = begin; i < end; ++i) {
    const SourceLine* line = program.LineAt(all[i].slot);
    const bool is_new =
        line != nullptr && line->line != 0 &&
        (shown == nullptr || line->line != shown->line || line->file != shown->file);
    if (is_new) {
      shown = line;
      out += fmt::format("{:>10} | ; {}\n", line->line, Trimmed(line->text));
    }
    const std::string row =
        fmt::format("{} {:6} |   {}", i == index ? "->" : "  ", all[i].slot, all[i].text);
    out += " " + (i == index ? Bold(row) : row) + "\n";
  }
  return out;
}

// "R0=map_value(...) R1=4 fp-8=0", one a line.
std::string Registers(std::string_view text) {
  std::string out;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size()) {
      depth += int{text[i] == '('} - int{text[i] == ')'};
      if (text[i] != ' ' || depth > 0) continue;
    }
    const std::string_view item = text.substr(begin, i - begin);
    begin = i + 1;
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      if (!item.empty()) out += fmt::format("  {}\n", item);
      continue;
    }
    out += fmt::format("  {:>8} = {}\n", item.substr(0, equals), item.substr(equals + 1));
  }
  return out;
}

}  // namespace

std::string Headline(const Finding& finding) {
  std::string out = fmt::format("{} at instruction {}: {}", FindingName(finding.code), finding.insn,
                                finding.message);
  if (!finding.source.empty()) out += fmt::format(" ({})", Trimmed(finding.source));
  return out;
}

std::string DescribeFinding(const Program& program, const Finding& finding) {
  std::string out = fmt::format("  {} at instruction {}: {}\n", FindingName(finding.code),
                                finding.insn, finding.message);
  const SourceLine* line = program.LineAt(finding.insn);
  if (line != nullptr && line->line != 0) {
    out += fmt::format("  --> {}:{}:{}\n", line->file, line->line, line->column);
  }
  out += Excerpt(program, finding.insn);
  out += Registers(finding.registers);
  if (!finding.advice.empty()) out += "  advice: " + finding.advice + "\n";
  return out;
}

std::string ExplainFinding(const Program& program, const Finding& finding) {
  std::string out = "  how the path came there:\n";
  if (finding.path_omitted != 0) out += fmt::format("    ({} branches)\n", finding.path_omitted);
  const std::vector<ListedInsn> all = List(program);
  const SourceLine* shown = nullptr;
  for (const PathStep& step : finding.path) {
    const SourceLine* line = program.LineAt(step.insn);
    if (line != nullptr && line->line != 0 && (shown == nullptr || line->line != shown->line)) {
      out += fmt::format("  {:>8} | ; {}\n", line->line, Trimmed(line->text));
      shown = line;
    }
    const auto at =
        std::lower_bound(all.begin(), all.end(), step.insn,
                         [](const ListedInsn& l, uint32_t slot) { return l.slot < slot; });
    const std::string text = at != all.end() && at->slot == step.insn ? at->text : "";
    out += fmt::format("  {:8} |   {:<36} {}\n", step.insn, text,
                       step.taken ? "jumps" : "goes straight on");
  }
  if (finding.path.empty()) out += "    straight from the start, without a branch\n";
  if (!finding.involved.empty()) out += "  what was known there:\n" + Registers(finding.involved);
  out += "  what is wrong: " + finding.message + "\n";
  if (!finding.advice.empty()) out += "  what helps: " + finding.advice + "\n";
  return out;
}

void PrintRejection(const Program& program, const VerifierReport& report) {
  std::string out = program.name() + " is rejected\n";
  for (const Finding& finding : report.findings) out += DescribeFinding(program, finding);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  PrintReport(out);
}

}  // namespace skep::tools
