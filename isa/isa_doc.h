// SPDX-License-Identifier: Apache-2.0
// The instruction set as a page of documentation, made from isa/opcodes.def so
// that it cannot go stale. docs/isa.md is this text; tests/isa/isa_doc_test.cc
// holds the two together (SKEP_BLESS=1 rewrites the page).
//
// Threads: pure function.

#ifndef SKEP_ISA_ISA_DOC_H_
#define SKEP_ISA_ISA_DOC_H_

#include <string>
#include <string_view>

#include "isa/op.h"

namespace skep {

// Returns the page as Markdown.
std::string IsaMarkdown();

// "base32", "atomic64", ...; "Linux" for what the RFC does not have.
std::string_view GroupName(Group group);

}  // namespace skep

#endif  // SKEP_ISA_ISA_DOC_H_
