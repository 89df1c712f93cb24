// SPDX-License-Identifier: Apache-2.0
#include "skep/program.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace skep {
namespace {

constexpr size_t kMaxSlots = 1'000'000;
constexpr uint8_t kCodeWideLoad = 0x18;

Error Invalid(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message), EINVAL};
}

Result<void> CheckSubprograms(const ProgramData& data) {
  uint32_t end = 0;
  for (const Subprogram& subprogram : data.subprograms) {
    if (subprogram.start != end || subprogram.end <= subprogram.start)
      return Invalid(fmt::format("subprogram '{}' covers slots {}..{}, need a start at {}",
                                 subprogram.name, subprogram.start, subprogram.end, end));
    end = subprogram.end;
  }
  if (end != data.insns.size())
    return Invalid(fmt::format("subprograms cover {} of {} slots", end, data.insns.size()));
  return {};
}

// Where a wide load is cut off or a reserved source is used is for the verifier.
Result<void> CheckMapReferences(const ProgramData& data) {
  for (size_t i = 0; i < data.insns.size(); ++i) {
    const Insn& insn = data.insns[i];
    if (insn.code != kCodeWideLoad) continue;
    const uint8_t source = insn.src;
    const bool is_map = source == kPseudoMapFd || source == kPseudoMapValue ||
                        source == kPseudoMapIdx || source == kPseudoMapIdxValue;
    if (is_map && (insn.imm < 0 || static_cast<size_t>(insn.imm) >= data.maps.size()))
      return Invalid(fmt::format("insn {} refers to map {} of {}", i, insn.imm, data.maps.size()));
    ++i;
  }
  return {};
}

}  // namespace

Result<Program> Program::Create(ProgramData data) {
  if (data.insns.empty()) return Error{ErrorCode::kInvalidArgument, "no instructions", E2BIG};
  if (data.insns.size() > kMaxSlots) {
    return Error{ErrorCode::kResourceLimit,
                 fmt::format("{} instructions, need at most {}", data.insns.size(), kMaxSlots),
                 E2BIG};
  }
  SKEP_TRY_VOID(CheckSubprograms(data));
  SKEP_TRY_VOID(CheckMapReferences(data));
  for (size_t i = 0; i < data.lines.size(); ++i) {
    if (data.lines[i].insn >= data.insns.size() ||
        (i > 0 && data.lines[i].insn < data.lines[i - 1].insn))
      return Invalid(fmt::format("line info {} is for insn {}", i, data.lines[i].insn));
  }
  return Program(std::make_shared<const ProgramData>(std::move(data)));
}

const SourceLine* Program::LineAt(uint32_t insn) const {
  const std::vector<SourceLine>& lines = data_->lines;
  const auto after = std::upper_bound(lines.begin(), lines.end(), insn,
                                      [](uint32_t at, const SourceLine& l) { return at < l.insn; });
  return after == lines.begin() ? nullptr : &*(after - 1);
}

Program Program::WithType(ProgramTypeId type, uint32_t expected_attach_type) const {
  ProgramData copy = *data_;
  copy.type = type;
  copy.expected_attach_type = expected_attach_type;
  return Program(std::make_shared<const ProgramData>(std::move(copy)));
}

}  // namespace skep
