// SPDX-License-Identifier: Apache-2.0
// What a finding says beside its message: the way that led there, and the
// registers that the instruction looked at.

#include <algorithm>

#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr size_t kMaxSteps = 256;

}  // namespace

// The branches of the current path. Its history names the jumps that were taken;
// between two of them the path went straight on.
void Verifier::DescribePath(Finding& finding) const {
  if (current_ == nullptr || insn_ >= structure_.insns.size()) return;
  std::vector<uint32_t> entries;
  for (uint32_t i = current_->history; i != 0; i = history_[i].before) entries.push_back(i);
  std::vector<PathStep> steps;
  const auto add = [&](uint32_t at, bool taken) {
    const DecodedInsn& insn = info(at).insn;
    if (insn.op == Op::kInvalid || ClassOf(Info(insn.op).kind) != OpClass::kBranch) return;
    if (steps.size() == 2 * kMaxSteps) {
      steps.erase(steps.begin(), steps.begin() + kMaxSteps);
      finding.path_omitted += kMaxSteps;
    }
    steps.push_back({at, taken, {}});
  };
  uint32_t at = structure_.subprograms[current_->frames[0]->subprogram].start;
  const auto straight_on = [&](uint32_t end) {
    for (; at < end; at += static_cast<uint32_t>(std::max(info(at).insn.slots(), 1))) {
      add(at, false);
    }
  };
  for (auto i = entries.rbegin(); i != entries.rend(); ++i) {
    const HistoryEntry& entry = history_[*i];
    if (entry.previous >= structure_.insns.size()) continue;  // the first instruction
    straight_on(entry.previous);
    const auto slots = static_cast<uint32_t>(std::max(info(entry.previous).insn.slots(), 1));
    add(entry.previous, entry.insn != entry.previous + slots);
    at = entry.insn;
  }
  straight_on(insn_);
  if (steps.size() > kMaxSteps) {
    finding.path_omitted += steps.size() - kMaxSteps;
    steps.erase(steps.begin(), steps.end() - kMaxSteps);
  }
  for (PathStep& step : steps) step.source = SourceText(step.insn);
  finding.path = std::move(steps);
}

std::string Verifier::SourceText(uint32_t insn) const {
  const SourceLine* line = program_.LineAt(insn);
  if (line == nullptr || insn >= structure_.insns.size()) return {};
  return std::string(line->file) + ":" + std::to_string(line->line) + ": " +
         std::string(line->text);
}

// "R1=... R2=...": of those that the instruction reads.
std::string Verifier::InvolvedRegisters() const {
  if (current_ == nullptr || insn_ >= structure_.insns.size()) return {};
  const DecodedInsn& insn = info(insn_).insn;
  if (insn.op == Op::kInvalid) return {};
  const OpInfo& op = Info(insn.op);
  uint32_t wanted = 0;
  if (op.Has(kReadsDst)) wanted |= 1u << insn.dst;
  if (op.Has(kReadsSrc)) wanted |= 1u << insn.src;
  if (ClassOf(op.kind) == OpClass::kCall) wanted = 0x3e;
  if (ClassOf(op.kind) == OpClass::kExit) wanted = 1;
  std::string out;
  for (size_t i = 0; i < 11; ++i) {
    const Register& r = current_->reg(i);
    if ((wanted >> i & 1) == 0 || r.kind == RegKind::kNotInit) continue;
    out += (out.empty() ? "R" : " R") + std::to_string(i) + "=" +
           RegisterText(r, referents(), current_->depth);
  }
  return out;
}

}  // namespace skep::verifier
