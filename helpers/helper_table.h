// SPDX-License-Identifier: Apache-2.0
// HelperTable: every helper of Linux, from helpers.def: what the verifier reads
// and what engines call.
//
// Threads: constants.

#ifndef SKEP_HELPERS_HELPER_TABLE_H_
#define SKEP_HELPERS_HELPER_TABLE_H_

#include <cstdint>
#include <span>

#include "skep/export.h"
#include "skep/helper.h"

namespace skep {

// All specs, ascending by id, variants of one id adjacent; use FindHelper to
// choose by program class.
SKEP_EXPORT std::span<const HelperSpec> HelperTable();

// bpf_loop as Linux compiles it where it knows the callback and that there are no
// flags (InsnFact::callback): all 64 bits of the count are looked at, and r0 is 32
// bits of -E2BIG if there are too many. An entry of the runtime's table.
SKEP_EXPORT const HelperSpec& InlinedLoop();

// Ids of the helpers that programs of this type may call, ascending, each once.
// Attach types that share a program class share a list. For an embedder's
// program type: the base set.
SKEP_EXPORT std::span<const uint32_t> HelpersOf(ProgramTypeId type,
                                                uint32_t expected_attach_type = 0);

}  // namespace skep

#endif  // SKEP_HELPERS_HELPER_TABLE_H_
