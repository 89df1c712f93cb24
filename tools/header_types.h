// SPDX-License-Identifier: Apache-2.0
// The types of a C header as BTF, by clang, which is found when it is needed.
//
// Threads: a pure function, but for files in a folder of its own.

#ifndef SKEP_TOOLS_HEADER_TYPES_H_
#define SKEP_TOOLS_HEADER_TYPES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "skep/result.h"

namespace skep::tools {

struct HeaderOptions {
  std::string header;
  std::string clang;                     // empty: the first of those that are usual
  std::vector<std::string> arguments{};  // for clang: "-Iinclude"
};

// The bytes of a BTF file with every type of the header that has a name, and of
// what it includes, in the layout of this machine. clang's messages go to standard
// error. Fails with kSystem if there is no clang or no place for files, and with
// kMalformedObject if clang refuses the header or it defines nothing.
Result<std::vector<std::byte>> TypesOfHeader(const HeaderOptions& options);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_HEADER_TYPES_H_
