// SPDX-License-Identifier: Apache-2.0
// The program types of this build: rows of vm/program_types.def with the
// context layouts of vm/context_fields.def.
//
// Threads: constants.

#ifndef SKEP_VM_PROGRAM_TYPES_H_
#define SKEP_VM_PROGRAM_TYPES_H_

#include <span>
#include <string>
#include <string_view>

#include "skep/program_type.h"
#include "skep/verify.h"

namespace skep {

// All rows; rows that name attach types come before the one for the rest.
std::span<const ProgramType> BuiltinProgramTypes();

// Linux's program types and built-in helpers, as root on `cpu_slots` CPUs has
// them. For hosts without own helpers and types; Runtime::environment() otherwise.
Environment BuiltinEnvironment(uint32_t cpu_slots);

// Where a context access that the program's type allows happens in the host's
// structure, and with how many bytes. Pointer fields are 8 bytes there.
// REQUIRES: some field allows the access.
struct HostAccess {
  uint16_t offset = 0;
  uint8_t bytes = 0;
};
HostAccess LowerContextAccess(const ProgramType& type, uint32_t offset, uint32_t bytes);

// The field that a load (or store) of `bytes` bytes at `offset` goes to; null
// if the type does not allow it.
const ContextField* FindContextField(const ProgramType& type, uint32_t offset, uint32_t bytes,
                                     bool store);

}  // namespace skep

#endif  // SKEP_VM_PROGRAM_TYPES_H_
