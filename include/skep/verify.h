// SPDX-License-Identifier: Apache-2.0
// Verify: is this program safe to run? And the report that says why not.
//
// Verify is pure: the result depends on its arguments alone, it keeps no
// state, and it is bounded by the options' budgets. Threads: call it from any
// number of threads.

#ifndef SKEP_VERIFY_H_
#define SKEP_VERIFY_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "skep/export.h"
#include "skep/helper.h"
#include "skep/program.h"
#include "skep/program_type.h"

namespace skep {

namespace model {
struct Facts;
}

// What a program is verified against. An immutable value; the spans must
// outlive it. Runtime::environment() gives one with all built-in tables.
struct Environment {
  std::span<const ProgramType> program_types;  // any order
  std::span<const HelperSpec> helpers;         // ascending by id; variants of one id adjacent
  uint32_t cpu_slots = 1;                      // get_smp_processor_id returns less than this
  // The row for this type and expected attach type; null if there is none.
  SKEP_EXPORT const ProgramType* FindProgramType(ProgramTypeId id, uint32_t attach_type) const;
};

struct VerifyOptions {
  Rights rights = Rights::kBpf;
  // Guard against speculation past bounds checks (Spectre v1), as Linux does for
  // programs below kRoot: programs whose pointers would need masking are refused.
  // Linux's `mitigations=off` is false. Does nothing for kRoot.
  bool mitigations = false;
  bool strict_alignment = false;
  uint32_t log_level =
      0;  // Linux's bits: 1 findings and summary, 2 every instruction, 4 statistics
  uint64_t log_limit = 16u << 20;      // bytes; the log keeps its tail beyond
  uint64_t max_processed = 1'000'000;  // instructions; Linux's limit
  uint64_t max_memory = 1u << 30;      // bytes of verifier state, the log included
  // Linux's limits of other kinds.
  uint32_t max_pending = 8192;     // branches that wait to be followed
  uint32_t max_maps = 64;          // different maps of one program
  uint32_t max_subprograms = 256;  // functions, the main one included
  uint32_t max_frames = 8;         // active calls, the main function included; at most 8
  // The verdict is a finding (kCancelled) soon after this becomes true. Any thread
  // may set it; it must outlive the call of Verify.
  const std::atomic<bool>* cancel = nullptr;
  // ProgramTypeId::kMemory only: the host promises r2 >= this many bytes at r1.
  uint32_t memory_size = 0;
};

// Stable codes of reasons to reject; a row each in verifier/findings.def.
enum class FindingCode : uint16_t;
// "V031"; the documentation is docs/findings.md.
SKEP_EXPORT std::string FindingName(FindingCode code);

// A conditional branch on the way to a finding.
struct PathStep {
  uint32_t insn = 0;
  bool taken = false;
  std::string source;  // as Finding::source
};

struct Finding {
  FindingCode code{};
  int sys_errno = 0;  // what bpf(BPF_PROG_LOAD) gives: EINVAL, EACCES, E2BIG, ...
  // Refused because this verifier does not model it; Linux may accept it.
  bool unsupported = false;
  uint32_t insn = 0;        // slot; the program's slot count if it concerns no instruction
  std::string message;      // in Linux's words, one line
  std::string advice;       // what usually mends it; may be empty
  std::string instruction;  // disassembled
  std::string source;       // "file:line: text"; empty without line info
  std::string registers;    // register state there, in Linux's notation
  std::string involved;     // of these, the registers that the instruction reads
  // The branches that led there, the last 256 of them; none for findings that
  // concern no path.
  std::vector<PathStep> path;
  uint64_t path_omitted = 0;  // branches before those
};

struct VerifierStatistics {
  uint64_t processed = 0;  // instructions, counted as Linux does
  uint64_t total_states = 0;
  uint64_t peak_states = 0;
  uint64_t max_states_per_insn = 0;
  uint32_t stack_depth = 0;  // bytes, deepest call chain
  uint64_t time_us = 0;
  uint64_t peak_memory = 0;  // bytes of verifier state
};

struct VerifierReport {
  bool accepted = false;
  std::vector<Finding> findings;  // not empty if rejected; the first is the reason
  std::string log;
  VerifierStatistics statistics;
};

// A Program that Verify accepted, with what was proved about it. The only way
// to the trusting engines.
class SKEP_EXPORT VerifiedProgram {
 public:
  const Program& program() const { return program_; }
  const model::Facts& facts() const { return *facts_; }
  const VerifyOptions& options() const { return options_; }

 private:
  friend struct VerifyAccess;  // verifier/verify.cc
  VerifiedProgram(Program program, VerifyOptions options, std::shared_ptr<const model::Facts> facts)
      : program_(std::move(program)), options_(options), facts_(std::move(facts)) {}
  Program program_;
  VerifyOptions options_;
  std::shared_ptr<const model::Facts> facts_;
};

struct VerifyOutcome {
  VerifierReport report;
  std::optional<VerifiedProgram> verified;  // engaged iff report.accepted
};

SKEP_EXPORT VerifyOutcome Verify(const Program& program, const Environment& environment,
                                 const VerifyOptions& options);

}  // namespace skep

#endif  // SKEP_VERIFY_H_
