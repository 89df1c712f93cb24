// SPDX-License-Identifier: Apache-2.0
// Loops that close by comparison: may_goto, iterators, callbacks. A path may end
// at a state on its own path, or at one whose own paths ended so. That state's
// marks (what was read, which numbers matter) are not complete then:
//
//   .-> A ---.    B comes back to A before C was followed. What C makes matter
//   |   |    |    in A must matter in B too: B's path goes on like A's.
//   '-- B    C
//
// So a *back edge* B -> A is recorded, and when all paths through the loop are
// finished, marks go along all back edges until nothing changes. Until then the
// states of the loop are compared as if everything in them mattered.
//
// When is the loop finished? The code is divided into strongly connected
// components; a visit of one begins with the first state kept in it, and ends
// when all paths from that state have ended. A component entered by different
// chains of calls is visited once for each chain.
//
// Sound because: (1) a back edge leads to a state of the same visit: to an
// ancestor, or to a finished state of this visit, since both stand at one
// instruction with one chain of calls; so all of them are known when the visit
// ends; (2) the states between are kept until then; (3) the marks are a least
// fixed point of "what matters at the end of an edge matters at its start", as
// for paths that end at finished states; (4) comparison in the meantime ignores
// nothing but registers that the code never reads again.

#include <algorithm>

#include "base/check.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

// Tarjan's algorithm with an explicit stack. Calls lead to the next instruction:
// components lie within functions.
class LoopFinder {
 public:
  explicit LoopFinder(Structure& structure)
      : insns_(structure.insns),
        memory_(structure.insns.get_allocator().resource()),
        nodes_(memory_),
        open_(memory_),
        path_(memory_) {}

  void Run() {
    if (!MayRepeat()) return;
    nodes_.resize(insns_.size());
    for (uint32_t i = 0; i < insns_.size(); ++i) {
      if (insns_[i].insn.op != Op::kInvalid && nodes_[i].order == 0) Search(i);
    }
  }

 private:
  struct Node {
    uint32_t order = 0;  // from 1, as met; 0: not yet
    uint32_t low = 0;    // smallest order that is reachable and open
  };
  struct Step {
    uint32_t insn;
    int edge;
  };
  static constexpr uint32_t kClosed = 0xffffffff;

  // Without a jump back or a callback there is no loop.
  bool MayRepeat() const {
    for (uint32_t i = 0; i < insns_.size(); ++i) {
      if (insns_[i].insn.op == Op::kInvalid) continue;
      const int64_t target = Successor(i, 1);
      if (insns_[i].calls_back || (target >= 0 && target <= i)) return true;
    }
    return false;
  }

  // The successor along edge 0 or 1, or -1.
  int64_t Successor(uint32_t i, int edge) const {
    const DecodedInsn& insn = insns_[i].insn;
    const OpInfo& op = Info(insn.op);
    if (edge == 0) return op.Has(kEndsPath) ? -1 : int64_t{i} + insn.slots();
    return op.Has(kBranches) ? TargetOf(insn, i) : -1;
  }

  void Open(uint32_t i) {
    nodes_[i].order = nodes_[i].low = ++last_order_;
    open_.push_back(i);
    path_.push_back({i, 0});
  }

  void Search(uint32_t start) {
    Open(start);
    while (!path_.empty()) {
      Step& step = path_.back();
      const uint32_t i = step.insn;
      if (step.edge < 2) {
        const int64_t next = Successor(i, step.edge++);
        if (next < 0) continue;
        const auto n = static_cast<uint32_t>(next);
        if (nodes_[n].order == 0) {
          Open(n);
        } else if (nodes_[n].low != kClosed) {
          nodes_[i].low = std::min(nodes_[i].low, nodes_[n].low);
        }
        continue;
      }
      path_.pop_back();
      if (!path_.empty()) {
        Node& before = nodes_[path_.back().insn];
        before.low = std::min(before.low, nodes_[i].low);
      }
      if (nodes_[i].low == nodes_[i].order) Close(i);
    }
  }

