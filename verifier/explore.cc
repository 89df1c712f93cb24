// SPDX-License-Identifier: Apache-2.0
// The walk over all paths, depth first. One path is followed to its end; at a
// branch that may go both ways the other side is put on a stack (PushPath).

#include <limits>

#include "base/check.h"
#include "verifier/helper_rules.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

bool TakesNoAtomics(const Register& pointer) {
  return pointer.kind == RegKind::kContext || pointer.IsPacket() || pointer.IsSocket() ||
         pointer.kind == RegKind::kFlowKeys;
}

}  // namespace

bool Verifier::CheckSource(int i) {
  changes_.regs = static_cast<uint16_t>(changes_.regs | 1u << i);
  if (reg(i).kind == RegKind::kNotInit) {
    return Reject(FindingCode::kUninitialisedRegister, {i});
  }
  return true;
}

bool Verifier::CheckDestination(int i) {
  changes_.regs = static_cast<uint16_t>(changes_.regs | 1u << i);
  if (i == kFramePointer) return Reject(FindingCode::kFramePointerWrite, {});
  return true;
}

void Verifier::SetUnknown(int i) {
  reg(i) = Register::Unknown();
  changes_.regs = static_cast<uint16_t>(changes_.regs | 1u << i);
}

void Verifier::PushHistory(uint32_t flags, uint64_t linked) {
  if (lockstep_) return;
  State& s = state();
  if (history_open_) {
    HistoryEntry& entry = history_[s.history];
    entry.flags |= flags;
    if (linked != 0) entry.linked = linked;
    return;
  }
  history_.push_back({insn_, static_cast<uint32_t>(previous_insn_), flags, s.history, linked});
  s.history = static_cast<uint32_t>(history_.size() - 1);
  ++s.history_count;
  history_open_ = true;
}

// What is allocated once, for the size of the program.
uint64_t Verifier::FixedMemory() const {
  constexpr uint64_t kPerInsn = sizeof(InsnInfo) + sizeof(InsnNotes) + sizeof(kept_[0]);
  return structure_.insns.size() * kPerInsn;
}

// All that grows with the paths. References are counted as if each state held as
// many as any.
bool Verifier::CheckMemoryBudget() {
  const uint64_t states = kept_count_ + pending_.size() + 1;
  most_references_ = std::max(most_references_, state().refs.size());
  const uint64_t used = fixed_memory_ + pool_.bytes() + states * sizeof(State) +
                        states * most_references_ * sizeof(Reference) +
                        pending_.capacity() * sizeof(Pending) +
                        history_.capacity() * sizeof(HistoryEntry) +
                        back_edges_ * sizeof(BackEdge) + visits_.size() * kVisitBytes +
                        log_.position() + (recording_ != nullptr ? recording_->bytes() : 0);
  peak_memory_ = std::max(peak_memory_, used);
  if (used > options_.max_memory) {
    return Reject(FindingCode::kOutOfMemory, {options_.max_memory});
  }
  return true;
}

// Puts `other` on the stack of paths to follow. Null if refused.
State* Verifier::PutAside(StatePtr other, uint32_t insn, int64_t previous) {
  if (pending_.size() + 1 > options_.max_pending) {
    Reject(FindingCode::kTooManyPaths, {pending_.size() + 1});
    return nullptr;
  }
  if (other->parent != nullptr) ++other->parent->branches;
  State* result = other.get();
  const uint32_t segment = recording_ != nullptr ? recording_->PutAside() : 0;
  pending_.push_back({std::move(other), insn, previous, log_.position(), history_.size(), segment});
  return CheckMemoryBudget() ? result : nullptr;
}

// The path that starts at `insn`, a copy of the current one. Null if refused.
State* Verifier::PushPath(uint32_t insn, uint32_t previous) {
  StatePtr other = pool_.NewState();
  other->CopyFrom(state());
  return PutAside(std::move(other), insn, previous);
}

