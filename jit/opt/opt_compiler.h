// SPDX-License-Identifier: Apache-2.0
// OptCompiler: emits what Optimize made. It shares with the baseline compiler how
// functions are entered and left, calls, and every instruction that selection
// leaves as it is.
//
// Code is emitted twice. The first time, jumps forward are long, which tells how
// far apart blocks are at most; the second time, those that reach are short.

#ifndef SKEP_JIT_OPT_OPT_COMPILER_H_
#define SKEP_JIT_OPT_OPT_COMPILER_H_

#include <utility>
#include <vector>

#include "jit/compiler.h"
#include "jit/opt/optimize.h"

namespace skep::jit {

// Where the blocks of each function and their ends came to lie.
struct CodePlaces {
  struct Place {
    uint32_t begin = 0;
    uint32_t end = 0;  // behind the jump at its end
  };
  std::vector<std::vector<Place>> blocks;  // by function and block
};

template <MacroAssembler Masm>
class OptCompiler : private Compiler<Masm> {
  using Base = Compiler<Masm>;
  using Block = opt::Block;
  using Do = opt::Do;
  using End = opt::End;
  using EndKind = opt::EndKind;
  using Operation = opt::Operation;
  using Selected = opt::Selected;

 public:
  // `functions` and `shape`: what Optimize made. `before`: of the first time, or null.
  OptCompiler(const model::ExecProgram& exec, bool metered, Masm& masm, Listing* listing,
              const std::vector<opt::OptimizedFunction>& functions, ProgramShape shape,
              const CodePlaces* before)
      : Base(exec, metered, masm, listing), functions_(functions), before_(before) {
    shape_ = std::move(shape);
  }

  void Run() {
    offsets_.assign(exec_.insns.size() + 1, kUnknown);
    labels_.resize(exec_.insns.size());
    this->MakeFunctionLabels();
    places_.blocks.resize(functions_.size());
    for (size_t f = 0; f < functions_.size(); ++f) Function(f);
    this->Callbacks();
    offsets_.back() = masm_.offset();
    for (size_t i = offsets_.size() - 1; i-- > 0;) {
      if (offsets_[i] == kUnknown || offsets_[i] > offsets_[i + 1]) offsets_[i] = offsets_[i + 1];
    }
  }

  CodePlaces TakePlaces() { return std::move(places_); }
  using Base::TakeOffsets;

 private:
  using Base::exec_;
  using Base::labels_;
  using Base::masm_;
  using Base::metered_;
  using Base::offsets_;
  using Base::shape_;

  static constexpr uint32_t kUnknown = ~uint32_t{0};

  void Function(size_t f) {
    const opt::OptimizedFunction& optimized = functions_[f];
    function_ = &optimized.function;
    number_ = f;
    const FunctionShape& shape = shape_.functions[f];
    block_labels_.clear();
    for (size_t b = 0; b < function_->blocks.size(); ++b) {
      block_labels_.push_back(masm_.NewLabel());
    }
    CountAligned();
    places_.blocks[f].resize(function_->blocks.size());

    uint32_t begin = masm_.offset();
    masm_.Bind(this->function_labels_[f]);
    masm_.Enter(this->FrameOf(shape));
    this->Note(ListingPiece::Kind::kEntry, shape.start, 0, begin);
    for (size_t i = 0; i < function_->order.size(); ++i) {
      const uint32_t b = function_->order[i];
      const uint32_t after =
          i + 1 < function_->order.size() ? function_->order[i + 1] : opt::kNoBlock;
      EmitBlock(b, optimized.selected[b], after);
    }
    begin = masm_.offset();
    masm_.EmitCold();
    if (masm_.offset() != begin) this->Note(ListingPiece::Kind::kCold, shape.start, 0, begin);
  }

  // For each block how many aligned ones come before it or at it.
  void CountAligned() {
    aligned_before_.assign(function_->blocks.size(), 0);
    position_.assign(function_->blocks.size(), 0);
    uint32_t count = 0;
    uint32_t position = 0;
    for (const uint32_t b : function_->order) {
      if (function_->blocks[b].is_aligned) ++count;
      aligned_before_[b] = count;
      position_[b] = position++;
    }
  }

  void EmitBlock(uint32_t b, const Selected& selected, uint32_t after) {
    const Block& block = function_->blocks[b];
    block_ = &block;
    begin_ = masm_.offset();
    if (block.is_aligned) masm_.AlignLoop();
    masm_.Bind(block_labels_[b]);
    places_.blocks[number_][b].begin = masm_.offset();
    compared_ = false;
    for (const Operation& operation : selected.operations) {
      Mark(operation.at);
      Emit(operation);
      NotePiece(operation.at);
    }
    Mark(block.end.at);
    EmitEnd(b, selected, after);
    NotePiece(block.end.at);
    places_.blocks[number_][b].end = masm_.offset();
  }

  void Mark(uint32_t at) {
    if (offsets_[at] == kUnknown) offsets_[at] = masm_.offset();
  }

  void NotePiece(uint32_t at) {
    if (masm_.offset() == begin_) return;
    this->Note(ListingPiece::Kind::kInsns, at, 1, begin_);
    begin_ = masm_.offset();
  }

