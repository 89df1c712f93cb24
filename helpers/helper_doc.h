// SPDX-License-Identifier: Apache-2.0
// The helpers as a page of documentation, made from helpers/helpers.def so that
// it cannot go stale. docs/helpers.md is this text; tests/helpers/helper_doc_test.cc
// compares them.

#ifndef SKEP_HELPERS_HELPER_DOC_H_
#define SKEP_HELPERS_HELPER_DOC_H_

#include <string>

namespace skep {

std::string HelpersMarkdown();

}  // namespace skep

#endif  // SKEP_HELPERS_HELPER_DOC_H_
