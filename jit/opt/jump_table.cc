// SPDX-License-Identifier: Apache-2.0
// A switch statement comes as a tree of comparisons of one register with constants.
// Where the register is known to be small (a mask or a load of a byte in the same
// block), or where all comparisons are unsigned or for equality, the tree becomes a
// jump through a table.
//
// Correct because the tree is evaluated for each value of the table, and, for values
// beyond the largest constant, once: such comparisons treat all of those alike. What
// blocks of the tree do before they compare is pure and does not write the register;
// it is copied into a block of its own in front of where the value leads.
#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <utility>

#include "isa/semantics.h"
#include "jit/opt/passes.h"

namespace skep::jit::opt {
namespace {

constexpr size_t kFewestTests = 4;  // fewer are as fast as a table
constexpr uint32_t kMostValues = 256;
constexpr size_t kMostTests = 128;
constexpr size_t kDeepest = 24;
constexpr size_t kMostSteps = 4;

bool Holds(const ExecInsn& insn, uint64_t value) {
  const OpShape& op = jit::ShapeOf(insn.op);
  const auto imm = static_cast<uint64_t>(int64_t{insn.imm});
  const auto decide = [&]<int width>() {
    switch (op.kind) {
      case OpKind::kJEq:
        return EvalJump<OpKind::kJEq, width>(value, imm);
      case OpKind::kJNe:
        return EvalJump<OpKind::kJNe, width>(value, imm);
      case OpKind::kJGt:
        return EvalJump<OpKind::kJGt, width>(value, imm);
      case OpKind::kJGe:
        return EvalJump<OpKind::kJGe, width>(value, imm);
      case OpKind::kJLt:
        return EvalJump<OpKind::kJLt, width>(value, imm);
      case OpKind::kJLe:
        return EvalJump<OpKind::kJLe, width>(value, imm);
      case OpKind::kJSGt:
        return EvalJump<OpKind::kJSGt, width>(value, imm);
      case OpKind::kJSGe:
        return EvalJump<OpKind::kJSGe, width>(value, imm);
      case OpKind::kJSLt:
        return EvalJump<OpKind::kJSLt, width>(value, imm);
      case OpKind::kJSLe:
        return EvalJump<OpKind::kJSLe, width>(value, imm);
      default:
        return EvalJump<OpKind::kJSet, width>(value, imm);
    }
  };
  return op.width == 64 ? decide.operator()<64>() : decide.operator()<32>();
}

class JumpTables {
 public:
  JumpTables(const model::ExecProgram& exec, Function& function)
      : exec_(exec), function_(function) {}

  bool Run() {
    bool changed = false;
    const std::vector<uint32_t> order = function_.order;
    in_tree_.resize(function_.blocks.size());
    for (const uint32_t b : order) {
      if (!in_tree_[b]) changed |= Convert(b);
    }
    Place(function_, placements_);
    if (changed) DropUnreachable(function_);
    return changed;
  }

 private:
  // The blocks of the tree that a value passes, and where it comes out.
  struct Path {
    std::vector<uint32_t> with_steps;
    uint32_t leaf = kNoBlock;
    bool operator<(const Path& other) const {
      return std::tie(with_steps, leaf) < std::tie(other.with_steps, other.leaf);
    }
  };

  bool IsTest(const Block& block) const {
    return block.end.kind == EndKind::kBranch && block.end.next != kNoBlock &&
           !jit::ShapeOf(block.end.insn.op).second_is_reg && block.end.insn.dst == value_ &&
           jit::ShapeOf(block.end.insn.op).width == width_;
  }

  bool CanCopy(const Block& block) const {
    if (block.steps.size() > kMostSteps) return false;
    return std::all_of(block.steps.begin(), block.steps.end(), [&](const Step& step) {
      return IsPure(step) && (EffectOf(exec_, step).writes & Bit(value_)) == 0;
    });
  }

  // The largest value that the register may have at the end of the block.
  std::optional<uint64_t> Largest(const Block& block) const {
    for (size_t i = block.steps.size(); i-- > 0;) {
      const Step& step = block.steps[i];
      if ((EffectOf(exec_, step).writes & Bit(value_)) == 0) continue;
      const OpShape& op = ShapeOf(step);
      if (step.is_select) return std::nullopt;
      if (op.kind == OpKind::kAnd && !op.second_is_reg && step.insn.imm >= 0) {
        return static_cast<uint32_t>(step.insn.imm);
      }
      if (op.kind == OpKind::kLoad && op.width <= 16) return (uint64_t{1} << op.width) - 1;
      return std::nullopt;
    }
    return std::nullopt;
  }

