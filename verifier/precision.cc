// SPDX-License-Identifier: Apache-2.0
// Precision: which numbers matter.
//
// Most numbers never decide whether a program is safe: a state may then cover
// another one in which they differ. When an instruction relies on the value of
// a number (an offset, a size, a branch that goes one way), the path is walked
// backwards from there, through the recorded jumps, and everything the number
// was computed from is marked precise in the states kept on the path.
//
//   1: r1 = *(u32 *)(r10 - 4)      state kept before 1: fp-8 becomes precise
//   2: r1 &= 7
//   3: r2 += r1                    r1 matters: walk back 2, 1
//
// Marks in the current state are of no use: only kept states are compared with.

#include <algorithm>

#include "verifier/helper_rules.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr uint16_t kArgsMask = 0x3e;

}  // namespace

bool PrecisionRequest::Empty() const {
  // Nothing is wanted of frames above the one walked through.
  for (uint32_t i = 0; i <= frame; ++i) {
    if (regs[i] != 0 || slots[i] != 0) return false;
  }
  return true;
}

bool Verifier::MarkPrecise(int number) {
  if (!bpf_capable() || !reg(number).IsScalar()) return true;
  const PathEnd& here = state();
  const auto wanted = static_cast<uint16_t>(1u << number);
  const bool again = last_marked_.IsAt(here, insn_);
  if (again && (last_marked_.regs & wanted) != 0) return true;
  PrecisionRequest request;
  request.frame = here.depth;
  request.SetReg(number);
  Backtrack(here, request);
  const auto before = again ? last_marked_.regs : uint16_t{0};
  last_marked_ = {here.history, insn_, here.depth, static_cast<uint16_t>(before | wanted)};
  return true;
}

// If one of the numbers that this instruction refined together matters, all do.
void Verifier::SyncLinked(const HistoryEntry* entry, PrecisionRequest& request) const {
  if (entry == nullptr || entry->linked == 0) return;
  const LinkedRegisters linked = LinkedRegisters::Unpack(entry->linked);
  const auto wanted = [&](const LinkedRegisters::Entry& e) {
    return e.is_register ? (request.regs[e.frame] >> e.index & 1) != 0
                         : (request.slots[e.frame] >> e.index & 1) != 0;
  };
  if (std::none_of(linked.begin(), linked.end(), wanted)) return;
  for (const LinkedRegisters::Entry& e : linked) {
    if (e.is_register) {
      request.regs[e.frame] = static_cast<uint16_t>(request.regs[e.frame] | 1u << e.index);
    } else {
      request.slots[e.frame] |= uint64_t{1} << e.index;
    }
  }
}

// Marks what is wanted in a kept state and drops from the request what is no
// number there, or marked already: what it came from is marked too then.
// Returns true if anything was marked.
bool Verifier::MarkRequested(State& s, PrecisionRequest& request) {
  bool changed = false;
  const auto marks = [](const Register& r) { return r.IsScalar() && !r.precise; };
  for (uint32_t f = 0; f < kMaxFrames; ++f) {
    if (f > s.depth) {
      request.regs[f] = 0;
      request.slots[f] = 0;
      continue;
    }
    for (uint32_t left = request.regs[f]; left != 0; left &= left - 1) {
      const auto i = static_cast<size_t>(__builtin_ctz(left));
      if (i < 10 && marks(s.frames[f]->regs[i])) {
        s.MutableFrame(f).regs[i].precise = changed = true;
      } else {
        request.regs[f] = static_cast<uint16_t>(request.regs[f] & ~(1u << i));
      }
    }
    for (uint64_t left = request.slots[f]; left != 0; left &= left - 1) {
      const auto i = static_cast<size_t>(__builtin_ctzll(left));
      const Stack& stack = s.frames[f]->stack;
      if (i < stack.size() && stack[i].IsSpill() && marks(stack[i].reg)) {
        s.MutableFrame(f).stack.Mutable(i).reg.precise = changed = true;
      } else {
        request.slots[f] &= ~(uint64_t{1} << i);
      }
    }
  }
  return changed;
}

// The walk has come to where another one began that wanted as much. The marks
// that follow from there are made: on this path nothing is forgotten.
bool Verifier::WasMarkedAt(uint32_t history, int64_t at, const PrecisionRequest& request) const {
  if (history != last_marked_.history || at != int64_t{last_marked_.insn}) return false;
  if (request.frame != last_marked_.frame) return false;
  for (uint32_t f = 0; f <= request.frame; ++f) {
    const uint16_t marked = f == request.frame ? last_marked_.regs : uint16_t{0};
    if (request.slots[f] != 0 || (request.regs[f] & ~marked) != 0) return false;
  }
  return true;
}