  // `root` and what was opened behind it are one component.
  void Close(uint32_t root) {
    const bool has_cycle =
        open_.back() != root || Successor(root, 0) == root || Successor(root, 1) == root;
    const bool is_loop = has_cycle || insns_[root].calls_back;
    insns_[root].only_callback_repeats = is_loop && !has_cycle;
    if (is_loop) ++last_loop_;
    for (uint32_t i = kClosed; i != root;) {
      i = open_.back();
      open_.pop_back();
      nodes_[i].low = kClosed;
      if (is_loop) insns_[i].loop = last_loop_;
    }
  }

  std::pmr::vector<InsnInfo>& insns_;
  std::pmr::memory_resource* memory_;
  std::pmr::vector<Node> nodes_;
  std::pmr::vector<uint32_t> open_;
  std::pmr::vector<Step> path_;
  uint32_t last_order_ = 0;
  uint32_t last_loop_ = 0;
};

}  // namespace

void FindLoops(Structure& structure) { LoopFinder(structure).Run(); }

// The visit that a state belongs to is named by the outermost loop around it
// and the calls that lead there.
uint32_t Verifier::VisitOf(const State& s) {
  LoopPlace place;
  for (uint32_t f = 0; f <= s.depth; ++f) {
    const uint32_t at = f == s.depth ? s.insn : s.frames[f + 1]->callsite;
    if (info(at).loop != 0) {
      place.loop = info(at).loop;
      const auto [it, is_new] =
          visit_by_place_.try_emplace(place, static_cast<uint32_t>(visits_.size()));
      if (is_new) visits_.emplace_back().only_callback = info(at).only_callback_repeats;
      return it->second;
    }
    place.calls[f] = at;
  }
  return 0;
}

// Called for each state that is kept.
void Verifier::EnterLoop(State& kept) {
  kept.visit = VisitOf(kept);
  if (kept.visit == 0) return;
  LoopVisit& visit = visits_[kept.visit];
  if (visit.entry == nullptr) visit.entry = &kept;
}

bool Verifier::MarksIncomplete(const State& kept) const {
  return kept.visit != 0 && !visits_[kept.visit].back_edges.empty();
}

// Where only a callback repeats, Linux 6.18 takes marks as complete when they are
// not (docs/verifier.md). To be sound and not follow many more paths than Linux,
// states of such loops are compared as loosely as is right.
Compare Verifier::HowToCompare(const State& finished) const {
  if (!MarksIncomplete(finished)) return Compare::kInexact;
  return visits_[finished.visit].only_callback ? Compare::kRangeWithin : Compare::kSameBytes;
}

// The current path ends at `target`, whose marks are not complete.
bool Verifier::AddBackEdge(State& target) {
  SKEP_CHECK(target.visit != 0);
  visits_[target.visit].back_edges.push_back({&target, state()});
  ++back_edges_;
  CountPeakStates();
  return CheckMemoryBudget();
}

// All paths from `finished` have ended.
void Verifier::LeaveLoop(State& finished) {
  if (finished.visit == 0 || visits_[finished.visit].entry != &finished) return;
  LoopVisit& visit = visits_[finished.visit];
  visit.entry = nullptr;
  if (visit.back_edges.empty()) return;
  // Precision stops at what is marked already, so that few rounds are needed.
  // Where they are not enough, as in Linux, every number matters.
  constexpr int kMaxRounds = 64;
  int round = 0;
  for (bool changed = true; changed; ++round) {
    changed = false;
    for (const BackEdge& edge : visit.back_edges) {
      if (round == kMaxRounds && MarkAllPrecise(edge.from)) changed = true;
      if (PropagateFrom(*edge.to, edge.from)) changed = true;
    }
  }
  back_edges_ -= visit.back_edges.size();
  visit.back_edges.clear();
  visit.back_edges.shrink_to_fit();
  kept_count_ -= visit.evicted.size();
  for (auto& evicted : visit.evicted) Retire(std::move(evicted));
  visit.evicted.clear();
}