// A path that starts at `insn` without a past: one empty frame. Null if refused.
State* Verifier::PushFresh(uint32_t insn) {
  StatePtr other = pool_.NewState();
  other->PushFrame();
  other->first_insn = insn;
  return PutAside(std::move(other), insn, -1);
}

void Verifier::FinishPath() {
  for (State* s = current_.get(); s != nullptr;) {
    if (--s->branches != 0) break;
    LeaveLoop(*s);
    State* parent = s->parent;
    if (s->evicted) DropEvicted(*s);
    s = parent;
  }
}

// Goes on with the path put aside last. Returns false if there is none.
bool Verifier::PopPath() {
  if (pending_.empty()) return false;
  Pending next = std::move(pending_.back());
  pending_.pop_back();
  if (!log_.On(kLogEveryInsn)) log_.RollBack(next.log_position);
  // Only back edges lead into the history of paths that have ended.
  if (back_edges_ == 0) history_.resize(next.history_size);
  current_ = std::move(next.state);
  last_marked_ = {};
  insn_ = next.insn;
  previous_insn_ = next.previous;
  if (recording_ != nullptr) recording_->Resume(next.segment);
  print_full_state_ = true;
  changes_.Clear();
  return true;
}

// The budget of steps, and now and then what else may end the walk.
bool Verifier::CheckSteps() {
  if (processed_ > options_.max_processed) return Reject(FindingCode::kTooComplex, {processed_});
  constexpr uint64_t kPause = 256;
  if (processed_ % kPause != 1) return true;
  if (options_.cancel != nullptr && options_.cancel->load(std::memory_order_relaxed)) {
    return Reject(FindingCode::kCancelled, {});
  }
  return CheckMemoryBudget();
}

bool Verifier::Explore(uint32_t subprogram) {
  if (!SetUpEntry(subprogram)) return false;
  if (recording_ != nullptr) recording_->Begin(subprogram);
  next_insn_ = structure_.subprograms[subprogram].start;
  insn_ = next_insn_;
  previous_insn_ = -1;
  print_full_state_ = true;
  changes_.Clear();
  last_marked_ = {};
  for (;;) {
    history_open_ = false;
    ++processed_;
    if (!CheckSteps()) return false;
    state().last_insn = static_cast<uint32_t>(previous_insn_);
    state().insn = insn_;
    if (recording_ != nullptr) recording_->Step(insn_);
    const InsnInfo& here = info(insn_);
    bool path_ends = false;
    if (here.prune_point) {
      const Visit visit = VisitPrunePoint();
      if (visit == Visit::kRefused) return false;
      path_ends = visit == Visit::kSeen;
      if (path_ends && log_.Paths()) LogSafe();
    }
    if (!path_ends) {
      if (here.jump_point) PushHistory(0, 0);
      if (log_.Paths()) LogInsn();
      if (!Step(&path_ends)) return false;
    }
    if (path_ends) {
      FinishPath();
      if (!PopPath()) break;
      continue;
    }
    previous_insn_ = insn_;
    insn_ = next_insn_;
  }
  current_.reset();
  // States of this function say nothing about another entry point.
  RetireKept();
  for (auto& kept : evicted_) Retire(std::move(kept));
  evicted_.clear();
  visits_.clear();
  visit_by_place_.clear();
  kept_count_ = 0;
  return true;
}

