// SPDX-License-Identifier: Apache-2.0
// Audits one program: verifies it, then runs it on random inputs under the audit.
//
// Threads: as the runtime's.

#ifndef SKEP_VM_AUDIT_RUNNER_H_
#define SKEP_VM_AUDIT_RUNNER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "skep/runtime.h"

#include "vm/audit.h"

namespace skep {

struct AuditOptions {
  uint32_t runs = 16;
  uint64_t seed = 1;
  uint64_t budget = 100'000;  // instructions a run; where it ends, the run ends
  VerifyOptions verify;
  // The input of the first run; the others get random ones, for plain memory
  // programs of at least verify.memory_size bytes.
  std::optional<std::vector<std::byte>> input;
};

enum class AuditOutcome : uint8_t {
  kPassed,
  kViolated,   // a run was outside of what was proved
  kRejected,   // by the verifier: there is nothing to hold a run against
  kCannotRun,  // accepted, but this build cannot run it
};

struct AuditResult {
  AuditOutcome outcome = AuditOutcome::kCannotRun;
  std::string reason;  // why it was rejected or cannot run
  uint64_t runs = 0;
  uint64_t checked_insns = 0;
  std::optional<AuditViolation> violation;
};

AuditResult AuditProgram(Runtime& runtime, const Program& program, const AuditOptions& options);

}  // namespace skep

#endif  // SKEP_VM_AUDIT_RUNNER_H_
