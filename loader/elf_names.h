// SPDX-License-Identifier: Apache-2.0
// Names of ELF's numbers, as readelf calls them; those without a name as numbers.
//
// Threads: pure functions.

#ifndef SKEP_LOADER_ELF_NAMES_H_
#define SKEP_LOADER_ELF_NAMES_H_

#include <cstdint>
#include <string>

namespace skep::loader {

std::string SectionTypeName(uint32_t type);     // "PROGBITS"
std::string SectionFlagNames(uint64_t flags);   // "AX"
std::string RelocationTypeName(uint32_t type);  // "R_BPF_64_64"

}  // namespace skep::loader

#endif  // SKEP_LOADER_ELF_NAMES_H_
