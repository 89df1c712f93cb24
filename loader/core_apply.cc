// SPDX-License-Identifier: Apache-2.0
#include "loader/core_apply.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "loader/core_patch.h"
#include "loader/core_spec.h"
#include "loader/core_table.h"

namespace skep::loader {

Result<void> ApplyCore(const ObjectFile& object, const Function& function, uint32_t base,
                       std::span<Insn> code, LinkBudget& budget,
                       std::vector<UnresolvedRelocation>& unresolved) {
  const auto& records = object.types.sections[function.section].core_relocations;
  const auto entries = object.core.entries(function.section);
  const uint64_t start = uint64_t{function.start} * kInsnSize;
  auto it = std::lower_bound(
      records.begin(), records.end(), start,
      [](const btf::CoreRelocation& r, uint64_t offset) { return r.insn_offset < offset; });
  for (; it != records.end() && it->insn_offset < start + code.size() * kInsnSize; ++it) {
    const auto slot = static_cast<uint32_t>((it->insn_offset - start) / kInsnSize);
    const CoreEntry& entry = entries[static_cast<size_t>(it - records.begin())];
    const auto fail = [&](ErrorCode code_of, std::string_view why) {
      return Error{code_of, fmt::format("insn {}: CO-RE relocation {}: {}", slot,
                                        DescribeCore(*object.types.btf, *it), why)};
    };
    if (entry.problem != CoreProblem::kNone)
      return fail(ErrorCode::kUnresolved, CoreProblemText(entry.problem));
    const auto patched = PatchCore(entry.resolution, code.subspan(slot));
    if (!patched) return fail(patched.error().code, patched.error().message);
    if (*patched == Patched::kValue) continue;
    std::string what = DescribeCore(*object.types.btf, *it);
    SKEP_TRY_VOID(budget.Take(sizeof(UnresolvedRelocation) + what.size()));
    unresolved.push_back({base + slot, std::move(what)});
  }
  return {};
}

std::vector<CoreRelocationInfo> ListCore(const ObjectFile& object) {
  std::vector<CoreRelocationInfo> out;
  uint32_t next = 0;  // functions and records both ascend
  const auto functions = object.functions.all();
  for (uint32_t section = 0; section < object.types.sections.size(); ++section) {
    const auto& records = object.types.sections[section].core_relocations;
    const auto entries = object.core.entries(section);
    for (size_t i = 0; i < records.size(); ++i) {
      const uint32_t slot = records[i].insn_offset / kInsnSize;
      while (next < functions.size() && (functions[next].section < section ||
                                         (functions[next].section == section &&
                                          slot >= functions[next].start + functions[next].count)))
        ++next;
      const bool inside = next < functions.size() && functions[next].section == section &&
                          slot >= functions[next].start;
      CoreRelocationInfo info;
      info.function = inside ? functions[next].name : std::string_view();
      info.insn = inside ? slot - functions[next].start : slot;
      info.kind = CoreKindName(records[i].kind);
      info.type_id = records[i].type_id;
      info.access = object.types.btf->StringAt(records[i].access_offset);
      info.problem = CoreProblemText(entries[i].problem);
      info.found = entries[i].problem == CoreProblem::kNone && entries[i].resolution.found;
      info.value = entries[i].resolution.value;
      out.push_back(info);
    }
  }
  return out;
}

}  // namespace skep::loader
