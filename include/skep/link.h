// SPDX-License-Identifier: Apache-2.0
// LinkObjects: several object files as one, before any of them is loaded: what
// `bpftool gen object` does.
//
// Threads: a pure function.

#ifndef SKEP_LINK_H_
#define SKEP_LINK_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "skep/export.h"
#include "skep/result.h"

namespace skep {

struct LinkInput {
  std::string name;  // for messages
  std::span<const std::byte> bytes;
};

// Returns an ELF object that Object::Parse and libbpf take. Sections of one name
// follow each other in the order of `inputs`; license and version must be the
// same where they are given. A global function, variable or map that one object
// declares extern is found where another defines it; of several definitions the
// one that is not weak counts, or the first. Static ones stay apart. Types are
// merged, and so are records of functions, lines and CO-RE. What is defined
// nowhere stays extern. Debug information is left out.
//
// Fails with kInvalidArgument without inputs, with kMalformedObject if an input
// makes no sense or two define the same name or disagree about its type, with
// kUnsupported and with kResourceLimit. The message names input and section or
// symbol.
SKEP_EXPORT Result<std::vector<std::byte>> LinkObjects(std::span<const LinkInput> inputs);

}  // namespace skep

#endif  // SKEP_LINK_H_
