// SPDX-License-Identifier: Apache-2.0
#include "tools/report.h"

#include "tools/output.h"

namespace skep::tools {

std::string DescribeFinding(const Finding& finding) {
  std::string out = FindingName(finding.code) + " at instruction " + std::to_string(finding.insn) +
                    ": " + finding.message + "\n";
  if (!finding.source.empty()) out += "  source: " + finding.source + "\n";
  if (!finding.instruction.empty()) out += "  code:   " + finding.instruction + "\n";
  if (!finding.registers.empty()) out += "  state:  " + finding.registers + "\n";
  if (!finding.advice.empty()) out += "  advice: " + finding.advice + "\n";
  return out;
}

void PrintRejection(const Program& program, const VerifierReport& report) {
  std::string out = program.name() + " is rejected";
  for (const Finding& finding : report.findings) out += ": " + DescribeFinding(finding);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  PrintError(out);
}

}  // namespace skep::tools
