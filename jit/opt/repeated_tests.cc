// SPDX-License-Identifier: Apache-2.0
// `if c goto D; ...; D: x; if c goto T`: whoever comes to D from where c was just
// decided knows where D's branch goes. D's few steps are copied to that way.
//
// Correct because neither what lies between nor D's own steps write what the
// condition compares, so it has the same outcome; the copy does D's steps and goes
// where D would go.
#include "jit/opt/passes.h"

namespace skep::jit::opt {
namespace {

constexpr size_t kMostSteps = 4;

bool SameCondition(const ExecInsn& a, const ExecInsn& b) {
  return a.op == b.op && a.dst == b.dst && a.src == b.src && a.imm == b.imm;
}

class RepeatedTests {
 public:
  RepeatedTests(const model::ExecProgram& exec, Function& function)
      : exec_(exec), function_(function), entries_(CountEntries(function)) {}

  bool Run() {
    bool changed = false;
    const std::vector<uint32_t> order = function_.order;
    for (const uint32_t q : order) {
      if (function_.blocks[q].end.kind != EndKind::kBranch) continue;
      changed |= Thread(q, true);
      changed |= Thread(q, false);
    }
    Place(function_, placements_);
    if (changed) DropUnreachable(function_);
    return changed;
  }

 private:
  bool Writes(const Block& block, RegSet regs) const {
    for (const Step& step : block.steps) {
      if ((EffectOf(exec_, step).writes & regs) != 0) return true;
    }
    return false;
  }

  // Follows one edge of q's branch.
  bool Thread(uint32_t q, bool taken) {
    const ExecInsn insn = function_.blocks[q].end.insn;
    const RegSet regs = ReadsOf(function_.blocks[q].end);
    uint32_t from = q;
    const uint32_t first = taken ? function_.blocks[q].end.taken : function_.blocks[q].end.next;
    uint32_t to = first;
    if (to == kNoBlock) return false;
    // One block may lie between, if this edge is the only way into it.
    const Block& between = function_.blocks[to];
    if (between.end.kind == EndKind::kGoto && between.end.next != kNoBlock && entries_[to] == 1 &&
        to != q && !Writes(between, regs)) {
      from = to;
      to = between.end.next;
    }
    const Block& d = function_.blocks[to];
    if (to == q || to == from || d.end.kind != EndKind::kBranch || d.steps.size() > kMostSteps ||
        !SameCondition(d.end.insn, insn) || Writes(d, regs)) {
      return false;
    }
    const uint32_t target = taken ? d.end.taken : d.end.next;
    if (target == kNoBlock || target == to) return false;
    if (from == q && entries_[to] == 1) {
      // No copy is needed, but only one edge may lead here.
      Block& own = function_.blocks[to];
      own.end.kind = EndKind::kGoto;
      own.end.next = target;
      return true;
    }
    Block copy;
    copy.steps = d.steps;
    copy.at = d.at;
    copy.end.kind = EndKind::kGoto;
    copy.end.at = d.end.at;
    copy.end.next = target;
    const uint32_t number = AddBlock(function_, std::move(copy));
    entries_.push_back(1);
    --entries_[to];
    End& end = function_.blocks[from].end;
    if (from != q || !taken) {
      end.next = number;
    } else {
      end.taken = number;
    }
    placements_.push_back({number, from});
    return true;
  }

  const model::ExecProgram& exec_;
  Function& function_;
  std::vector<uint32_t> entries_;
  std::vector<Placement> placements_;
};

}  // namespace

bool DropRepeatedTests(const model::ExecProgram& exec, Function& function) {
  return RepeatedTests(exec, function).Run();
}

}  // namespace skep::jit::opt
