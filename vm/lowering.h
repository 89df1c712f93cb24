// SPDX-License-Identifier: Apache-2.0
// Lowering: one program on its way from Program to ExecProgram. The parts, in the
// order in which they run, one file each: what is refused (lower.cc), where each
// instruction goes (lower_place.cc), what it becomes (lower_write.cc).
//
// Threads: a value of one thread. Lifetime: of what it was made from.

#ifndef SKEP_VM_LOWERING_H_
#define SKEP_VM_LOWERING_H_

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "isa/decode.h"
#include "isa/op.h"
#include "model/execution_layout.h"
#include "model/facts.h"
#include "model/kfuncs.h"
#include "model/may_goto.h"
#include "vm/guarded_load.h"
#include "vm/lower.h"
#include "vm/packet_load.h"

namespace skep {

// Why code may be run at all.
enum class Trust : uint8_t {
  kVerified,
  kChecked,  // the engine checks each access and argument
  kVouched,  // the same run ended well on that engine
};

inline constexpr uint32_t kPacketLoadSize = 7;  // instructions of WritePacketLoad

class Lowering {
 public:
  // Facts are null unless the program is verified. `memory_size`: what the verifier took for
  // granted of a kMemory program.
  Lowering(const Program& program, const LowerInput& input, const model::Facts* facts, Trust trust,
           uint32_t memory_size = 0, Rights rights = Rights::kBpf)
      : program_(program),
        input_(input),
        facts_(facts),
        trust_(trust),
        memory_size_(memory_size),
        rights_(rights) {}

  Result<ExecPtr> Run();

 private:
  using AccessKind = model::AccessKind;
  using ExecInsn = model::ExecInsn;
  using ExecProgram = model::ExecProgram;
  using InsnFact = model::InsnFact;

  const InsnFact* FactAt(size_t slot) const {
    return facts_ != nullptr ? &facts_->insns[slot] : nullptr;
  }
  bool Reached(size_t slot) const { return facts_ == nullptr || facts_->insns[slot].reached; }
  bool IsSecondSlot(size_t slot) const { return code_[slot].op == Op::kInvalid; }

  Error Refuse(ErrorCode code, size_t slot, std::string message) const {
    return Error{code, fmt::format("{}: instruction {}: {}", program_.name(), slot, message), 22};
  }

  Result<void> Prepare();

  // Locks, timers and owned objects are where the program's own types say: the
  // map must have been made with the same types.
  Result<void> CheckMapTypes() const;

  // Every operation must be one that engines run; and nothing of unverified code
  // may run off the end of a subprogram.
  Result<void> CheckFlow() const;

  Result<void> CheckOperation(size_t slot) const;

  size_t GuardedLoadStart() const {
    return input_.environment->helpers.size() + PacketLoadHelpers().size();
  }
  size_t InlinedLoopIndex() const { return GuardedLoadStart() + GuardedLoadHelpers().size(); }

  const model::KfuncSpec* KfuncAt(size_t slot) const;

  // Functions that give back their argument; what the result points to is no
  // memory of this process, and accesses of it are refused one by one.
  static bool IsCast(const model::KfuncSpec& spec) {
    return spec.id == model::Kfunc::bpf_cast_to_kern_ctx ||
           spec.id == model::Kfunc::bpf_rdonly_cast;
  }

  Result<void> CheckKfunc(size_t slot) const;

  // Whether the jump at `slot` is known to go one way.
  bool NeverTaken(size_t slot) const {
    const InsnFact* fact = FactAt(slot);
    return fact != nullptr && fact->never_taken && ClassOf(code_[slot].op) == OpClass::kBranch;
  }
  bool AlwaysTaken(size_t slot) const;

  // Linux's verifier hands the program to this helper, too.
  bool TakesProgram(size_t slot) const {
    return Info(code_[slot].op).kind == OpKind::kCallHelper &&
           code_[slot].imm == model::kHelperTimerSetCallback;
  }