  // Walks down from the root. False if the tree is too deep.
  bool Follow(uint32_t root, uint64_t value, Path& path) {
    uint32_t b = root;
    for (size_t depth = 0; depth < kDeepest; ++depth) {
      const Block& block = function_.blocks[b];
      b = Holds(block.end.insn, value) ? block.end.taken : block.end.next;
      const Block& next = function_.blocks[b];
      if (b == root || !IsTest(next) || !CanCopy(next)) {
        path.leaf = b;
        return true;
      }
      if (!next.steps.empty()) path.with_steps.push_back(b);
    }
    return false;
  }

  // Tells whether all tests below the root treat values above their constants
  // alike, and the largest constant.
  bool Survey(uint32_t root, uint64_t& largest, size_t& tests) {
    std::vector<uint32_t> work{root};
    std::vector<uint32_t> seen;
    bool alike = true;
    largest = 0;
    while (!work.empty()) {
      const uint32_t b = work.back();
      work.pop_back();
      const Block& block = function_.blocks[b];
      if (std::find(seen.begin(), seen.end(), b) != seen.end()) continue;
      if (!IsTest(block) || (b != root && !CanCopy(block))) continue;
      if (seen.size() == kMostTests) return false;
      seen.push_back(b);
      const OpKind kind = jit::ShapeOf(block.end.insn.op).kind;
      const bool unsigned_test = kind == OpKind::kJEq || kind == OpKind::kJNe ||
                                 kind == OpKind::kJGt || kind == OpKind::kJGe ||
                                 kind == OpKind::kJLt || kind == OpKind::kJLe;
      alike &= unsigned_test && block.end.insn.imm >= 0;
      if (block.end.insn.imm >= 0) {
        largest = std::max(largest, static_cast<uint64_t>(block.end.insn.imm));
      }
      work.push_back(block.end.taken);
      work.push_back(block.end.next);
    }
    tests = seen.size();
    // Tried once: a part of a tree that is no table is none either.
    if (tests >= kFewestTests) {
      for (const uint32_t b : seen) in_tree_[b] = true;
    }
    return alike;
  }

  bool Convert(uint32_t root) {
    const Block& block = function_.blocks[root];
    if (block.end.kind != EndKind::kBranch || block.end.insn.dst >= kFramePointer) return false;
    value_ = block.end.insn.dst;
    width_ = jit::ShapeOf(block.end.insn.op).width;
    if (!IsTest(block)) return false;
    uint64_t largest = 0;
    size_t tests = 0;
    const bool alike = Survey(root, largest, tests);
    if (tests < kFewestTests) return false;
    const std::optional<uint64_t> bound = Largest(block);
    const bool in_range = bound && *bound < kMostValues && *bound < 8 * tests;
    // Values are the low half's only where the upper half is known to be zero.
    if (!in_range && (!alike || (width_ == 32 && !bound))) return false;
    const uint64_t size = in_range ? *bound + 1 : largest + 2;
    if (size > kMostValues || size > 8 * tests) return false;
    std::vector<Path> paths(size);
    for (uint64_t value = 0; value < size; ++value) {
      if (!Follow(root, value, paths[value])) return false;
    }
    MakeTable(root, paths, in_range);
    return true;
  }

  void MakeTable(uint32_t root, const std::vector<Path>& paths, bool in_range) {
    std::map<Path, uint32_t> made;
    std::vector<uint32_t> table;
    for (const Path& path : paths) {
      const auto [at, is_new] = made.try_emplace(path, path.leaf);
      if (is_new && !path.with_steps.empty()) {
        Block block;
        block.at = function_.blocks[path.with_steps.back()].at;
        block.end.at = function_.blocks[path.with_steps.back()].end.at;
        for (const uint32_t b : path.with_steps) {
          const std::vector<Step>& steps = function_.blocks[b].steps;
          block.steps.insert(block.steps.end(), steps.begin(), steps.end());
        }
        block.end.next = path.leaf;
        at->second = AddBlock(function_, std::move(block));
        in_tree_.push_back(false);
        placements_.push_back({at->second, root});
      }
      table.push_back(at->second);
    }
    End& end = function_.blocks[root].end;
    end.kind = EndKind::kSwitch;
    end.in_range = in_range;
    end.next = in_range ? kNoBlock : table.back();
    end.taken = kNoBlock;
    if (!in_range) table.pop_back();
    end.table = static_cast<uint32_t>(function_.tables.size());
    function_.tables.push_back(std::move(table));
  }

  const model::ExecProgram& exec_;
  Function& function_;
  std::vector<bool> in_tree_;
  std::vector<Placement> placements_;
  Reg value_ = 0;
  int width_ = 64;
};

}  // namespace

bool MakeJumpTables(const model::ExecProgram& exec, Function& function) {
  return JumpTables(exec, function).Run();
}

}  // namespace skep::jit::opt
