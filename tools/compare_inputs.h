// SPDX-License-Identifier: Apache-2.0
// What `skep compare` runs programs over: always the same bytes for the same
// program type and seed.

#ifndef SKEP_TOOLS_COMPARE_INPUTS_H_
#define SKEP_TOOLS_COMPARE_INPUTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "skep/program_type.h"

namespace skep::tools {

struct CompareInput {
  std::string name;  // "udp4-1500"
  std::vector<std::byte> bytes;
};

// `context_bytes`: what the program needs of its context at least. `random` more
// inputs come from `seed`.
std::vector<CompareInput> MakeInputs(ProgramTypeId type, uint32_t context_bytes, uint32_t random,
                                     uint64_t seed);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_COMPARE_INPUTS_H_
