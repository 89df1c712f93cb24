// SPDX-License-Identifier: Apache-2.0
// In a loop of one block, the time of a round is often that of the chain from a
// register's value to its next one. What is added to it is added up beside the chain,
// so that the chain has one addition, and products by 2^n - 1 on it become a shift
// and a subtraction, which take two cycles instead of three.
//
// Correct because addition modulo 2^64 is associative and commutative, and x * (2^n -
// 1) is (x << n) - x, modulo 2^64 and 2^32. The temporary that holds the partial sum
// is used by nothing else in the block, and between its uses all steps are plain.
#include <algorithm>
#include <bit>

#include "jit/opt/passes.h"

namespace skep::jit::opt {
namespace {

constexpr size_t kLongestBody = 16;

class Reassociation {
 public:
  Reassociation(const model::ExecProgram& exec, Function& function)
      : exec_(exec), function_(function) {}

  bool Run() {
    bool changed = false;
    for (const uint32_t b : function_.order) {
      Block& block = function_.blocks[b];
      if (block.end.kind != EndKind::kBranch || (block.end.taken != b && block.end.next != b)) {
        continue;
      }
      if (block.steps.size() > kLongestBody) continue;
      free_ = kTemporaries;
      for (const Step& step : block.steps) {
        const Effect effect = EffectOf(exec_, step);
        free_ &= static_cast<RegSet>(~effect.reads);
        if (IsPlain(step)) free_ &= static_cast<RegSet>(~effect.writes);
      }
      for (Reg reg = 0; reg < kFramePointer; ++reg) {
        if ((block.live_in & Bit(reg)) == 0) continue;
        changed |= SplitProduct(block, reg);
        changed |= AddBeside(block, reg);
        changed |= AddTogether(block, reg);
      }
    }
    return changed;
  }

 private:
  Effect Of(const Step& step) const { return EffectOf(exec_, step); }

  // Whether no step in [begin, end) writes the registers, and all are plain.
  bool Keeps(const Block& block, size_t begin, size_t end, RegSet regs) const {
    for (size_t i = begin; i < end; ++i) {
      if (!IsPlain(block.steps[i]) || (Of(block.steps[i]).writes & regs) != 0) return false;
    }
    return true;
  }
  bool Reads(const Block& block, size_t begin, size_t end, Reg reg) const {
    for (size_t i = begin; i < end; ++i) {
      if ((Of(block.steps[i]).reads & Bit(reg)) != 0) return true;
    }
    return false;
  }

  Reg TakeTemporary() {
    if (free_ == 0) return kNoReg;
    const auto reg = static_cast<Reg>(std::countr_zero(free_));
    free_ &= static_cast<RegSet>(~Bit(reg));
    return reg;
  }

  static Step Make(Op op, Reg dst, Reg src, int32_t imm, uint32_t at) {
    Step step = MakeMove(dst, src, at);
    step.insn.op = op;
    step.insn.imm = imm;
    return step;
  }

  static bool IsAdd(const Step& step, Reg dst) {
    return !step.is_select && step.insn.op == Op::kAdd64Reg && step.insn.dst == dst &&
           step.insn.src != dst && step.insn.src != kFramePointer;
  }

  // c *= 2^n - 1, c from the round before.
  bool SplitProduct(Block& block, Reg c) {
    for (size_t i = 0; i < block.steps.size(); ++i) {
      const Step& step = block.steps[i];
      if ((Of(step).writes & Bit(c)) == 0) continue;
      if (step.is_select || step.insn.dst != c ||
          (step.insn.op != Op::kMul64Imm && step.insn.op != Op::kMul32Imm)) {
        return false;
      }
      const auto factor = static_cast<uint32_t>(step.insn.imm);
      // 3 is an address' job.
      if (step.insn.imm < 7 || !std::has_single_bit(factor + 1)) return false;
      const Reg t = TakeTemporary();
      if (t == kNoReg) return false;
      const bool wide = step.insn.op == Op::kMul64Imm;
      const uint32_t at = step.at;
      const Step steps[] = {
          MakeMove(t, c, at),
          Make(wide ? Op::kLsh64Imm : Op::kLsh32Imm, c, 0, std::countr_one(factor), at),
          Make(wide ? Op::kSub64Reg : Op::kSub32Reg, c, t, 0, at)};
      block.steps.erase(block.steps.begin() + static_cast<std::ptrdiff_t>(i));
      block.steps.insert(block.steps.begin() + static_cast<std::ptrdiff_t>(i), std::begin(steps),
                         std::end(steps));
      return true;
    }
    return false;
  }

  // x += c; ...; c = y; c += x (or c = x; c += y)   becomes
  // t = x; x += c; ...; t += y; c += t
  bool AddBeside(Block& block, Reg c) {
    for (size_t i = 0; i + 2 < block.steps.size(); ++i) {
      const Step& first = block.steps[i];
      const Reg x = first.insn.dst;
      if (x == c || !IsAdd(first, x) || first.insn.src != c) continue;
      for (size_t j = i + 1; j + 1 < block.steps.size(); ++j) {
        const Step& move = block.steps[j];
        const Step& add = block.steps[j + 1];
        if (move.is_select || move.insn.op != Op::kMov64Reg || move.insn.dst != c ||
            !IsAdd(add, c)) {
          continue;
        }
        const Reg y = move.insn.src == x ? add.insn.src : move.insn.src;
        const bool both = (move.insn.src == x) != (add.insn.src == x);
        if (!both || y == c || y == kFramePointer ||
            !Keeps(block, i + 1, j, static_cast<RegSet>(Bit(x) | Bit(c)))) {
          break;
        }
        const Reg t = TakeTemporary();
        if (t == kNoReg) return false;
        const uint32_t at = add.at;
        block.steps[j] = Make(Op::kAdd64Reg, t, y, 0, at);
        block.steps[j + 1] = Make(Op::kAdd64Reg, c, t, 0, at);
        block.steps.insert(block.steps.begin() + static_cast<std::ptrdiff_t>(i),
                           MakeMove(t, x, block.steps[i].at));
        return true;
      }
    }
    return false;
  }

  // c += a; ...; c += b   becomes   t = a; ...; t += b; c += t
  bool AddTogether(Block& block, Reg c) {
    for (size_t i = 0; i + 1 < block.steps.size(); ++i) {
      if (!IsAdd(block.steps[i], c)) continue;
      for (size_t j = i + 1; j < block.steps.size(); ++j) {
        if (!IsAdd(block.steps[j], c)) continue;
        if (!Keeps(block, i + 1, j, Bit(c)) || Reads(block, i + 1, j, c)) break;
        const Reg t = TakeTemporary();
        if (t == kNoReg) return false;
        const Reg b = block.steps[j].insn.src;
        const uint32_t at = block.steps[j].at;
        block.steps[i] = MakeMove(t, block.steps[i].insn.src, block.steps[i].at);
        block.steps[j] = Make(Op::kAdd64Reg, c, t, 0, at);
        block.steps.insert(block.steps.begin() + static_cast<std::ptrdiff_t>(j),
                           Make(Op::kAdd64Reg, t, b, 0, at));
        return true;
      }
    }
    return false;
  }

  const model::ExecProgram& exec_;
  Function& function_;
  RegSet free_ = 0;
};

}  // namespace

bool Reassociate(const model::ExecProgram& exec, Function& function) {
  return Reassociation(exec, function).Run();
}

}  // namespace skep::jit::opt
