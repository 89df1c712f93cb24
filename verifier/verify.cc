// SPDX-License-Identifier: Apache-2.0
#include "skep/verify.h"

#include <chrono>
#include <memory>
#include <utility>

#include "verifier/verifier.h"

namespace skep {

struct VerifyAccess {
  static VerifiedProgram Make(const Program& program, const VerifyOptions& options,
                              std::shared_ptr<const model::Facts> facts) {
    return VerifiedProgram(program, options, std::move(facts));
  }
};

VerifyOutcome Verify(const Program& program, const Environment& environment,
                     const VerifyOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  VerifyOutcome outcome;
  VerifierReport& report = outcome.report;
  verifier::Verifier verifier(program, environment, options);
  report.accepted = verifier.Run();
  std::shared_ptr<const model::Facts> facts;
  if (report.accepted) facts = verifier.MakeFacts();
  report.findings = verifier.TakeFindings();
  report.statistics = verifier.statistics();
  report.statistics.time_us =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                std::chrono::steady_clock::now() - start)
                                .count());
  report.log = verifier.FinishLog(report.accepted, report.statistics);
  if (report.accepted) {
    VerifyOptions kept = options;
    kept.cancel = nullptr;  // need not live as long
    outcome.verified = VerifyAccess::Make(program, kept, std::move(facts));
  }
  return outcome;
}

}  // namespace skep