  void Emit(const Operation& operation) {
    const int width = operation.width;
    const bool compared = std::exchange(compared_, false);
    switch (operation.what) {
      case Do::kConstant:
        masm_.LoadConstant(operation.dst, operation.value);
        return;
      case Do::kMove:
        masm_.Alu(OpKind::kMov, width, operation.dst, Operand::Of(operation.a));
        return;
      case Do::kAlu:
        masm_.AluTo(operation.kind, width, operation.dst, operation.a, operation.b);
        return;
      case Do::kUnary:
        masm_.Alu(operation.kind, width, operation.dst, Operand::Of(operation.a));
        return;
      case Do::kMultiply:
        masm_.MultiplyBy(width, operation.dst, operation.a, operation.b.imm);
        return;
      case Do::kRotate:
        masm_.RotateLeft(width, operation.dst, operation.a, operation.b.imm);
        return;
      case Do::kAddress:
        masm_.AddressOf(width, operation.dst, operation.address);
        return;
      case Do::kLoad:
        masm_.Load(width, operation.sign, operation.dst, operation.address);
        return;
      case Do::kStore:
        masm_.Store(width, operation.address, operation.b);
        return;
      case Do::kAluLoad:
        masm_.AluLoad(operation.kind, width, operation.dst, operation.address);
        return;
      case Do::kSelect: {
        const Condition condition{operation.kind, width, operation.a, operation.b};
        masm_.Select(condition, operation.dst, operation.source,
                     compared && condition == condition_);
        condition_ = condition;
        compared_ = operation.dst != operation.a &&
                    !(operation.b.is_reg() && operation.b.reg == operation.dst);
        return;
      }
      case Do::kStep:
        EmitStep(operation);
        return;
    }
  }

  void EmitStep(const Operation& operation) {
    const opt::Step& step = block_->steps[operation.step];
    const OpShape& op = opt::ShapeOf(step);
    if (op.op_class != OpClass::kAlu) {
      this->Single(step.at, step.insn, op, operation.live);
      return;
    }
    switch (op.kind) {
      case OpKind::kDiv:
      case OpKind::kSDiv:
      case OpKind::kMod:
      case OpKind::kSMod:
        masm_.Divide({op.kind, op.width, step.insn.dst, Base::SecondOperand(step.insn, op),
                      !exec_.facts.empty() && exec_.facts[step.at].nonzero_divisor,
                      operation.live});
        return;
      default:
        masm_.Alu(op.kind, op.width, step.insn.dst, Base::SecondOperand(step.insn, op));
        return;
    }
  }

  // What a jump from here to the block costs in fuel: counted where the jump
  // stands, by instructions of the program.
  void MeterJump(const End& end, uint32_t target) {
    const uint32_t to = function_->blocks[target].at;
    if (metered_ && to <= end.at) {
      masm_.Meter((end.at - to + 1) * end.rounds, this->OriginOf(end.at));
    }
  }

  // Whether the block comes later in the code and is less than Masm::kNearBytes
  // away from the end of block `from`.
  JumpTo To(uint32_t from, uint32_t target) const {
    JumpTo jump{block_labels_[target], false};
    if (before_ == nullptr || position_[target] <= position_[from]) return jump;
    const auto& places = before_->blocks[number_];
    const uint32_t padding =
        (Masm::kLoopAlignment - 1) * (aligned_before_[target] - aligned_before_[from]);
    // Behind the jump in hand there may be another one at the end of the same block,
    // with what counts its fuel.
    constexpr uint32_t kOtherJump = 24;
    jump.near = places[target].begin - places[from].end + kOtherJump + padding <= Masm::kNearBytes;
    return jump;
  }

  void JumpFrom(uint32_t b, const End& end, uint32_t target, uint32_t after) {
    if (target == opt::kNoBlock) return;
    MeterJump(end, target);
    if (target == after) return;
    masm_.Jump(To(b, target));
  }

  void EmitEnd(uint32_t b, const Selected& selected, uint32_t after) {
    const End& end = block_->end;
    switch (end.kind) {
      case EndKind::kGoto:
        JumpFrom(b, end, end.next, after);
        return;
      case EndKind::kBranch: {
        const bool negate = end.taken == after;
        const uint32_t taken = negate ? end.next : end.taken;
        const uint32_t other = negate ? end.taken : end.next;
        if (taken != other) {
          MeterJump(end, taken);
          masm_.Branch(selected.kind, selected.width, selected.a, selected.b, negate, To(b, taken));
        }
        JumpFrom(b, end, other, after);
        return;
      }
      case EndKind::kMayGoto:
        MeterJump(end, end.taken);
        masm_.MayGoto(end.insn.off, block_labels_[end.taken]);
        JumpFrom(b, end, end.next, after);
        return;
      case EndKind::kSwitch: {
        std::vector<Label> labels;
        uint32_t first = function_->tables[end.table].front();
        ForSuccessors(*function_, end, [&](uint32_t target) {
          if (function_->blocks[target].at < function_->blocks[first].at) first = target;
        });
        MeterJump(end, first);
        for (const uint32_t target : function_->tables[end.table]) {
          labels.push_back(block_labels_[target]);
        }
        const uint32_t otherwise = end.next == opt::kNoBlock ? b : end.next;
        masm_.Switch(selected.a, labels, end.in_range, block_labels_[otherwise]);
        return;
      }
      case EndKind::kExit:
        masm_.Exit();
        return;
    }
  }

  const std::vector<opt::OptimizedFunction>& functions_;
  const CodePlaces* const before_;
  CodePlaces places_;
  const opt::Function* function_ = nullptr;
  const Block* block_ = nullptr;
  size_t number_ = 0;
  uint32_t begin_ = 0;
  std::vector<Label> block_labels_;
  std::vector<uint32_t> aligned_before_;
  std::vector<uint32_t> position_;
  // The flags are those of `condition_`, which the last operation asked.
  bool compared_ = false;
  Condition condition_;
};

}  // namespace skep::jit

#endif  // SKEP_JIT_OPT_OPT_COMPILER_H_
