// SPDX-License-Identifier: Apache-2.0
// Verdicts as the tool shows them.

#ifndef SKEP_TOOLS_REPORT_H_
#define SKEP_TOOLS_REPORT_H_

#include <string>

#include "skep/program.h"
#include "skep/verify.h"

namespace skep::tools {

// "V078 at instruction 13: message (file:line: text)", one line.
std::string Headline(const Finding& finding);

// The finding with its source line, the instructions around it, the register
// state and advice; several lines.
std::string DescribeFinding(const Program& program, const Finding& finding);

// How the path came there: the source lines (or instructions) of its branches and
// which way each went, then what was known of the registers involved; several
// lines.
std::string ExplainFinding(const Program& program, const Finding& finding);

// To standard error: "skep: NAME is rejected: ..." and the finding.
void PrintRejection(const Program& program, const VerifierReport& report);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_REPORT_H_
