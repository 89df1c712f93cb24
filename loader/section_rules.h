// SPDX-License-Identifier: Apache-2.0
// What a program's section name says about it, from the table
// loader/sections.def. Threads: constant data.

#ifndef SKEP_LOADER_SECTION_RULES_H_
#define SKEP_LOADER_SECTION_RULES_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "skep/program_type.h"

namespace skep::loader {

// prog_flags of BPF_PROG_LOAD.
inline constexpr uint32_t kProgSleepable = 1u << 4;
inline constexpr uint32_t kProgXdpHasFrags = 1u << 5;

struct SectionRule {
  std::string_view name;
  bool prefix = false;  // NAME/TARGET matches too
  ProgramTypeId type = ProgramTypeId::kUnspec;
  uint32_t attach_type = 0;
  bool sleepable = false;
  bool frags = false;
  bool needs_target = false;
};

std::span<const SectionRule> SectionRules();

// What one section's name means.
struct SectionMeaning {
  std::string_view name;  // without a leading '?'
  bool autoload = true;
  const SectionRule* rule = nullptr;  // null: a program of unknown type
  std::string_view target;            // what follows the '/' of a prefix rule
};
SectionMeaning ReadSectionName(std::string_view name);

}  // namespace skep::loader

#endif  // SKEP_LOADER_SECTION_RULES_H_
