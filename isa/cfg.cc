// SPDX-License-Identifier: Apache-2.0
// Two passes over the instructions: what starts where, then the blocks. All
// else is linear in jumps, blocks and subprograms.

#include "isa/cfg.h"

#include <utility>

#include "base/check.h"

namespace skep {
namespace {

bool IsJump(const DecodedInsn& insn) { return Info(insn.op).Has(kBranches); }

size_t NextSlot(std::span<const DecodedInsn> insns, size_t at) {
  return at + static_cast<size_t>(insns[at].slots());
}

}  // namespace

// What pass one learns about each slot, and the jumps it meets.
struct Cfg::Scan {
  enum : uint8_t { kLeader = 1, kStart = 2, kCalled = 4, kCallback = 8 };
  struct Jump {
    uint32_t at;
    int64_t target;
  };
  std::vector<uint8_t> marks;
  std::vector<Jump> jumps;  // ascending
};

Cfg Cfg::Build(std::span<const DecodedInsn> insns) {
  Cfg cfg;
  if (insns.empty()) {
    cfg.error_.rule = DecodeRule::kEmptyProgram;
    return cfg;
  }
  const Scan scan = ScanInsns(insns);
  cfg.FindSubprograms(scan);
  if (cfg.CheckSubprograms(insns, scan)) {
    cfg.FindBlocks(insns, scan);
    cfg.LinkBlocks(insns);
  }
  return cfg;
}

Cfg::Scan Cfg::ScanInsns(std::span<const DecodedInsn> insns) {
  Scan scan;
  scan.marks.resize(insns.size() + 1, 0);
  scan.marks[0] = Scan::kLeader | Scan::kStart;
  const auto mark = [&](int64_t target, uint8_t marks) {
    SKEP_CHECK(target >= 0 && target < static_cast<int64_t>(insns.size()));
    scan.marks[static_cast<size_t>(target)] |= marks;
  };
  for (size_t at = 0, next; at < insns.size(); at = next) {
    next = NextSlot(insns, at);
    const OpInfo& info = Info(insns[at].op);
    if (info.Has(kBranches | kEndsPath)) scan.marks[next] |= Scan::kLeader;
    if (info.Has(kBranches)) {
      const int64_t target = TargetOf(insns[at], at);
      mark(target, Scan::kLeader);
      scan.jumps.push_back({static_cast<uint32_t>(at), target});
    } else if (info.kind == OpKind::kCallLocal) {
      mark(TargetOf(insns[at], at), Scan::kLeader | Scan::kStart | Scan::kCalled);
    } else if (info.kind == OpKind::kLoadFunc) {
      mark(TargetOf(insns[at], at), Scan::kLeader | Scan::kStart | Scan::kCallback);
    }
  }
  return scan;
}

void Cfg::FindSubprograms(const Scan& scan) {
  const size_t slots = scan.marks.size() - 1;
  for (size_t at = 0; at < slots; ++at) {
    if ((scan.marks[at] & Scan::kStart) == 0) continue;
    if (!subprograms_.empty()) subprograms_.back().end = static_cast<uint32_t>(at);
    SubprogramRange subprogram;
    subprogram.begin = static_cast<uint32_t>(at);
    subprogram.is_called = (scan.marks[at] & Scan::kCalled) != 0;
    subprogram.is_callback = (scan.marks[at] & Scan::kCallback) != 0;
    subprograms_.push_back(subprogram);
  }
  subprograms_.back().end = static_cast<uint32_t>(slots);
}

bool Cfg::CheckSubprograms(std::span<const DecodedInsn> insns, const Scan& scan) {
  auto jump = scan.jumps.begin();
  for (const SubprogramRange& subprogram : subprograms_) {
    for (; jump != scan.jumps.end() && jump->at < subprogram.end; ++jump) {
      if (jump->target >= subprogram.begin && jump->target < subprogram.end) continue;
      error_ = {DecodeRule::kJumpRange, jump->at, {}, jump->target};
      return false;
    }
    // The last slot may be the second of a wide load, which is no end either.
    uint32_t last = subprogram.end - 1;
    if (insns[last].op == Op::kInvalid) --last;
    if (!Info(insns[last].op).Has(kEndsPath)) {
      error_ = {DecodeRule::kLastInsn, last, {}, 0};
      return false;
    }
  }
  return true;
}

void Cfg::FindBlocks(std::span<const DecodedInsn> insns, const Scan& scan) {
  block_of_slot_.resize(insns.size());
  uint32_t subprogram = 0;
  for (size_t at = 0, next; at < insns.size(); at = next) {
    next = NextSlot(insns, at);
    if ((scan.marks[at] & Scan::kLeader) != 0) {
      if (at == subprograms_[subprogram].end) ++subprogram;
      SubprogramRange& owner = subprograms_[subprogram];
      if (owner.block_count++ == 0) owner.first_block = static_cast<uint32_t>(blocks_.size());
      BasicBlock& block = blocks_.emplace_back();
      block.begin = static_cast<uint32_t>(at);
      block.subprogram = subprogram;
    }
    BasicBlock& block = blocks_.back();
    block.last = static_cast<uint32_t>(at);
    block.end = static_cast<uint32_t>(next);
    const auto index = static_cast<uint32_t>(blocks_.size() - 1);
    block_of_slot_[at] = index;
    block_of_slot_[next - 1] = index;
  }
}

void Cfg::LinkBlocks(std::span<const DecodedInsn> insns) {
  predecessor_begin_.assign(blocks_.size() + 1, 0);
  for (BasicBlock& block : blocks_) {
    const DecodedInsn& last = insns[block.last];
    if (!Info(last.op).Has(kEndsPath)) block.fall_through = block_of_slot_[block.end];
    if (IsJump(last)) {
      block.target = block_of_slot_[static_cast<size_t>(TargetOf(last, block.last))];
    }
    for (const uint32_t successor : {block.fall_through, block.target}) {
      if (successor != BasicBlock::kNone) ++predecessor_begin_[successor + 1];
    }
  }
  for (size_t i = 1; i < predecessor_begin_.size(); ++i) {
    predecessor_begin_[i] += predecessor_begin_[i - 1];
  }
  predecessors_.resize(predecessor_begin_.back());
  std::vector<uint32_t> next(predecessor_begin_.begin(), predecessor_begin_.end() - 1);
  for (uint32_t from = 0; from < blocks_.size(); ++from) {
    for (const uint32_t to : {blocks_[from].fall_through, blocks_[from].target}) {
      if (to != BasicBlock::kNone) predecessors_[next[to]++] = from;
    }
  }
}

std::vector<uint32_t> Cfg::ReversePostorder(uint32_t subprogram) const {
  const SubprogramRange& owner = subprograms_[subprogram];
  std::vector<bool> seen(owner.block_count, false);
  std::vector<uint32_t> postorder;
  // Depth-first without recursion: a block and how many successors are done.
  std::vector<std::pair<uint32_t, int>> stack;
  const auto visit = [&](uint32_t block) {
    if (block == BasicBlock::kNone || seen[block - owner.first_block]) return;
    seen[block - owner.first_block] = true;
    stack.emplace_back(block, 0);
  };
  visit(owner.first_block);
  while (!stack.empty()) {
    auto& [block, done] = stack.back();
    const uint32_t here = block;
    if (done < 2) {
      // The target first: the fall through then comes earlier in the order.
      visit(done++ == 0 ? blocks_[here].target : blocks_[here].fall_through);
    } else {
      postorder.push_back(here);
      stack.pop_back();
    }
  }
  return {postorder.rbegin(), postorder.rend()};
}

}  // namespace skep
