// SPDX-License-Identifier: Apache-2.0
// Pruning: a path ends where a state kept before covers it, since all that can
// follow has been followed from there.
//
// "Covers" ignores what does not matter: registers that are never read again
// (live_before), stack slots that no path from the kept state read
// (Frame::read), and the values of numbers that are not marked precise
// (precision.cc). These marks are complete once all paths from the kept state
// are finished (branches == 0); only then is it compared with.
//
// Loops that close by comparison are the exception: the marks of their states are
// complete only when the whole loop is finished (loops.cc). Until then everything
// that is stored matters.
//
// Sound because: old covers new if each concrete machine state in new is one in
// old, up to values that no path from old distinguished; so each path from new
// is like one that was verified.

#include <algorithm>
#include <bit>

#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

// Everything but ids, precision and, if asked, the value.
bool SameShape(const Register& a, const Register& b) {
  return a.kind == b.kind && a.flags == b.flags && a.frame == b.frame && a.off == b.off &&
         a.map == b.map && a.size == b.size && a.first_slot == b.first_slot &&
         a.iterator == b.iterator;
}

// Eight times the same kind of byte.
constexpr uint64_t Eight(StackByte b) { return 0x0101010101010101 * static_cast<uint64_t>(b); }

bool IsAllMisc(const StackSlot& slot, bool allow_uninitialised) {
  const auto bytes = std::bit_cast<uint64_t>(slot.bytes);
  if (!allow_uninitialised) return bytes == Eight(StackByte::kMisc);
  static_assert(static_cast<int>(StackByte::kInvalid) == 0 &&
                static_cast<int>(StackByte::kMisc) == 1);
  return (bytes & ~Eight(StackByte::kMisc)) == 0;
}

}  // namespace

void IdMap::Reset(uint32_t next_temporary) {
  pairs_.clear();
  next_temporary_ = next_temporary;
}

bool IdMap::Same(uint32_t old_id, uint32_t new_id) {
  if ((old_id != 0) != (new_id != 0)) return false;
  if (old_id == 0) return true;
  for (const Pair& p : pairs_) {
    if (p.old_id == old_id) return p.new_id == new_id;
    if (p.new_id == new_id) return false;
  }
  pairs_.push_back({old_id, new_id});
  return true;
}

bool IdMap::SameScalar(uint32_t old_id, uint32_t new_id) {
  if (old_id == 0) return true;
  if (new_id == 0) new_id = ++next_temporary_;
  if (!Same(old_id, new_id)) return false;
  return (old_id & kLinkedByDelta) == 0 || Same(old_id & ~kLinkedByDelta, new_id & ~kLinkedByDelta);
}

bool Verifier::RegisterCovers(const Register& old_reg, const Register& current, Compare how) {
  const auto exact = [&] {
    return SameShape(old_reg, current) && old_reg.var == current.var &&
           ids_.Same(old_reg.id, current.id) && ids_.Same(old_reg.ref_id, current.ref_id);
  };
  if (how == Compare::kExact) return exact();
  if (old_reg.kind == RegKind::kNotInit) {
    return how == Compare::kInexact || current.kind == RegKind::kNotInit;
  }
  if (old_reg.kind != current.kind || old_reg.flags != current.flags) return false;
  const auto within = [&] { return current.var.IsSubsetOf(old_reg.var); };
  switch (old_reg.kind) {
    case RegKind::kScalar: {
      const bool matters = old_reg.precise || !bpf_capable();
      if (!matters && how == Compare::kInexact) return true;
      const uint32_t old_delta = old_reg.id & kLinkedByDelta;
      const uint32_t new_delta = current.id & kLinkedByDelta;
      if (old_reg.id != 0 && old_delta != new_delta) return false;
      if (old_delta != 0 && old_reg.off != current.off) return false;
      return ids_.SameScalar(old_reg.id, current.id) && within();
    }
    case RegKind::kMapKey:
    case RegKind::kMapValue:
    case RegKind::kMemory:
      return SameShape(old_reg, current) && within() && ids_.Same(old_reg.id, current.id) &&
             ids_.Same(old_reg.ref_id, current.ref_id);
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
      if (old_reg.range < 0 || current.range < 0) {
        if (old_reg.range != current.range) return false;
      } else if (old_reg.range > current.range) {
        return false;
      }
      return old_reg.off == current.off && ids_.Same(old_reg.id, current.id) && within();
    case RegKind::kTracingBuffer:
    case RegKind::kBuffer:
      return SameShape(old_reg, current) && within() && ids_.Same(old_reg.id, current.id) &&
             ids_.Same(old_reg.ref_id, current.ref_id);
    case RegKind::kArena:
      return true;
    case RegKind::kNotInit:
    case RegKind::kContext:
    case RegKind::kMapPointer:
    case RegKind::kStack:
    case RegKind::kPacketEnd:
    case RegKind::kFunction:
    case RegKind::kFlowKeys:
    case RegKind::kSocket:
    case RegKind::kSockCommon:
    case RegKind::kTcpSock:
    case RegKind::kXdpSock:
    case RegKind::kBtfId:
    case RegKind::kDynptr:
    case RegKind::kIterator:
      return exact();
  }
  return false;
}

