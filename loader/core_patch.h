// SPDX-License-Identifier: Apache-2.0
// PatchCore: writes what a CO-RE relocation resolved to into its instruction.

#ifndef SKEP_LOADER_CORE_PATCH_H_
#define SKEP_LOADER_CORE_PATCH_H_

#include <cstdint>
#include <span>

#include "skep/insn.h"
#include "skep/result.h"

#include "loader/core_value.h"

namespace skep::loader {

// The id of no helper, "bad relo": libbpf's mark of an instruction whose
// relocation found nothing. A program may have such an instruction where it
// never runs, after a check of its own that the field is there.
inline constexpr int32_t kUnresolvedHelper = 0xbad2310;

enum class Patched : uint8_t { kValue, kMadeInvalid };

// Changes code[0], and code[1] of a wide load: the immediate of an arithmetic
// instruction or wide load, or the offset, and where needed the width, of a load
// or store. Fails with kMalformedObject if the instruction is of another kind or
// does not hold what the compiler would have written.
Result<Patched> PatchCore(const CoreResolution& resolution, std::span<Insn> code);

}  // namespace skep::loader

#endif  // SKEP_LOADER_CORE_PATCH_H_