  bool IsPacketLoad(size_t slot) const { return ClassOf(code_[slot].op) == OpClass::kPacketLoad; }

  // Loads alone: stores into such objects are refused.
  bool IsGuardedLoad(size_t slot) const {
    const InsnFact* fact = FactAt(slot);
    return fact != nullptr && fact->access == AccessKind::kObject &&
           ClassOf(code_[slot].op) == OpClass::kLoad;
  }
  // Whether a pointer that the verifier takes for an object of the kernel's may be
  // one to a structure of this library's: packets behind their contexts have another
  // layout here than the kernel's types say.
  bool MayReachOwnStructures() const;
  // Which functions load from objects that only their types are known of; refuses
  // those that may not or cannot.
  Result<void> FindGuardedLoads();
  // Stack of a function with what guarded loads need; may_goto counts below it.
  uint32_t OwnStack(size_t subprogram) const {
    return facts_->subprograms[subprogram].stack_depth +
           (has_guarded_loads_[subprogram] ? kGuardedLoadBytes : 0);
  }

  // Which functions count rounds of may_goto. The checked engine counts by itself.
  void FindMayGotos();

  // Functions that are passed to a helper which never calls them (bpf_loop of no
  // rounds): a few instructions stand for them.
  void FindUncalled();
  bool StandsForUncalled(size_t slot) const {
    const size_t s = SubprogramOf(slot);
    return uncalled_[s] && program_.subprograms()[s].start == slot;
  }

  size_t SubprogramOf(size_t slot) const;
  // Where calls of the function that starts at `slot` go.
  uint32_t EntryAt(size_t slot) const {
    return place_[slot] - (counts_rounds_[SubprogramOf(slot)] ? 1 : 0);
  }
  // From r10.
  int16_t CountOffset(size_t subprogram) const {
    const uint32_t depth = OwnStack(subprogram) + model::kMayGotoBytes;
    return static_cast<int16_t>(-static_cast<int32_t>(depth));
  }
  bool StartsCount(size_t slot) const {
    const size_t s = SubprogramOf(slot);
    return counts_rounds_[s] && program_.subprograms()[s].start == slot;
  }

  // Instructions that the one at `slot` becomes.
  uint32_t SizeOf(size_t slot) const;

  void Place();

  Result<void> Write();

  void Emit(size_t slot, const ExecInsn& insn, const InsnFact& fact);

  // LD_ABS and LD_IND: a call with r6 as context and the offset, then the way
  // out with r0 = 0 if it lies outside the packet. Linux makes the same sequence
  // (the load clobbers r1 .. r5 by definition).
  void WritePacketLoad(size_t slot);

  void WriteGuardedLoad(size_t slot);

  // A call of a kernel function: a helper call, after a load of what Linux's
  // verifier fills in.
  void WriteKfunc(size_t slot);

  Result<void> Resolve(size_t slot, ExecInsn& insn);

  // 1 makes a pointer that accesses take, 1 << 16 one that user space takes.
  Result<void> ResolveCast(ExecInsn& insn) const;

  Result<void> ResolveHelper(size_t slot, ExecInsn& insn) const;

  static bool TakesMadeObject(const HelperSpec& spec);

  Result<void> ResolveWide(size_t slot, ExecInsn& insn) const;

  Result<void> ResolveContext(ExecInsn& insn) const;

  void WriteSubprograms();

  const Program& program_;
  const LowerInput& input_;
  const model::Facts* facts_;
  const Trust trust_;
  const uint32_t memory_size_;
  const Rights rights_;
  std::shared_ptr<ExecProgram> out_;
  std::vector<DecodedInsn> code_;
  std::vector<bool> counts_rounds_;      // by subprogram
  std::vector<bool> uncalled_;           // by subprogram
  std::vector<bool> has_guarded_loads_;  // by subprogram
  std::vector<uint32_t> place_;          // by slot: index in out_->insns
};

}  // namespace skep

#endif  // SKEP_VM_LOWERING_H_