// What Linux's own types keep in a slot. How many rounds an iterator made does
// not matter: that is how loops around it come to an end.
bool Verifier::SpecialSlotCovers(const Register& old_reg, const Register& current) {
  return old_reg.kind == current.kind && old_reg.flags == current.flags &&
         old_reg.btf == current.btf && old_reg.btf_id == current.btf_id &&
         old_reg.first_slot == current.first_slot && old_reg.iterator == current.iterator &&
         ids_.Same(old_reg.id, current.id) && ids_.Same(old_reg.ref_id, current.ref_id);
}

bool Verifier::StackCovers(const Frame& old_frame, const Frame& current, uint64_t read,
                           Compare how) {
  const bool same_bytes = how == Compare::kExact || how == Compare::kSameBytes;
  if (same_bytes && old_frame.stack.size() > current.stack.size()) return false;
  // Slots that no path read do not matter, once all paths are known.
  uint64_t left = how == Compare::kInexact ? read : ~uint64_t{0};
  if (old_frame.stack.size() < 64) left &= (uint64_t{1} << old_frame.stack.size()) - 1;
  for (; left != 0; left &= left - 1) {
    const auto i = static_cast<size_t>(__builtin_ctzll(left));
    const StackSlot* slot = i < current.stack.size() ? &current.stack[i] : nullptr;
    if (same_bytes && old_frame.stack[i].bytes != slot->bytes) return false;
    if (!SlotCovers(old_frame.stack[i], slot, how)) return false;
  }
  return true;
}

// `slot` is null where the current frame does not reach that far.
bool Verifier::SlotCovers(const StackSlot& old_slot, const StackSlot* slot, Compare how) {
  if (old_slot.IsSpecial()) {
    return slot != nullptr && old_slot.bytes == slot->bytes &&
           SpecialSlotCovers(old_slot.reg, slot->reg);
  }
  const bool old_misc = IsAllMisc(old_slot, allow_ptr_leaks());
  if (old_misc && allow_ptr_leaks()) return true;  // any number, pointers read as numbers too
  if (slot != nullptr && (old_misc || old_slot.IsFullScalarSpill())) {
    const bool is_spill = slot->IsFullScalarSpill();
    if (is_spill || IsAllMisc(*slot, allow_ptr_leaks())) {
      return RegisterCovers(old_misc ? Register::Unknown() : old_slot.reg,
                            is_spill ? slot->reg : Register::Unknown(), how);
    }
  }
  for (size_t b = 0; b < kSlotBytes; ++b) {
    const StackByte old_byte = old_slot.bytes[b];
    if (old_byte == StackByte::kInvalid) continue;
    if (old_byte == StackByte::kMisc && allow_ptr_leaks()) continue;
    if (slot == nullptr) return false;
    if (old_byte == StackByte::kMisc && slot->bytes[b] == StackByte::kZero) continue;
    if (old_byte != slot->bytes[b]) return false;
  }
  return !old_slot.IsSpill() || RegisterCovers(old_slot.reg, slot->reg, how);
}

