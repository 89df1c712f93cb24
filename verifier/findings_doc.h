// SPDX-License-Identifier: Apache-2.0
// docs/findings.md, made from verifier/findings.def.

#ifndef SKEP_VERIFIER_FINDINGS_DOC_H_
#define SKEP_VERIFIER_FINDINGS_DOC_H_

#include <string>

namespace skep::verifier {

std::string FindingsMarkdown();

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_FINDINGS_DOC_H_
