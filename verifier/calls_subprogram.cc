// SPDX-License-Identifier: Apache-2.0
// Calls between functions of the program. A static function is followed at each
// call, with what the caller knows; a global one is verified by itself.

#include <algorithm>
#include <set>
#include <tuple>

#include "verifier/helper_rules.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr uint32_t kMaxCombinedStack = 512;
constexpr uint32_t kMaxStackAboveTailCall = 256;

uint32_t RoundUp(uint32_t v, uint32_t to) { return (v + to - 1) / to * to; }

}  // namespace

const GlobalPrototype* Verifier::PrototypeOf(uint32_t subprogram) {
  std::unique_ptr<GlobalPrototype>& slot = prototypes_[subprogram];
  if (slot == nullptr) {
    slot = std::make_unique<GlobalPrototype>(ReadGlobalPrototype(program_, *type_, subprogram));
  }
  return slot.get();
}

bool Verifier::CallSubprogram(const DecodedInsn& insn) {
  const auto target = static_cast<uint32_t>(structure_.SubprogramAt(TargetOf(insn, insn_)));
  const SubprogramInfo& callee = structure_.subprograms[target];
  if (callee.is_global) return CallGlobal(target);

  State& s = state();
  if (s.depth + 1 >= max_frames()) return Reject(FindingCode::kCallDepth, {s.depth + 2});
  Frame& caller = s.frame();
  PushFrame(s, target);
  for (size_t i = 1; i <= 5; ++i) s.reg(i) = caller.regs[i];
  for (size_t i = 0; i <= 5; ++i) caller.regs[i] = Register{};
  changes_.regs |= 0x3f;
  next_insn_ = callee.start;
  if (log_.Paths()) {
    log_.Append("caller:\n" + FrameText(s, s.depth - 1, referents(), nullptr) + "\n");
    log_.Append("callee:\n" + FrameText(s, s.depth, referents(), nullptr) + "\n");
  }
  return true;
}

// Enters `subprogram`, called at insn_.
void Verifier::PushFrame(State& s, uint32_t subprogram) {
  Frame& frame = s.PushFrame();
  frame.callsite = insn_;
  frame.subprogram = subprogram;
  s.written[s.depth] = ~uint64_t{0};  // a new frame: nothing before the call can be read
  frame.regs[10] = Register::Pointer(RegKind::kStack);
  frame.regs[10].frame = static_cast<uint8_t>(s.depth);
}

// A helper that calls a function of the program any number of times: one path
// goes on behind the helper, another enters the function and comes back to the
// helper (ReturnFromCallback), until a state there covers it.
bool Verifier::CallBack(const HelperSpec& helper, const CallInfo& call) {
  Frame& caller = state().frame();
  if (helper.id == kLoop) {
    if (!NoteLoop(call.callback)) return false;
    if (!reg(1).IsScalar()) return Reject(FindingCode::kCallbackCount, {});
    if (!MarkPrecise(1)) return false;
    if (caller.callback_depth >= reg(1).var.wide.umax) {
      caller.callback_depth = 0;
      return true;
    }
  }
  if (state().depth + 1 >= max_frames()) {
    return Reject(FindingCode::kCallDepth, {state().depth + 2});
  }
  structure_.subprograms[call.callback].is_callback = true;
  State* other = PushPath(structure_.subprograms[call.callback].start, insn_);
  if (other == nullptr) return false;
  ++other->callback_depth;
  ++other->frame().callback_depth;
  PushFrame(*other, call.callback);
  other->frame().in_callback = true;
  const Frame& from = *other->frames[other->depth - 1];
  Frame& callee = other->frame();
  if (!SetCallbackArguments(helper, from, callee)) return false;
  caller.callback_depth = 0;
  return true;
}

// Linux compiles bpf_loop to a loop where it is always called with the same
// function and without flags.
bool Verifier::NoteLoop(uint32_t callback) {
  const Register& flags = reg(4);
  const bool no_flags = flags.IsScalar() && flags.var.bits.IsConst() && flags.var.value() == 0;
  InsnNotes& notes = notes_[insn_];
  uint16_t& noted = notes.fact.callback;
  if (!notes.loop_seen) {
    notes.loop_seen = true;
    noted = no_flags ? static_cast<uint16_t>(callback) : uint16_t{0};
  } else if (!no_flags || noted != callback) {
    noted = 0;
  }
  return !no_flags || MarkPrecise(4);
}

// Back to the helper, which may call again.
bool Verifier::ReturnFromCallback() {
  State& s = state();
  if (!reg(0).IsScalar()) return Reject(FindingCode::kCallbackNotScalar, {});
  const ReturnRange range{
      .checked = true, .min = s.frame().callback_min, .max = s.frame().callback_max};
  if (!CheckValueRange(0, "At callback return", range, false)) return false;
  next_insn_ = s.frame().callsite;
  s.PopFrame();
  if (lockstep_) return true;
  const State* previous = PreviousEntry(next_insn_, s.path_depth);
  if (previous != nullptr) WidenImprecise(*previous, s);
  print_full_state_ = true;
  return true;
}