bool Verifier::FramesEqual(const Frame& old_frame, const Frame& current, uint16_t live,
                           uint64_t read, Compare how) {
  // More rounds of a callback are left to follow from the older state.
  if (old_frame.callback_depth > current.callback_depth) return false;
  // What they run as: what may be returned, and to whom.
  if (old_frame.in_async_callback != current.in_async_callback ||
      old_frame.callback_min != current.callback_min ||
      old_frame.callback_max != current.callback_max) {
    return false;
  }
  for (size_t i = 0; i < old_frame.regs.size(); ++i) {
    if (how != Compare::kExact && i < 10 && (live >> i & 1) == 0) continue;
    if (!RegisterCovers(old_frame.regs[i], current.regs[i], how)) return false;
  }
  return StackCovers(old_frame, current, read, how);
}

// References, locks and open sections are the same.
bool Verifier::SameHeld(const State& old_state, const State& current) {
  if (old_state.refs.size() != current.refs.size() || old_state.locks != current.locks ||
      old_state.rcu_sections != current.rcu_sections ||
      old_state.preempt_sections != current.preempt_sections ||
      old_state.sleepable != current.sleepable || !ids_.Same(old_state.irq_id, current.irq_id)) {
    return false;
  }
  for (size_t i = 0; i < old_state.refs.size(); ++i) {
    const Reference& a = old_state.refs[i];
    const Reference& b = current.refs[i];
    if (a.kind != b.kind || a.lock != b.lock || !ids_.Same(a.id, b.id)) return false;
  }
  return true;
}

bool Verifier::StatesEqual(const State& old_state, const State& current, Compare how) {
  if (!SameCallsites(old_state, current)) return false;
  ids_.Reset(next_id_);
  if (!SameHeld(old_state, current)) return false;
  for (uint32_t i = 0; i <= old_state.depth; ++i) {
    const uint32_t at = i == old_state.depth ? old_state.insn : old_state.frames[i + 1]->callsite;
    if (!FramesEqual(*old_state.frames[i], *current.frames[i], info(at).live_before,
                     old_state.read[i], how)) {
      return false;
    }
  }
  return true;
}

// A quick look before the exact comparison.
bool Verifier::StatesMaybeLoop(const State& old_state, const State& current) {
  if (old_state.depth != current.depth) return false;
  const auto same = [&](size_t i) {
    const Register& a = old_state.reg(i);
    const Register& b = current.reg(i);
    return a.var == b.var && SameShape(a, b) && a.id == b.id && a.ref_id == b.ref_id;
  };
  // What differed the last time is likely to differ again: a loop's counter.
  if (!same(last_difference_)) return false;
  for (size_t i = 0; i < 11; ++i) {
    if (!same(i)) {
      last_difference_ = i;
      return false;
    }
  }
  return true;
}

// Forgets what no path from this finished state read.
void Verifier::Clean(State& s) {
  s.cleaned = true;
  for (uint32_t f = 0; f <= s.depth; ++f) {
    const uint32_t at = f == s.depth ? s.insn : s.frames[f + 1]->callsite;
    const uint16_t live = info(at).live_before;
    Frame& frame = s.MutableFrame(f);
    for (size_t i = 0; i < 10; ++i) {
      if ((live >> i & 1) == 0) frame.regs[i] = Register{};
    }
    frame.stack.KeepOnly(s.read[f]);
  }
}

// Drops from `copy` all that StatesEqual does not ask of a state that `kept`
// covers: that is what may be relied upon where it covered a path.
void Verifier::KeepWhatMatters(const State& kept, State& copy) {
  copy.read = kept.read;
  Clean(copy);
  if (!bpf_capable()) return;
  ChangeRegisters(
      copy, [](const Register& r) { return r.IsScalar() && !r.precise; },
      [](Register& r) { r = Register::Unknown(); });
}

