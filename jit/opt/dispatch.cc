// SPDX-License-Identifier: Apache-2.0
// A loop around a switch comes back to one jump through the table, and the CPU has
// one place to guess from. Each case that goes there gets a copy of what leads to
// the jump, and of the jump.
//
// Correct because a block that ends in a jump to another one does the same when that
// one's steps and end stand in the jump's place.
#include <algorithm>
#include <vector>

#include "jit/opt/passes.h"

namespace skep::jit::opt {
namespace {

constexpr size_t kLongest = 6;     // blocks
constexpr size_t kMostSteps = 24;  // of all of them
constexpr size_t kMostCopies = 64;

class Dispatch {
 public:
  explicit Dispatch(Function& function) : function_(function), original_(function.blocks) {}

  bool Run() {
    const std::vector<uint32_t> order = function_.order;
    for (const uint32_t b : order) {
      if (copies_ == kMostCopies || tried_ == 4 * kMostCopies) break;
      const End& end = original_[b].end;
      if (end.kind != EndKind::kGoto || end.next == kNoBlock || end.next == b) continue;
      std::vector<uint32_t> chain;
      if (FindChain(end.next, b, chain, 0)) Append(b, chain);
    }
    Place(function_, placements_);
    if (copies_ != 0) DropUnreachable(function_);
    return copies_ != 0;
  }

 private:
  // From `at` to a switch: blocks of which each leads to the next.
  bool FindChain(uint32_t at, uint32_t from, std::vector<uint32_t>& chain, size_t steps) {
    if (at == kNoBlock || at == from || chain.size() == kLongest ||
        std::find(chain.begin(), chain.end(), at) != chain.end()) {
      return false;
    }
    const Block& block = original_[at];
    steps += block.steps.size();
    if (steps > kMostSteps) return false;
    chain.push_back(at);
    switch (block.end.kind) {
      case EndKind::kSwitch:
        if (IsLoop(at, from)) return true;
        break;
      case EndKind::kGoto:
        if (FindChain(block.end.next, from, chain, steps)) return true;
        break;
      case EndKind::kBranch:
        if (FindChain(block.end.next, from, chain, steps)) return true;
        if (FindChain(block.end.taken, from, chain, steps)) return true;
        break;
      default:
        break;
    }
    chain.pop_back();
    return false;
  }

  // Whether `from` is one of the switch's cases, or behind one.
  bool IsLoop(uint32_t at, uint32_t from) {
    ++tried_;
    std::vector<uint32_t> work = function_.tables[original_[at].end.table];
    std::vector<uint32_t> seen;
    while (!work.empty() && seen.size() < 4 * kMostCopies) {
      const uint32_t b = work.back();
      work.pop_back();
      if (b == from) return true;
      if (b == at || std::find(seen.begin(), seen.end(), b) != seen.end()) continue;
      seen.push_back(b);
      ForSuccessors(function_, original_[b].end, [&](uint32_t next) { work.push_back(next); });
    }
    return false;
  }

  void Append(uint32_t b, const std::vector<uint32_t>& chain) {
    uint32_t to = b;
    for (size_t i = 0; i < chain.size(); ++i) {
      const Block& part = original_[chain[i]];
      if (i == 0 || original_[chain[i - 1]].end.kind == EndKind::kGoto) {
        Block& block = function_.blocks[to];
        block.steps.insert(block.steps.end(), part.steps.begin(), part.steps.end());
        block.end = part.end;
        // So that control cannot go round without an edge that counts as a jump back.
        block.end.at = std::max(part.end.at, block.at);
        continue;
      }
      Block copy;
      copy.steps = part.steps;
      copy.end = part.end;
      copy.at = part.at;
      const uint32_t number = AddBlock(function_, std::move(copy));
      End& end = function_.blocks[to].end;
      if (end.next == chain[i]) {
        end.next = number;
      } else {
        end.taken = number;
      }
      placements_.push_back({number, to});
      to = number;
    }
    ++copies_;
  }

  Function& function_;
  const std::vector<Block> original_;
  std::vector<Placement> placements_;
  size_t copies_ = 0;
  size_t tried_ = 0;
};

}  // namespace

bool CopyDispatch(Function& function) {
  if (function.tables.empty()) return false;
  return Dispatch(function).Run();
}

}  // namespace skep::jit::opt
