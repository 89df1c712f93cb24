// SPDX-License-Identifier: Apache-2.0
#include "loader/section_rules.h"

namespace skep::loader {
namespace {

enum Match : uint8_t { Exact, Prefix };
constexpr uint32_t kSleepable = 1, kFrags = 2, kNeedsTarget = 4;

constexpr SectionRule kRules[] = {
#define SKEP_SECTION(name, match, type, attach, flags) \
  {name,                                               \
   (match) == Prefix,                                  \
   ProgramTypeId::k##type,                             \
   attach,                                             \
   ((flags)&kSleepable) != 0,                          \
   ((flags)&kFrags) != 0,                              \
   ((flags)&kNeedsTarget) != 0},
#include "loader/sections.def"
};

}  // namespace

std::span<const SectionRule> SectionRules() { return kRules; }

SectionMeaning ReadSectionName(std::string_view name) {
  SectionMeaning meaning;
  if (name.starts_with('?')) {
    meaning.autoload = false;
    name.remove_prefix(1);
  }
  meaning.name = name;
  for (const SectionRule& rule : kRules) {
    if (!name.starts_with(rule.name)) continue;
    const std::string_view rest = name.substr(rule.name.size());
    if (!rest.empty() && !(rule.prefix && rest[0] == '/')) continue;
    meaning.rule = &rule;
    if (!rest.empty()) meaning.target = rest.substr(1);
    break;
  }
  return meaning;
}

}  // namespace skep::loader