size_t Verifier::BucketOf(uint32_t insn) const {
  return (insn ^ current_->frame().callsite) % kept_.size();
}

// These slots of frame `f` are read at the end of this path: they matter in the
// states on it up to where they were written. Returns true if that is new.
//
// A state that has the mark has passed it on, so the walk ends there.
bool Verifier::MarkSlotsRead(const PathEnd& end, uint32_t f, uint64_t slots) {
  bool changed = false;
  slots &= ~end.written[f];
  for (State* s = end.parent; s != nullptr && slots != 0 && s->depth >= f; s = s->parent) {
    slots &= ~s->read[f];
    if (slots == 0) break;
    s->read[f] |= slots;
    changed = true;
    slots &= ~s->written[f];
  }
  return changed;
}

// What mattered from `old_state` on matters at the end of a path that goes on
// alike. Returns true if that was not known for all states on the path.
bool Verifier::PropagateFrom(const State& old_state, const PathEnd& end) {
  bool changed = false;
  PrecisionRequest request;
  request.frame = end.depth;
  for (uint32_t f = 0; f <= old_state.depth; ++f) {
    if (MarkSlotsRead(end, f, old_state.read[f])) changed = true;
    const Frame& frame = *old_state.frames[f];
    for (size_t i = 0; i < 10; ++i) {
      if (frame.regs[i].IsScalar() && frame.regs[i].precise) {
        request.regs[f] = static_cast<uint16_t>(request.regs[f] | 1u << i);
      }
    }
    for (size_t i = 0; i < frame.stack.size(); ++i) {
      const StackSlot& slot = frame.stack[i];
      if (slot.IsScalarSpill() && slot.reg.precise) request.slots[f] |= uint64_t{1} << i;
    }
  }
  return Backtrack(end, request) || changed;
}

// Numbers that changed since the last time round and are not known to matter
// become any number, so that the loop comes to an end.
void Verifier::WidenImprecise(const State& previous, State& current) {
  ids_.Reset(next_id_);
  const auto widens = [&](const Register& before, const Register& now) {
    return before.IsScalar() && now.IsScalar() && !before.precise && !now.precise &&
           !RegisterCovers(before, now, Compare::kExact);
  };
  for (uint32_t f = 0; f <= previous.depth && f <= current.depth; ++f) {
    const Frame& before = *previous.frames[f];
    const FrameRef& now = current.frames[f];
    for (size_t i = 0; i < 10; ++i) {
      if (widens(before.regs[i], now->regs[i])) {
        current.MutableFrame(f).regs[i] = Register::Unknown();
      }
    }
    for (size_t i = 0; i < std::min(before.stack.size(), now->stack.size()); ++i) {
      if (!before.stack[i].IsSpill() || !now->stack[i].IsSpill()) continue;
      if (widens(before.stack[i].reg, now->stack[i].reg)) {
        current.MutableFrame(f).stack.Mutable(i).reg = Register::Unknown();
      }
    }
  }
}

// The loop around this instruction has come round to `old_state`, on this path,
// and nothing is new: what Linux ends loops by.
bool Verifier::ComesRound(const State& old_state) {
  const State& current = state();
  const InsnInfo& here = info(insn_);
  const bool may_goto = Info(here.insn.op).kind == OpKind::kMayGoto &&
                        old_state.may_goto_depth != current.may_goto_depth;
  if (!may_goto && !here.calls_back && !here.iterator_next) return false;
  return StatesEqual(old_state, current, Compare::kSameBytes) &&
         (!here.iterator_next || IteratorIsActive());
}

// Nothing has changed since `old_state`, on this path: the loop never ends.
bool Verifier::IsInfiniteLoop(const State& old_state) {
  const State& current = state();
  const InsnInfo& here = info(insn_);
  // Another entry into a callback that asks for itself again is no loop.
  if (old_state.frame().in_async_callback &&
      old_state.frame().async_entries != current.frame().async_entries) {
    return false;
  }
  return !here.calls_back && !here.iterator_next &&
         old_state.may_goto_depth == current.may_goto_depth &&
         old_state.callback_depth == current.callback_depth &&
         StatesMaybeLoop(old_state, current) && StatesEqual(old_state, current, Compare::kExact) &&
         !RoundsDiffer(old_state, current);
}