// The nearest state kept at `insn` on this path, with the same calls, among
// those that have fewer than `path_depth` before them. Null if there is none.
const State* Verifier::PreviousEntry(uint32_t insn, uint32_t path_depth) const {
  // Older states are behind. Unfinished ones are all on this path.
  for (const State* s = kept_[BucketOf(insn)]; s != nullptr; s = s->next) {
    if (s->insn == insn && s->branches != 0 && s->path_depth < path_depth &&
        SameCallsites(*s, *current_)) {
      return s;
    }
  }
  return nullptr;
}

// `other` begins another round of the loop around insn_, where a state was just kept.
void Verifier::WidenSinceLastRound(State& other) {
  if (state().path_depth == 0) return;
  const State* previous = PreviousEntry(insn_, state().path_depth - 1);
  if (previous != nullptr) WidenImprecise(*previous, other);
}

bool Verifier::ForkIteration(uint32_t frame, size_t slot, State** element) {
  *element = nullptr;
  if (state().frames[frame]->stack[slot].reg.iterator == IteratorState::kDrained) return true;
  State* other = PushPath(insn_ + 1, insn_);
  if (other == nullptr) return false;
  ++other->MutableFrame(frame).stack.Mutable(slot).reg.off;
  WidenSinceLastRound(*other);
  state().MutableFrame(frame).stack.Mutable(slot).reg.iterator = IteratorState::kDrained;
  *element = other;
  return true;
}

// The iterator in r1 of a next call still gives elements. States with equal
// values there end a loop only then.
bool Verifier::IteratorIsActive() const {
  const Register& r1 = current_->reg(1);
  const Frame& frame = *current_->frames[r1.frame];
  const auto slot = static_cast<size_t>(SlotOf(r1.off + static_cast<int64_t>(r1.var.value())));
  return slot < frame.stack.size() && frame.stack[slot].reg.iterator == IteratorState::kActive;
}

// An iterator of both states is active, and in another round: time goes on, so
// that equal states are no infinite loop.
bool Verifier::RoundsDiffer(const State& old_state, const State& current) const {
  for (uint32_t f = 0; f <= old_state.depth; ++f) {
    const auto& old_stack = old_state.frames[f]->stack;
    const auto& stack = current.frames[f]->stack;
    for (size_t i = 0; i < std::min(old_stack.size(), stack.size()); ++i) {
      if (old_stack[i].bytes[0] != StackByte::kIterator ||
          old_stack[i].reg.iterator != IteratorState::kActive) {
        continue;
      }
      if (old_stack[i].reg.off != stack[i].reg.off) return true;
    }
  }
  return false;
}

// An evicted state whose paths have ended is needed no more, unless back edges
// pass through it.
void Verifier::DropEvicted(State& s) {
  const uint32_t at = s.evicted_at;
  StatePtr dropped = std::move(evicted_[at]);
  if (at + 1 != evicted_.size()) {
    evicted_[at] = std::move(evicted_.back());
    evicted_[at]->evicted_at = at;
  }
  evicted_.pop_back();
  if (MarksIncomplete(*dropped)) {
    visits_[dropped->visit].evicted.push_back(std::move(dropped));
  } else {
    --kept_count_;
    Retire(std::move(dropped));
  }
}

// No longer compared with.
void Verifier::Evict(StatePtr s) {
  s->evicted = true;
  if (s->branches != 0) {
    s->evicted_at = static_cast<uint32_t>(evicted_.size());
    evicted_.push_back(std::move(s));
  } else if (MarksIncomplete(*s)) {
    visits_[s->visit].evicted.push_back(std::move(s));
  } else {
    --kept_count_;
    Retire(std::move(s));
  }
}

}  // namespace skep::verifier
