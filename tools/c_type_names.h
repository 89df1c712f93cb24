// SPDX-License-Identifier: Apache-2.0
// The types that preprocessed C defines, by name: clang writes BTF only of types
// that something uses.
//
// Threads: a pure function.

#ifndef SKEP_TOOLS_C_TYPE_NAMES_H_
#define SKEP_TOOLS_C_TYPE_NAMES_H_

#include <string>
#include <string_view>
#include <vector>

namespace skep::tools {

// "struct packet", "enum verdict", "packet_t": what has a tag and a definition, and
// what typedefs name, outside of functions; each once, in the order of the text.
std::vector<std::string> CTypeNames(std::string_view preprocessed);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_C_TYPE_NAMES_H_
