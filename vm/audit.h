// SPDX-License-Identifier: Apache-2.0
// Audit: holds runs of a program on the checked engine against what the verifier
// proved about it. It is how the verifier's soundness is tested.
//
// Before each instruction the abstract state must hold the run: every number in
// a register or stack slot lies in its ranges and bits, numbers with one id are
// equal, and every pointer is of the kind that was proved, into the right
// object, at an offset that was proved. Which path the run is on, and what may
// be relied upon where exploration was pruned, is Lockstep's part
// (verifier/lockstep.h).
//
// What the run really holds is tracked without the verifier's help: each
// register and stack slot has an Origin, the object that its pointer came from,
// which copies and pointer arithmetic hand on. A new pointer (from the context,
// a helper, a map reference) gets one by looking at the run's memory.
//
// Facts (model/facts.h) are checked at the instruction that they are about.
//
// Threads: one run at a time, one thread.

#ifndef SKEP_VM_AUDIT_H_
#define SKEP_VM_AUDIT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "skep/execution_context.h"
#include "skep/verify.h"

#include "verifier/lockstep.h"
#include "vm/checked_observer.h"

namespace skep {

struct AuditViolation {
  uint32_t insn = 0;        // slot in Program::insns()
  std::string instruction;  // disassembled
  std::string message;      // one line: what was expected, what was found
  std::string state;        // the abstract state, in the log's notation
};

class Audit final : public CheckedObserver, private verifier::Witness {
 public:
  // Verifies the program. The environment must outlive the audit.
  Audit(const Program& program, const Environment& environment, const VerifyOptions& options);

  const VerifierReport& report() const { return lockstep_.report(); }
  // Only if the program was accepted.
  const model::Facts& facts() const { return lockstep_.facts(); }
  // Watches the runs of `context` from now on, until Detach. REQUIRES:
  // report().accepted, and that the runs are of the program, not lowered with
  // facts (Runtime::PrepareUnverified).
  void Attach(ExecutionContext& context);
  static void Detach(ExecutionContext& context);
  // For what is drawn at random: stack contents, rounds of may_goto loops.
  void set_seed(uint64_t seed) { random_ = seed * 2 + 1; }

  uint64_t checked_insns() const { return checked_insns_; }
  const std::optional<AuditViolation>& violation() const { return violation_; }
  // Records what the engine itself found in a run of an accepted program.
  void AddTrap(uint32_t insn, std::string message);

 private:
  using Register = verifier::Register;
  using RegKind = verifier::RegKind;
  using State = verifier::State;

  // What a concrete pointer points into; kNotInit for numbers.
  struct Origin {
    RegKind kind = RegKind::kNotInit;
    const Map* map = nullptr;  // kMapValue, kMapPointer
    uint64_t base = 0;         // where the object starts; of stack frames the end (r10)
    uint64_t size = 0;
    bool IsPointer() const { return kind != RegKind::kNotInit; }
  };
  struct Registers {
    std::array<uint64_t, 11> value{};
    std::array<Origin, 11> origin{};
    bool calls_helper = false;  // callers: at a helper that calls back
  };
  // Numbers with one id, and packet pointers, met while one state is checked.
  struct Linked {
    uint32_t id;
    RegKind kind;
    bool low;
    uint64_t value;
  };

  // CheckedObserver
  void Start(const model::ExecProgram& program, const CheckedMemory& memory,
             const ExecutionContext& context) override;
  bool At(uint32_t slot, const uint64_t* r) override;
  void End(const uint64_t* r) override;
  void TailCalled() override { watching_ = false; }
  uint8_t stack_fill() const override { return static_cast<uint8_t>(random_ >> 56); }
  uint32_t MayGotoRounds() override { return static_cast<uint32_t>(NextRandom() % 40); }

  // verifier::Witness
  bool Within(const State& state, std::string* why) override;
  uint64_t reg(int i) const override { return now_.value[static_cast<size_t>(i)]; }
  void EnterGlobal(const State& entry) override;
  void LeaveGlobal() override;

  uint64_t NextRandom();
  bool Violate(uint32_t slot, std::string message);
  // What the instruction before did to the origins.
  void Track(const uint64_t* r);
  void TrackFrame(const DecodedInsn& last, uint64_t r10);
  void TrackAlu(const DecodedInsn& insn);
  void TrackLoad(const DecodedInsn& insn);
  void TrackStore(uint64_t address, uint32_t bytes, const Origin& stored);
  Origin* SlotAt(uint64_t address);
  void MarkFresh(int reg);

  struct Place;  // where a value that is checked is, for messages
  bool CheckFrame(const State& state, uint32_t frame, std::string* why);
  bool CheckStack(const State& state, uint32_t frame, uint64_t top, std::string* why);
  bool CheckScalar(const Register& r, uint64_t value, const Place& at, std::string* why);
  bool CheckPointer(const Register& r, uint64_t value, Origin& origin, const Place& at,
                    std::string* why);
  bool CheckPacketRange(const Register& r, uint64_t value, std::string* why) const;
  bool CheckLinked(const Linked& entry, const Place& at, std::string* why);
  // The object that a new pointer points into; kNotInit if it is not what the
  // verifier takes it for.
  Origin Resolve(const Register& r, uint64_t value) const;
  const Map* MapOf(const Register& r, uint64_t value) const;
  bool IsMapOf(const Register& r, const Map* map) const;

  // Facts.
  bool CheckFacts(uint32_t slot, std::string* why) const;
  bool CheckAccessFact(uint32_t slot, const DecodedInsn& insn, std::string* why) const;
  bool CheckBranchFact(uint32_t slot, std::string* why) const;
  bool CheckResultFact(std::string* why) const;

  verifier::Lockstep lockstep_;
  const model::ExecProgram* program_ = nullptr;
  const CheckedMemory* memory_ = nullptr;
  Registers now_;
  Registers before_;                // before the last instruction
  std::vector<Registers> callers_;  // as they were at their calls
  std::vector<size_t> roots_;       // of callers_.size(): where global functions were entered
  std::vector<Origin> slots_;       // of the stack, from its top down
  uint64_t top_ = 0;                // r10 of the main function
  uint16_t fresh_ = 0;              // registers that may hold a pointer not met before
  uint32_t last_ = 0;
  bool has_last_ = false;
  bool watching_ = false;
  std::vector<Linked> linked_;
  uint64_t random_ = 1;
  uint64_t checked_insns_ = 0;
  std::optional<AuditViolation> violation_;
};

}  // namespace skep

#endif  // SKEP_VM_AUDIT_H_