// Returns to the instruction after the call.
bool Verifier::ReturnFromSubprogram() {
  State& s = state();
  changes_.regs |= 1;
  if (reg(0).kind == RegKind::kStack) return Reject(FindingCode::kStackPointerReturned, {});
  if (s.frame().in_callback) return ReturnFromCallback();
  const uint32_t callsite = s.frame().callsite;
  if (log_.Paths()) {
    log_.Append("returning from callee:\n" + FrameText(s, s.depth, referents(), nullptr) + "\n");
  }
  const Register result = s.reg(0);
  s.PopFrame();
  s.reg(0) = result;
  next_insn_ = callsite + 1;
  if (log_.Paths()) {
    log_.Append("to caller at " + std::to_string(next_insn_) + ":\n" +
                FrameText(s, s.depth, referents(), nullptr) + "\n");
  }
  print_full_state_ = true;
  return true;
}

// A tail call in a subprogram has two outcomes: it fails and the subprogram goes
// on, or another program runs and then the subprogram's caller goes on, with that
// program's result; what the subprogram would have done after the call is not done.
//
// Sound because: both are followed. The other program is a program of its own: it
// may move packet data and return any number, but it knows none of this one's
// registers and stack.
bool Verifier::ReturnByTailCall() {
  if (state().depth == 0) return true;
  if (PushPath(insn_ + 1, insn_) == nullptr) return false;
  InvalidatePackets();
  reg(0) = Register::Unknown();
  if (!ReturnFromSubprogram()) return false;
  print_full_state_ = false;
  return true;
}

// The stack of each chain of calls, from the main function and from each
// callback that runs later.
bool Verifier::CheckStackDepths() {
  insn_ = static_cast<uint32_t>(structure_.insns.size());
  for (uint32_t s = 0; s < structure_.subprograms.size(); ++s) {
    if (s != 0 && s != structure_.exception_callback &&
        !structure_.subprograms[s].is_async_callback) {
      continue;
    }
    if (!CheckStackDepthFrom(s)) return false;
  }
  return true;
}

// Depth first over the call graph. Calls cannot recurse forever: a chain of
// more than max_frames is refused. What is said about a function depends on the
// length and the bytes of the chain above it alone, so that each such case is
// looked at once.
bool Verifier::CheckStackDepthFrom(uint32_t start) {
  struct Level {
    uint32_t subprogram;
    uint32_t next;   // where to look for the next call
    uint32_t depth;  // bytes of the chain, this function included
  };
  const auto own_depth = [&](uint32_t s) {
    return RoundUp(structure_.subprograms[s].stack_depth, 16);
  };
  std::vector<Level> chain;
  std::set<std::tuple<uint32_t, size_t, uint32_t>> done;  // function, frames, bytes
  const auto enter = [&](uint32_t s) {
    const uint32_t before = chain.empty() ? 0 : chain.back().depth;
    if (!done.insert({s, chain.size(), before}).second) return true;
    if (s != start && structure_.subprograms[s].has_tail_call && before >= kMaxStackAboveTailCall) {
      return Reject(FindingCode::kStackWithTailCall, {before});
    }
    const uint32_t depth = before + own_depth(s);
    if (!type_->private_stack && depth > kMaxCombinedStack) {
      return Reject(FindingCode::kStackCombined, {chain.size() + 1, depth});
    }
    if (chain.size() + 1 > max_frames()) {
      return Reject(FindingCode::kCallDepthStatic, {chain.size() + 1});
    }
    stack_depth_ = std::max(stack_depth_, depth);
    chain.push_back({s, structure_.subprograms[s].start, depth});
    return true;
  };
  const auto functions = [&] {
    std::vector<uint32_t> out;
    for (const Level& l : chain) out.push_back(l.subprogram);
    return out;
  };
  if (!enter(start)) return false;
  while (!chain.empty()) {
    Level& level = chain.back();
    const SubprogramInfo& sub = structure_.subprograms[level.subprogram];
    int callee = -1;
    for (; level.next < sub.end && callee < 0; ++level.next) {
      const DecodedInsn& insn = info(level.next).insn;
      if (insn.op == Op::kInvalid) continue;
      const OpKind kind = Info(insn.op).kind;
      if (kind == OpKind::kCallKfunc && !CheckThrow(level.next, functions())) return false;
      // A function whose address is taken is a callback: it runs on top too.
      if (kind == OpKind::kCallLocal || kind == OpKind::kLoadFunc) {
        callee = structure_.SubprogramAt(TargetOf(insn, level.next));
      }
      // One that runs later has a stack of its own.
      if (kind == OpKind::kLoadFunc && callee >= 0 &&
          structure_.subprograms[static_cast<size_t>(callee)].is_async_callback) {
        callee = -1;
      }
    }
    if (callee >= 0 && static_cast<uint32_t>(callee) == structure_.exception_callback) {
      return Reject(FindingCode::kExceptionCallbackCalled, {level.next - 1});
    }
    if (callee < 0) {
      chain.pop_back();
    } else if (!enter(static_cast<uint32_t>(callee))) {
      return false;
    }
  }
  return true;
}

}  // namespace skep::verifier
