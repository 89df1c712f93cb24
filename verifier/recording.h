// SPDX-License-Identifier: Apache-2.0
// Recording: the way one exploration went, so that a run of the program can be
// held against it later (lockstep.h).
//
// The paths form a tree of segments. A segment is a path from where the walk
// started or resumed to where it ended. It lists the instruction of each step,
// the steps at which another path was put aside, and, if it was pruned, the kept
// state that covered it. A kept state knows its place: the segment and step at
// which it was kept, before that step was simulated. So a run that comes to a
// pruned end goes on at the place of the state that covered it.
//
// 4 bytes a processed instruction, and the kept states that covered a path.

#ifndef SKEP_VERIFIER_RECORDING_H_
#define SKEP_VERIFIER_RECORDING_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "verifier/state.h"

namespace skep::verifier {

class Recording {
 public:
  struct Fork {
    uint32_t step;
    uint32_t segment;  // the path that was put aside
  };
  struct Segment {
    std::vector<uint32_t> insns;  // by step
    std::vector<Fork> forks;      // ascending by step
    // Covers what is known before the last step, which was not simulated then.
    const State* covered_by = nullptr;
  };

  // ---- called by the walk
  void Begin(uint32_t subprogram) {
    entries_[subprogram] = NewSegment();
    here_ = entries_[subprogram];
  }
  void Step(uint32_t insn) {
    segments_[here_].insns.push_back(insn);
    ++steps_;
  }
  // Returns the new segment, for Resume.
  uint32_t PutAside() {
    const uint32_t segment = NewSegment();
    segments_[here_].forks.push_back({LastStep(), segment});
    return segment;
  }
  void Resume(uint32_t segment) { here_ = segment; }
  void Keep(State& state) const { state.recorded = {here_, LastStep()}; }
  void Cover(State& by) {
    by.covers_path = true;
    segments_[here_].covered_by = &by;
  }
  // Takes over a kept state that nobody compares with any more.
  void Retire(StatePtr state) {
    if (state->covers_path) states_.push_back(std::move(state));
  }

  // Bytes of the segments.
  uint64_t bytes() const {
    return steps_ * sizeof(uint32_t) + segments_.size() * (sizeof(Segment) + sizeof(Fork));
  }

  // ---- read afterwards
  const Segment& segment(uint32_t i) const { return segments_[i]; }
  // The segment that starts at the entry of `subprogram`; -1 if it was not explored.
  int64_t EntryOf(uint32_t subprogram) const {
    const auto it = entries_.find(subprogram);
    return it == entries_.end() ? -1 : int64_t{it->second};
  }

 private:
  uint32_t NewSegment() {
    segments_.emplace_back();
    return static_cast<uint32_t>(segments_.size() - 1);
  }
  uint32_t LastStep() const { return static_cast<uint32_t>(segments_[here_].insns.size() - 1); }

  std::vector<Segment> segments_;
  std::map<uint32_t, uint32_t> entries_;  // by subprogram
  std::vector<StatePtr> states_;
  uint32_t here_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_RECORDING_H_