// The current path ends: `old_state` covers it.
Verifier::Visit Verifier::GoOnLike(State& old_state, bool incomplete) {
  ++old_state.hits;
  if (info(insn_).jump_point) PushHistory(0, 0);
  PropagateFrom(old_state, state());
  if (incomplete && !AddBackEdge(old_state)) return Visit::kRefused;
  return Covered(old_state);
}

void Verifier::CountPeakStates() {
  peak_states_ = std::max<uint64_t>(peak_states_, kept_count_ + back_edges_);
}

// Compares the current state with those kept here, and keeps it if it may help
// later paths. When to keep one, and when to drop one that never helps, follows
// Linux, so that the number of processed instructions is alike.
Verifier::Visit Verifier::VisitPrunePoint() {
  State& current = state();
  const InsnInfo& here = info(insn_);
  const bool force_new = keep_all_states_ || here.checkpoint || current.history_count > 40;
  const uint64_t jumps = jumps_ - last_kept_jumps_;
  const uint64_t insns = processed_ - last_kept_processed_;
  bool add_new = force_new || (jumps >= 2 && insns >= 8);

  uint64_t count = 0;
  for (State** link = &kept_[BucketOf(insn_)]; *link != nullptr;) {
    State& old_state = **link;
    ++count;
    if (old_state.insn != insn_) {
      link = &old_state.next;
      continue;
    }
    if (old_state.branches != 0) {
      if (ComesRound(old_state)) return GoOnLike(old_state, true);
      if (IsInfiniteLoop(old_state)) {
        Reject(FindingCode::kInfiniteLoop, {insn_});
        return Visit::kRefused;
      }
      if (!force_new && jumps < 20 && insns < 100) add_new = false;
    } else if (SameCallsites(old_state, current)) {
      const Compare how = HowToCompare(old_state);
      if (how == Compare::kInexact && !old_state.cleaned) Clean(old_state);
      if (StatesEqual(old_state, current, how)) {
        return GoOnLike(old_state, how != Compare::kInexact);
      }
    }
    if (add_new) ++old_state.misses;
    const uint32_t patience = here.checkpoint && old_state.branches > 0 ? 64 : 3;
    if (old_state.misses > old_state.hits * patience + patience) {
      *link = old_state.next;
      Evict(StatePtr(&old_state));
    } else {
      link = &old_state.next;
    }
  }
  max_states_per_insn_ = std::max(max_states_per_insn_, count);
  if (!add_new) return Visit::kNew;
  KeepState();
  return CheckMemoryBudget() ? Visit::kNew : Visit::kRefused;
}

Verifier::Visit Verifier::Covered(State& by) {
  if (recording_ != nullptr) recording_->Cover(by);
  return Visit::kSeen;
}

// Nobody compares with this state any more.
void Verifier::Retire(StatePtr kept) {
  if (recording_ != nullptr) recording_->Retire(std::move(kept));
}

void Verifier::RetireKept() {
  for (State*& first : kept_) {
    while (first != nullptr) {
      StatePtr kept(first);
      first = kept->next;
      Retire(std::move(kept));
    }
  }
}

void Verifier::KeepState() {
  State& current = state();
  ++total_states_;
  ++kept_count_;
  CountPeakStates();
  last_kept_jumps_ = jumps_;
  last_kept_processed_ = processed_;
  StatePtr kept = pool_.NewState();
  kept->CopyFrom(current);
  if (recording_ != nullptr) recording_->Keep(*kept);
  EnterLoop(*kept);
  current.parent = kept.get();
  current.first_insn = insn_;
  current.history_start = current.history;
  current.history_count = 0;
  current.written.fill(0);
  ++current.path_depth;
  State*& first = kept_[BucketOf(insn_)];
  kept->next = first;
  first = kept.release();
}

}  // namespace skep::verifier
