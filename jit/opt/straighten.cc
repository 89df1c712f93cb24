// SPDX-License-Identifier: Apache-2.0
// Correct because an empty block that ends in a jump does nothing but the jump, and
// because of two blocks that are each other's only way on and in, the second always
// runs behind the first. Jumps back through empty blocks stay, since metered code
// counts them.
#include <algorithm>
#include <iterator>

#include "jit/opt/passes.h"

namespace skep::jit::opt {
namespace {

bool IsEmpty(const Block& block) {
  return block.steps.empty() && block.end.kind == EndKind::kGoto && block.end.next != kNoBlock;
}

// Where control ends up that goes to `target`.
uint32_t Destination(const Function& function, uint32_t target) {
  for (int hops = 0; hops < 8; ++hops) {
    const Block& block = function.blocks[target];
    if (!IsEmpty(block) || function.blocks[block.end.next].at <= block.at) break;
    target = block.end.next;
  }
  return target;
}

}  // namespace

bool Straighten(Function& function) {
  bool changed = false;
  const auto redirect = [&](uint32_t& target) {
    if (target == kNoBlock) return;
    const uint32_t to = Destination(function, target);
    changed |= to != target;
    target = to;
  };
  for (const uint32_t b : function.order) {
    End& end = function.blocks[b].end;
    if (end.kind == EndKind::kExit) continue;
    redirect(end.next);
    if (end.kind == EndKind::kBranch) redirect(end.taken);
  }
  DropUnreachable(function);
  const std::vector<uint32_t> entries = CountEntries(function);
  std::vector<bool> gone(function.blocks.size());
  for (const uint32_t b : function.order) {
    if (gone[b]) continue;
    Block& block = function.blocks[b];
    while (block.end.kind == EndKind::kGoto && block.end.next != kNoBlock && block.end.next != b &&
           entries[block.end.next] == 1) {
      Block& next = function.blocks[block.end.next];
      // What jumps back cost is counted by where blocks start.
      if (next.at < block.at && function.metered) break;
      gone[block.end.next] = true;
      std::move(next.steps.begin(), next.steps.end(), std::back_inserter(block.steps));
      next.steps.clear();
      block.end = next.end;
      block.end.at = std::max(block.at, block.end.at);
      if (next.at < block.at) block.is_aligned |= next.is_aligned;  // the loop's head is here now
      changed = true;
    }
  }
  std::erase_if(function.order, [&](uint32_t b) { return gone[b]; });
  return changed;
}

}  // namespace skep::jit::opt
