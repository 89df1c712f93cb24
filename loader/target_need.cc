// SPDX-License-Identifier: Apache-2.0
#include "loader/target_need.h"

#include <algorithm>
#include <string_view>

#include "loader/section_rules.h"

namespace skep::loader {
namespace {

bool HasCoreRecords(const ObjectFile& object) {
  return std::any_of(
      object.types.sections.begin(), object.types.sections.end(), [](const SectionTypes& section) {
        return std::any_of(section.core_relocations.begin(), section.core_relocations.end(),
                           [](const btf::CoreRelocation& record) {
                             return record.kind != static_cast<uint32_t>(CoreKind::kTypeIdLocal);
                           });
      });
}

bool HasKernelSymbols(const ObjectFile& object) {
  return std::any_of(object.types.externs.begin(), object.types.externs.end(),
                     [](const auto& entry) { return entry.second.section == ".ksyms"; });
}

// Types whose programs see arguments of kernel functions or hooks, and fields
// that hold kernel objects.
bool HasKernelTypes(const ObjectFile& object) {
  const bool program = std::any_of(
      object.functions.all().begin(), object.functions.all().end(), [&](const Function& function) {
        if (!function.entry) return false;
        const SectionRule* rule =
            ReadSectionName(object.elf.sections()[function.section].name).rule;
        if (rule == nullptr) return false;
        return rule->type == ProgramTypeId::kTracing || rule->type == ProgramTypeId::kLsm ||
               rule->type == ProgramTypeId::kStructOps || rule->type == ProgramTypeId::kExt;
      });
  if (program || object.types.btf == nullptr) return program;
  const btf::Btf& btf = *object.types.btf;
  for (uint32_t id = btf.first_id(); id < btf.type_count(); ++id) {
    if (btf.kind(id) != btf::Kind::kTypeTag) continue;
    const std::string_view tag = btf.name(id);
    if (tag == "kptr" || tag == "kptr_untrusted" || tag == "percpu_kptr") return true;
  }
  return false;
}

}  // namespace

bool NeedsTargetBtf(const ObjectFile& object) {
  return HasCoreRecords(object) || HasKernelSymbols(object) || HasKernelTypes(object);
}

}  // namespace skep::loader