// Walks back from `end`, before the instruction there. Returns true if a kept
// state has got a new mark.
bool Verifier::Backtrack(const PathEnd& end, PrecisionRequest request) {
  if (!bpf_capable() || lockstep_ || request.Empty()) return false;
  bool changed = false;
  const PathEnd* s = &end;
  uint32_t first = s->first_insn;
  int64_t at = end.insn;
  int64_t next = -1;
  bool skip = true;
  for (;;) {
    uint32_t history = s->history;
    for (;;) {
      if (at < 0) {
        // The entry of a global function: its arguments may be any numbers.
        const bool only_arguments = (request.regs[0] & ~kArgsMask) == 0 && request.slots[0] == 0;
        return (!only_arguments && MarkAllPrecise(end)) || changed;
      }
      const HistoryEntry* entry = nullptr;
      if (history != s->history_start && history_[history].insn == static_cast<uint32_t>(at)) {
        entry = &history_[history];
      }
      if (!skip && BacktrackInsn(static_cast<uint32_t>(at), next, entry, request) ==
                       BacktrackResult::kGiveUp) {
        return MarkAllPrecise(end) || changed;
      }
      skip = false;
      if (request.Empty() || WasMarkedAt(history, at, request)) return changed;
      next = at;
      if (at == first) {
        if (history == s->history_start) break;
        if (entry != nullptr && entry->before == s->history_start) break;
      }
      if (entry != nullptr) {
        history = entry->before;
        at = static_cast<int32_t>(entry->previous);
      } else {
        --at;
        // The second slot of a wide load is no instruction.
        if (at >= 0 && info(static_cast<uint32_t>(at)).insn.op == Op::kInvalid) --at;
      }
    }
    if (s->parent == nullptr) break;
    State* parent = s->parent;
    if (MarkRequested(*parent, request)) changed = true;
    if (request.Empty()) return changed;
    next = first;
    s = parent;
    at = static_cast<int32_t>(s->last_insn);
    first = s->first_insn;
  }
  return MarkAllPrecise(end) || changed;
}

