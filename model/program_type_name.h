// SPDX-License-Identifier: Apache-2.0
// Names of program types, as bpftool prints them.

#ifndef SKEP_MODEL_PROGRAM_TYPE_NAME_H_
#define SKEP_MODEL_PROGRAM_TYPE_NAME_H_

#include <optional>
#include <string_view>

#include "skep/program_type.h"

namespace skep {

// "unknown" for numbers that no type has; an embedder's types too.
std::string_view ProgramTypeName(ProgramTypeId id);
std::optional<ProgramTypeId> ProgramTypeByName(std::string_view name);

}  // namespace skep

#endif  // SKEP_MODEL_PROGRAM_TYPE_NAME_H_
