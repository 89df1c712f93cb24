// SPDX-License-Identifier: Apache-2.0
#include "verifier/lockstep.h"

#include <algorithm>
#include <utility>

#include "verifier/log.h"

namespace skep::verifier {

Lockstep::Lockstep(Program program, const Environment& environment, const VerifyOptions& options)
    : program_(std::move(program)), options_(options), verifier_(program_, environment, options_) {
  verifier_.Record();
  report_.accepted = verifier_.Run();
  report_.findings = verifier_.TakeFindings();
  report_.statistics = verifier_.statistics();
  if (!report_.accepted) return;
  facts_ = verifier_.MakeFacts();
  recording_ = std::move(verifier_.recording_);
  verifier_.lockstep_ = true;
  first_free_id_ = verifier_.next_id_;
}

Lockstep::~Lockstep() = default;

bool Lockstep::Fail(std::string why) {
  failure_ = std::move(why);
  return false;
}

std::string Lockstep::StateText() const {
  std::string out;
  if (verifier_.current_ == nullptr) return out;
  const State& s = *verifier_.current_;
  for (uint32_t f = 0; f <= s.depth; ++f) {
    if (f > 0) out += ";";
    out += FrameText(s, f, verifier_.referents(), nullptr);
  }
  return out;
}

std::string Lockstep::Describe(const Register& reg, uint32_t frame) const {
  return RegisterText(reg, verifier_.referents(), frame);
}

size_t Lockstep::SubprogramAt(uint32_t slot) const {
  const auto& subs = verifier_.structure_.subprograms;
  size_t i = subs.size() - 1;
  while (i > 0 && subs[i].start > slot) --i;
  return i;
}

bool Lockstep::Begin(Witness& run) {
  outer_.clear();
  verifier_.next_id_ = first_free_id_;
  return BeginAt(0, run);
}

bool Lockstep::BeginAt(uint32_t subprogram, Witness& run) {
  failure_.clear();
  verifier_.pending_.clear();
  const int64_t segment = recording_->EntryOf(subprogram);
  if (segment < 0) {
    return Fail("enters " + program_.subprograms()[subprogram].name + "(), which was not verified");
  }
  if (!verifier_.SetUpEntry(subprogram)) return Fail("the entry state cannot be made again");
  walk_ = Walk{};
  walk_.segment = static_cast<uint32_t>(segment);
  if (subprogram != 0) run.EnterGlobal(state());
  std::string why;
  if (!run.Within(state(), &why)) return Fail("at entry, " + why);
  return true;
}

bool Lockstep::IsAlu(uint32_t insn) const {
  return ClassOf(Info(verifier_.info(insn).insn.op).kind) == OpClass::kAlu;
}

// The global function that the last step called, if it starts at `target`; else -1.
int64_t Lockstep::GlobalCalledAt(uint32_t target) const {
  const DecodedInsn& last = verifier_.info(walk_.last).insn;
  if (Info(last.op).kind != OpKind::kCallLocal) return -1;
  const int subprogram = verifier_.structure_.SubprogramAt(TargetOf(last, walk_.last));
  const SubprogramInfo& callee = verifier_.structure_.subprograms[static_cast<size_t>(subprogram)];
  return callee.is_global && callee.start == target ? subprogram : -1;
}

// A packet load that failed ends a global function, which has a walk of its own.
bool Lockstep::LeftByPacketLoad(uint32_t insn) const {
  return ClassOf(Info(verifier_.info(walk_.last).insn.op).kind) == OpClass::kPacketLoad &&
         verifier_.info(insn).subprogram != verifier_.info(walk_.last).subprogram &&
         verifier_.current_->depth == 0 && !outer_.empty();
}

void Lockstep::Suspend() {
  walk_.state = std::move(verifier_.current_);
  walk_.open = std::move(verifier_.pending_);
  walk_.next = verifier_.next_insn_;
  outer_.push_back(std::move(walk_));
}

void Lockstep::Resume() {
  walk_ = std::move(outer_.back());
  outer_.pop_back();
  verifier_.current_ = std::move(walk_.state);
  verifier_.pending_ = std::move(walk_.open);
  verifier_.next_insn_ = walk_.next;
}

bool Lockstep::At(uint32_t insn, Witness& run) {
  if (walk_.fresh) {
    walk_.fresh = false;
    return Arrive(insn, run) && Simulate(insn, run);
  }
  if (walk_.ended || LeftByPacketLoad(insn)) {
    if (outer_.empty()) return Fail("the run goes on after the end of the verified path");
    Resume();
    run.LeaveGlobal();
  } else if (const int64_t global = GlobalCalledAt(insn); global >= 0) {
    Suspend();
    if (!BeginAt(static_cast<uint32_t>(global), run)) return false;
    walk_.fresh = false;
    return Arrive(insn, run) && Simulate(insn, run);
  }
  return Settle(insn, run) && Arrive(insn, run) && Simulate(insn, run);
}

bool Lockstep::End() {
  const OpKind last = Info(verifier_.info(walk_.last).insn.op).kind;
  // These may end the program as a part of what they do.
  if (ClassOf(last) == OpClass::kPacketLoad) return true;
  if (!walk_.ended || !outer_.empty()) return Fail("the run ended where the verified path goes on");
  return true;
}

// The last step left one or more paths open. The run went to `insn`: finds the
// one it is on.
//
// Any path that holds the run and that was followed will do: all that can come
// was verified from there.
bool Lockstep::Settle(uint32_t insn, Witness& run) {
  constexpr int kItself = -1;
  struct Place {
    uint32_t segment, step;
  };
  std::vector<int> states;  // kItself, or an index into pending_
  std::vector<Place> places;
  if (verifier_.next_insn_ == insn) states.push_back(kItself);
  for (size_t i = 0; i < verifier_.pending_.size(); ++i) {
    if (verifier_.pending_[i].insn == insn) states.push_back(static_cast<int>(i));
  }
  const Recording::Segment& segment = recording_->segment(walk_.segment);
  if (walk_.step + 1 < segment.insns.size() && segment.insns[walk_.step + 1] == insn) {
    places.push_back({walk_.segment, walk_.step + 1});
  }
  auto fork =
      std::lower_bound(segment.forks.begin(), segment.forks.end(), walk_.step,
                       [](const Recording::Fork& f, uint32_t step) { return f.step < step; });
  for (; fork != segment.forks.end() && fork->step == walk_.step; ++fork) {
    const auto& insns = recording_->segment(fork->segment).insns;
    if (!insns.empty() && insns[0] == insn) places.push_back({fork->segment, 0});
  }
  const std::string edge =
      "the edge from " + std::to_string(walk_.last) + " to " + std::to_string(insn);
  if (states.empty()) return Fail(edge + " was taken, which the state rules out");
  if (places.empty()) return Fail(edge + " was taken, along which no path was followed");

  std::string first_reason;
  for (size_t i = 0; i < states.size(); ++i) {
    const State& candidate =
        states[i] == kItself ? state() : *verifier_.pending_[static_cast<size_t>(states[i])].state;
    std::string why;
    if (!run.Within(candidate, &why)) {
      if (first_reason.empty()) first_reason = std::move(why);
      continue;
    }
    if (states[i] != kItself) {
      verifier_.current_ = std::move(verifier_.pending_[static_cast<size_t>(states[i])].state);
    }
    const Place place = places[std::min(i, places.size() - 1)];
    walk_.segment = place.segment;
    walk_.step = place.step;
    return true;
  }
  return Fail("after " + std::to_string(walk_.last) + ", " + first_reason);
}

// The walk stands before `insn`; goes from pruned ends to what covered them.
bool Lockstep::Arrive(uint32_t insn, Witness& run) {
  for (;;) {
    const Recording::Segment& segment = recording_->segment(walk_.segment);
    const bool last = walk_.step + 1 == segment.insns.size();
    if (last && segment.covered_by != nullptr) {
      StatePtr kept = verifier_.pool_.NewState();
      kept->CopyFrom(*segment.covered_by);
      verifier_.KeepWhatMatters(*segment.covered_by, *kept);
      kept->parent = nullptr;
      std::string why;
      if (!run.Within(*kept, &why)) {
        verifier_.current_ = std::move(kept);
        return Fail("pruned at " + std::to_string(insn) +
                    " because of a state that does not hold the run: " + why);
      }
      verifier_.current_ = std::move(kept);
      walk_.segment = segment.covered_by->recorded.segment;
      walk_.step = segment.covered_by->recorded.step;
      continue;
    }
    // A number that is 0 or all ones is followed as two: the path of 0 was put
    // aside before this very instruction.
    if (IsAlu(insn)) {
      const auto fork =
          std::lower_bound(segment.forks.begin(), segment.forks.end(), walk_.step,
                           [](const Recording::Fork& f, uint32_t step) { return f.step < step; });
      const auto low = static_cast<uint32_t>(run.reg(verifier_.info(insn).insn.dst));
      if (fork != segment.forks.end() && fork->step == walk_.step && low == 0) {
        walk_.segment = fork->segment;
        walk_.step = 0;
        continue;
      }
    }
    return true;
  }
}

bool Lockstep::Simulate(uint32_t insn, Witness& run) {
  verifier_.previous_insn_ = walk_.last;
  walk_.last = insn;
  walk_.ended = false;
  for (;;) {
    verifier_.pending_.clear();
    verifier_.findings_.clear();
    verifier_.insn_ = insn;
    verifier_.state().insn = insn;
    if (!verifier_.Step(&walk_.ended)) {
      const std::string reason =
          verifier_.findings_.empty() ? "no reason" : verifier_.findings_[0].message;
      verifier_.findings_.clear();
      return Fail("the verifier refuses the instruction now: " + reason);
    }
    if (!IsAlu(insn) || verifier_.pending_.empty()) return true;
    // Split in two, see Arrive.
    const auto dst = static_cast<size_t>(verifier_.info(insn).insn.dst);
    State& zero = *verifier_.pending_[0].state;
    if (!zero.reg(dst).var.Contains(run.reg(static_cast<int>(dst)))) {
      verifier_.pending_.clear();
      return true;
    }
    verifier_.current_ = std::move(verifier_.pending_[0].state);
  }
}

}  // namespace skep::verifier