// Simulates the instruction at insn_ and sets next_insn_.
bool Verifier::Step(bool* path_ends) {
  const DecodedInsn& insn = info(insn_).insn;
  const OpInfo& op = Info(insn.op);
  notes_[insn_].fact.reached = true;
  next_insn_ = insn_ + static_cast<uint32_t>(insn.slots());
  switch (ClassOf(op.kind)) {
    case OpClass::kAlu:
      return StepAlu(insn);
    case OpClass::kCast:
      return StepCast(insn);
    case OpClass::kLoad:
      return StepLoad(insn);
    case OpClass::kStore:
      return StepStore(insn);
    case OpClass::kAtomic:
      return StepAtomic(insn);
    case OpClass::kPacketLoad:
      return StepPacketLoad(insn);
    case OpClass::kWideLoad:
      return StepWideLoad(insn);
    case OpClass::kJump:
      ++jumps_;
      next_insn_ = static_cast<uint32_t>(TargetOf(insn, insn_));
      return true;
    case OpClass::kBranch:
      ++jumps_;
      return StepBranch(insn);
    case OpClass::kMayGoto:
      ++jumps_;
      return StepMayGoto(insn);
    case OpClass::kCall:
      ++jumps_;
      return StepCall(insn, path_ends);
    case OpClass::kExit:
      ++jumps_;
      return StepExit(path_ends);
  }
  SKEP_UNREACHABLE();
}

bool Verifier::StepLoad(const DecodedInsn& insn) {
  const OpInfo& op = Info(insn.op);
  if (!CheckSource(insn.src) || !CheckDestination(insn.dst)) return false;
  const Register pointer = reg(insn.src);
  const bool atomic = op.kind == OpKind::kLoadAcquire;
  if (atomic && TakesNoAtomics(pointer)) {
    return Reject(FindingCode::kAtomicLoadTarget, {insn.src, KindName(pointer)});
  }
  return CheckMemory(insn.src, insn.off, op.width / 8, Access::kRead, insn.dst, atomic,
                     op.kind == OpKind::kLoadSx) &&
         CheckSameKind(pointer, !atomic);
}

bool Verifier::StepStore(const DecodedInsn& insn) {
  const OpInfo& op = Info(insn.op);
  const bool from_register = op.operands == Operands::kMemSrc;
  if (from_register && !CheckSource(insn.src)) return false;
  if (!CheckSource(insn.dst)) return false;
  const Register pointer = reg(insn.dst);
  const bool atomic = op.kind == OpKind::kStoreRelease;
  if (atomic && TakesNoAtomics(pointer)) {
    return Reject(FindingCode::kAtomicTarget, {insn.dst, KindName(pointer)});
  }
  return CheckMemory(insn.dst, insn.off, op.width / 8, Access::kWrite,
                     from_register ? insn.src : -1, atomic, false) &&
         CheckSameKind(pointer, false);
}

bool Verifier::StepAtomic(const DecodedInsn& insn) {
  const OpInfo& op = Info(insn.op);
  if (!CheckSource(insn.src) || !CheckSource(insn.dst)) return false;
  const bool compares = op.kind == OpKind::kCmpXchg;
  if (compares) {
    if (!CheckSource(0)) return false;
    if (LeaksPointer(0)) return Reject(FindingCode::kLeakIntoMemory, {0});
  }
  if (LeaksPointer(insn.src)) return Reject(FindingCode::kLeakIntoMemory, {insn.src});
  const Register pointer = reg(insn.dst);
  if (TakesNoAtomics(pointer) || (pointer.kind == RegKind::kArena && ArenaTakesNoAtomic(insn))) {
    return Reject(FindingCode::kAtomicTarget, {insn.dst, KindName(pointer)});
  }
  int loaded = -1;
  if (compares) loaded = 0;
  if (op.Has(kWritesSrc)) loaded = insn.src;
  const int size = op.width / 8;
  if (loaded >= 0 && !CheckDestination(loaded)) return false;
  if (!CheckMemory(insn.dst, insn.off, size, Access::kRead, -1, true, false)) return false;
  if (!CheckSameKind(pointer, false)) return false;
  if (loaded >= 0 && !CheckMemory(insn.dst, insn.off, size, Access::kRead, loaded, true, false)) {
    return false;
  }
  // As in Linux the old value is there by now: where it replaced the pointer, the
  // operation is refused.
  return CheckMemory(insn.dst, insn.off, size, Access::kWrite, -1, true, false);
}