// What the request was before this instruction.
Verifier::BacktrackResult Verifier::BacktrackInsn(uint32_t at, int64_t next,
                                                  const HistoryEntry* entry,
                                                  PrecisionRequest& request) {
  const DecodedInsn& insn = info(at).insn;
  const OpInfo& op = Info(insn.op);
  const OpClass op_class = ClassOf(op.kind);
  // Most instructions write a register that is not wanted.
  const bool only_dst = op_class == OpClass::kAlu || op_class == OpClass::kLoad;
  if (entry == nullptr && only_dst && !request.HasReg(insn.dst)) return BacktrackResult::kOk;
  SyncLinked(entry, request);
  const bool on_stack = entry != nullptr && (entry->flags & kHistoryStackAccess) != 0;
  const uint32_t slot = on_stack ? entry->flags >> kHistorySlotShift & kHistorySlotMask : 0;
  const uint32_t slot_frame = on_stack ? entry->flags & kHistoryFrameMask : 0;
  const auto want_slot = [&] { request.slots[slot_frame] |= uint64_t{1} << slot; };

  switch (op_class) {
    case OpClass::kAlu: {
      if (!request.HasReg(insn.dst)) return BacktrackResult::kOk;
      const bool is_move = !op.Has(kReadsDst);
      const bool from_register = op.operands == Operands::kDstSrc;
      if (is_move) request.ClearReg(insn.dst);
      if (from_register && insn.src != kFramePointer) request.SetReg(insn.src);
      break;
    }
    case OpClass::kCast:
      request.ClearReg(insn.dst);
      break;
    case OpClass::kLoad:
      if (!request.HasReg(insn.dst)) return BacktrackResult::kOk;
      request.ClearReg(insn.dst);
      if (on_stack) want_slot();
      break;
    case OpClass::kAtomic: {
      int loaded = -1;
      if (op.kind == OpKind::kCmpXchg) loaded = 0;
      if (op.Has(kWritesSrc)) loaded = insn.src;
      if (loaded != insn.dst && request.HasReg(insn.dst)) return BacktrackResult::kGiveUp;
      if (loaded >= 0 && request.HasReg(loaded)) {
        request.ClearReg(loaded);
        if (on_stack) want_slot();
        break;
      }
      // The store side leaves an unknown number: a slot wanted after it is no
      // spill any more, so that nothing is wanted before it.
      if (on_stack) request.slots[slot_frame] &= ~(uint64_t{1} << slot);
      break;
    }
    case OpClass::kStore: {
      if (request.HasReg(insn.dst)) return BacktrackResult::kGiveUp;
      if (!on_stack || (request.slots[slot_frame] >> slot & 1) == 0) return BacktrackResult::kOk;
      request.slots[slot_frame] &= ~(uint64_t{1} << slot);
      if (op.operands == Operands::kMemSrc) request.SetReg(insn.src);
      break;
    }
    case OpClass::kPacketLoad:
      // Into the function that it ended with 0.
      if (next >= 0 && next != int64_t{at} + 1) {
        if (BacktrackReturn(next, request) == BacktrackResult::kGiveUp) {
          return BacktrackResult::kGiveUp;
        }
        request.ClearReg(0);
        return BacktrackResult::kOk;
      }
      if (request.HasReg(0)) return BacktrackResult::kGiveUp;
      return BacktrackResult::kOk;
    case OpClass::kWideLoad:
      request.ClearReg(insn.dst);
      return BacktrackResult::kOk;
    case OpClass::kJump:
    case OpClass::kMayGoto:
      break;
    case OpClass::kBranch:
      if (op.operands == Operands::kBranchReg &&
          (request.HasReg(insn.dst) || request.HasReg(insn.src))) {
        const uint32_t flags = entry != nullptr ? entry->flags : 0;
        if ((flags & kHistorySrcIsStack) == 0) request.SetReg(insn.src);
        if ((flags & kHistoryDstIsStack) == 0) request.SetReg(insn.dst);
      }
      break;
    case OpClass::kCall:
      if (op.kind == OpKind::kCallLocal &&
          !structure_.subprograms[static_cast<size_t>(structure_.SubprogramAt(TargetOf(insn, at)))]
               .is_global) {
        // Back out of the function that was called: its arguments are the
        // caller's, nothing else can be wanted there.
        if (request.frame == 0) return BacktrackResult::kGiveUp;
        const uint16_t wanted = request.regs[request.frame];
        if ((wanted & ~kArgsMask) != 0 || request.slots[request.frame] != 0) {
          return BacktrackResult::kGiveUp;
        }
        request.regs[request.frame] = 0;
        --request.frame;
        request.regs[request.frame] = static_cast<uint16_t>(request.regs[request.frame] | wanted);
        return BacktrackResult::kOk;
      }
      if (info(at).calls_back && next != int64_t{at} + 1) {
        // Back out of the callback: its arguments are not the caller's.
        const auto wanted = static_cast<uint16_t>(request.regs[request.frame] & ~kArgsMask);
        if (request.frame == 0 || wanted != 0 || request.slots[request.frame] != 0) {
          return BacktrackResult::kGiveUp;
        }
        request.regs[request.frame] = 0;
        --request.frame;
        return BacktrackResult::kOk;
      }
      // Into the function whose tail call ended it.
      if (IsTailCall(insn) && next >= 0 && next != int64_t{at} + 1) {
        if (BacktrackReturn(next, request) == BacktrackResult::kGiveUp) {
          return BacktrackResult::kGiveUp;
        }
        request.ClearReg(0);  // what the other program returned is any number
        return BacktrackResult::kOk;
      }
      request.ClearReg(0);
      if ((request.regs[request.frame] & kArgsMask) != 0) return BacktrackResult::kGiveUp;
      break;
    case OpClass::kExit:
      return BacktrackReturn(next, request);
  }
  SyncLinked(entry, request);
  return BacktrackResult::kOk;
}

// Back into the function that returned; `next` follows its call.
Verifier::BacktrackResult Verifier::BacktrackReturn(int64_t next, PrecisionRequest& request) {
  if (request.frame + 1 >= kMaxFrames || next < 1) return BacktrackResult::kGiveUp;
  const bool wants_r0 = request.HasReg(0);
  // A callback returns to the call itself, whose arguments may be wanted.
  const bool to_helper = info(static_cast<uint32_t>(next)).calls_back;
  if (!to_helper && (request.regs[request.frame] & kArgsMask) != 0) {
    return BacktrackResult::kGiveUp;
  }
  request.ClearReg(0);
  ++request.frame;
  if (wants_r0) request.SetReg(0);
  return BacktrackResult::kOk;
}

// The big hammer, where walking back is not possible.
bool Verifier::MarkAllPrecise(const PathEnd& end) {
  bool changed = false;
  for (State* s = end.parent; s != nullptr; s = s->parent) {
    ChangeRegisters(
        *s, [](const Register& r) { return r.IsScalar() && !r.precise; },
        [&](Register& r) {
          r.precise = true;
          changed = true;
        });
  }
  return changed;
}

}  // namespace skep::verifier
