// SPDX-License-Identifier: Apache-2.0
// The page docs/program-types.md, made from the table of program types.

#ifndef SKEP_VM_PROGRAM_TYPES_DOC_H_
#define SKEP_VM_PROGRAM_TYPES_DOC_H_

#include <string>

namespace skep {

// The whole page; the same text for the same table.
std::string ProgramTypesMarkdown();

}  // namespace skep

#endif  // SKEP_VM_PROGRAM_TYPES_DOC_H_
