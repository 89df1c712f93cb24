// SPDX-License-Identifier: Apache-2.0
// Four linear passes: subprogram starts, checks of their borders, block
// leaders, edges.

#include "isa/cfg.h"

#include <utility>

#include "base/check.h"

namespace skep {
namespace {

bool IsJump(const DecodedInsn& insn) { return Info(insn.op).Has(kBranches); }

bool EndsBlock(const DecodedInsn& insn) { return Info(insn.op).Has(kBranches | kEndsPath); }

size_t NextSlot(std::span<const DecodedInsn> insns, size_t at) {
  return at + static_cast<size_t>(insns[at].slots());
}

}  // namespace

Cfg Cfg::Build(std::span<const DecodedInsn> insns) {
  Cfg cfg;
  if (insns.empty()) {
    cfg.error_.rule = DecodeRule::kEmptyProgram;
    return cfg;
  }
  cfg.FindSubprograms(insns);
  if (cfg.CheckSubprograms(insns)) {
    cfg.FindBlocks(insns);
    cfg.LinkBlocks(insns);
  }
  return cfg;
}

void Cfg::FindSubprograms(std::span<const DecodedInsn> insns) {
  enum : uint8_t { kStart = 1, kCalled = 2, kCallback = 4 };
  std::vector<uint8_t> marks(insns.size(), 0);
  marks[0] = kStart;
  for (size_t at = 0; at < insns.size(); at = NextSlot(insns, at)) {
    const OpKind kind = Info(insns[at].op).kind;
    if (kind != OpKind::kCallLocal && kind != OpKind::kLoadFunc) continue;
    const int64_t target = TargetOf(insns[at], at);
    SKEP_CHECK(target >= 0 && target < static_cast<int64_t>(insns.size()));
    marks[static_cast<size_t>(target)] |=
        kind == OpKind::kCallLocal ? kStart | kCalled : kStart | kCallback;
  }
  for (size_t at = 0; at < insns.size(); ++at) {
    if (marks[at] == 0) continue;
    if (!subprograms_.empty()) subprograms_.back().end = static_cast<uint32_t>(at);
    SubprogramRange subprogram;
    subprogram.begin = static_cast<uint32_t>(at);
    subprogram.is_called = (marks[at] & kCalled) != 0;
    subprogram.is_callback = (marks[at] & kCallback) != 0;
    subprograms_.push_back(subprogram);
  }
  subprograms_.back().end = static_cast<uint32_t>(insns.size());
}

bool Cfg::CheckSubprograms(std::span<const DecodedInsn> insns) {
  for (const SubprogramRange& subprogram : subprograms_) {
    size_t last = subprogram.begin;
    for (size_t at = subprogram.begin; at < subprogram.end; at = NextSlot(insns, at)) {
      last = at;
      if (!IsJump(insns[at])) continue;
      const int64_t target = TargetOf(insns[at], at);
      if (target < subprogram.begin || target >= subprogram.end) {
        error_ = {DecodeRule::kJumpRange, static_cast<uint32_t>(at), {}, target};
        return false;
      }
    }
    if (!Info(insns[last].op).Has(kEndsPath)) {
      error_ = {DecodeRule::kLastInsn, static_cast<uint32_t>(last), {}, 0};
      return false;
    }
  }
  return true;
}

void Cfg::FindBlocks(std::span<const DecodedInsn> insns) {
  std::vector<bool> leader(insns.size() + 1, false);
  for (const SubprogramRange& subprogram : subprograms_) leader[subprogram.begin] = true;
  for (size_t at = 0; at < insns.size(); at = NextSlot(insns, at)) {
    if (IsJump(insns[at])) leader[static_cast<size_t>(TargetOf(insns[at], at))] = true;
    if (EndsBlock(insns[at])) leader[NextSlot(insns, at)] = true;
  }

  block_of_slot_.resize(insns.size());
  uint32_t subprogram = 0;
  for (size_t at = 0; at < insns.size(); at = NextSlot(insns, at)) {
    if (leader[at]) {
      if (at == subprograms_[subprogram].end) ++subprogram;
      BasicBlock block;
      block.begin = static_cast<uint32_t>(at);
      block.subprogram = subprogram;
      SubprogramRange& owner = subprograms_[subprogram];
      if (owner.block_count++ == 0) owner.first_block = static_cast<uint32_t>(blocks_.size());
      blocks_.push_back(block);
    }
    BasicBlock& block = blocks_.back();
    block.last = static_cast<uint32_t>(at);
    block.end = static_cast<uint32_t>(NextSlot(insns, at));
    for (size_t slot = at; slot < block.end; ++slot) {
      block_of_slot_[slot] = static_cast<uint32_t>(blocks_.size() - 1);
    }
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