// BPF_LD | BPF_ABS / IND: r0 = packet bytes, or the function that loads ends with 0.
bool Verifier::StepPacketLoad(const DecodedInsn& insn) {
  const OpInfo& op = Info(insn.op);
  if (!type_->ld_abs) return Reject(FindingCode::kLdAbsProgramType, {});
  if (!CheckSource(6)) return false;
  if (!CheckNothingHeld("BPF_LD_[ABS|IND]", true, false)) return false;
  const Register& context = reg(6);
  if (context.kind != RegKind::kContext) return Reject(FindingCode::kLdAbsContext, {});
  if (!CheckPointerOffset(context, 6, false)) return false;
  if (op.kind == OpKind::kLoadPacketInd) {
    if (!CheckSource(insn.src)) return false;
    if (LeaksPointer(insn.src)) return Reject(FindingCode::kLeakIntoHelper, {insn.src});
  }
  ClearCallerSaved();
  SetUnknown(0);
  if (state().depth == 0) return true;
  if (PushPath(insn_ + 1, insn_) == nullptr) return false;
  reg(0) = Register::Number(0);
  if (!ReturnFromSubprogram()) return false;
  print_full_state_ = false;
  return true;
}

bool Verifier::StepWideLoad(const DecodedInsn& insn) {
  if (!CheckDestination(insn.dst)) return false;
  Register& dst = reg(insn.dst);
  switch (Info(insn.op).kind) {
    case OpKind::kLoadImm:
      dst = Register::Number(static_cast<uint64_t>(insn.imm64));
      return true;
    case OpKind::kLoadMapFd:
    case OpKind::kLoadMapIdx:
      dst = Register::Pointer(RegKind::kMapPointer);
      dst.map = static_cast<uint32_t>(insn.imm);
      return true;
    case OpKind::kLoadMapValue:
    case OpKind::kLoadMapIdxValue:
      if (map(static_cast<uint32_t>(insn.imm)).type == MapType::kArena) {
        // An address as user space sees it, to be cast.
        dst = Register::Unknown();
        return true;
      }
      dst = Register::Pointer(RegKind::kMapValue);
      dst.map = static_cast<uint32_t>(insn.imm);
      dst.off = static_cast<int32_t>(insn.imm_high());
      return true;
    case OpKind::kLoadFunc: {
      const int target = structure_.SubprogramAt(TargetOf(insn, insn_));
      if (target == 0) return Reject(FindingCode::kCallbackIsMain, {});
      if (program_.data().btf == nullptr ||
          program_.subprograms()[static_cast<size_t>(target)].btf_type_id == 0) {
        return Reject(FindingCode::kMissingFuncInfo, {});
      }
      if (structure_.subprograms[static_cast<size_t>(target)].is_global) {
        return Reject(FindingCode::kCallbackNotStatic, {});
      }
      dst = Register::Pointer(RegKind::kFunction);
      dst.subprogram = static_cast<uint32_t>(target);
      return true;
    }
    case OpKind::kLoadBtfId:
      return LoadKernelSymbol(insn);
    default:
      SKEP_UNREACHABLE();
  }
}

bool Verifier::StepCall(const DecodedInsn& insn, bool* path_ends) {
  if (state().locks != 0 && Info(insn.op).kind == OpKind::kCallHelper &&
      static_cast<uint32_t>(insn.imm) != kSpinUnlock) {
    return Reject(FindingCode::kCallUnderLock, {});
  }
  switch (Info(insn.op).kind) {
    case OpKind::kCallLocal:
      return CallSubprogram(insn);
    case OpKind::kCallHelper:
      return CallHelper(insn);
    default:
      return CallKfunc(insn, path_ends);
  }
}

bool Verifier::StepExit(bool* path_ends) {
  if (!CheckNothingHeld("BPF_EXIT instruction in main prog", state().depth == 0, false)) {
    return false;
  }
  if (state().depth > 0) return ReturnFromSubprogram();
  if (!CheckReturnValue(0)) return false;
  *path_ends = true;
  return true;
}

}  // namespace skep::verifier
