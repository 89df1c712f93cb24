// SPDX-License-Identifier: Apache-2.0
// Lockstep: the verifier's transfer functions, run once more along the path that
// one concrete run takes, with the recorded exploration as a map.
//
// Before each instruction of the run, At() says where the run is. Then
//   - the step before must have led there: the abstract state of one of the
//     paths that it left open must hold the run, and the exploration must have
//     followed that path;
//   - where the exploration was pruned, the state that covered it must hold the
//     run. What that state says about registers and slots that were said not to
//     matter, and about numbers that are not marked precise, is forgotten, and
//     the walk goes on from there: a mark that is missing shows as a refusal, or
//     as an edge that no path was followed along;
//   - the instruction is simulated, which must not be refused.
// Whether a state holds the run is for the Witness to say.
//
// A global function is verified alone; a call of one enters a walk of its own.
//
// Threads: one run at a time, one thread. The environment must outlive it.

#ifndef SKEP_VERIFIER_LOCKSTEP_H_
#define SKEP_VERIFIER_LOCKSTEP_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "skep/verify.h"

#include "model/facts.h"
#include "verifier/recording.h"
#include "verifier/verifier.h"

namespace skep::verifier {

// The run that is held against the states.
class Witness {
 public:
  virtual ~Witness() = default;
  // Whether the run, as it is now, is one of those that `state` stands for; if
  // not, `why` says what is different. state.frames[0] is the frame entered last
  // by EnterGlobal, or that of the main function.
  virtual bool Within(const State& state, std::string* why) = 0;
  virtual uint64_t reg(int i) const = 0;
  // The run entered a function that was verified alone, from `entry`; and came back.
  virtual void EnterGlobal(const State& entry) = 0;
  virtual void LeaveGlobal() = 0;
};

class Lockstep {
 public:
  // Verifies the program.
  Lockstep(Program program, const Environment& environment, const VerifyOptions& options);
  ~Lockstep();

  // The verdict. All below needs report().accepted.
  const VerifierReport& report() const { return report_; }
  const model::Facts& facts() const { return *facts_; }

  // A run starts. All return false at a violation; failure() then says which.
  bool Begin(Witness& run);
  // The run is about to execute the instruction at slot `insn`.
  bool At(uint32_t insn, Witness& run);
  // The run returned from the main function.
  bool End();

  const std::string& failure() const { return failure_; }
  // All frames of the current state, in the log's notation.
  std::string StateText() const;
  const State& state() const { return *verifier_.current_; }
  const DecodedInsn& insn(uint32_t slot) const { return verifier_.info(slot).insn; }
  bool IsInstruction(uint32_t slot) const { return slot < verifier_.structure_.insns.size(); }
  const MapSpec& map(uint32_t index) const { return verifier_.map(index); }
  // One value, in the log's notation.
  std::string Describe(const Register& reg, uint32_t frame) const;
  size_t SubprogramAt(uint32_t slot) const;

 private:
  // Where a walk stands.
  struct Walk {
    StatePtr state;
    std::pmr::vector<Verifier::Pending> open;  // other paths that the last step left open
    uint32_t segment = 0;
    uint32_t step = 0;
    uint32_t next = 0;  // where the last step leads on the path itself
    uint32_t last = 0;  // the instruction of the last step
    bool ended = false;
    bool fresh = true;  // no step yet
  };
  bool Fail(std::string why);
  bool BeginAt(uint32_t subprogram, Witness& run);
  int64_t GlobalCalledAt(uint32_t target) const;
  bool Settle(uint32_t insn, Witness& run);
  bool Arrive(uint32_t insn, Witness& run);
  bool Simulate(uint32_t insn, Witness& run);
  bool IsAlu(uint32_t insn) const;
  bool LeftByPacketLoad(uint32_t insn) const;
  void Suspend();
  void Resume();

  const Program program_;
  const VerifyOptions options_;
  Verifier verifier_;
  VerifierReport report_;
  std::unique_ptr<Recording> recording_;
  std::shared_ptr<const model::Facts> facts_;
  uint32_t first_free_id_ = 0;
  Walk walk_;                // its state is verifier_.current_
  std::vector<Walk> outer_;  // callers of global functions
  std::string failure_;
};

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_LOCKSTEP_H_
