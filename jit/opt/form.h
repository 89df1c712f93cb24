// SPDX-License-Identifier: Apache-2.0
// The form that the optimising compiler works on: the functions of a program as
// blocks of steps. Passes over the control-flow graph (jit/opt/passes.h) rewrite
// it; jit/opt/select.h then turns the steps of each block into operations for a
// port.
//
// A step is an instruction of the program, or one of the same kind that a pass
// made. Steps name r0 .. r10 and the temporaries t0 .. t2, which live inside a
// loop or between neighbouring blocks and only across steps that IsPlain().
//
// Threads: a value. Lifetime: refers to the ExecProgram it was built from.

#ifndef SKEP_JIT_OPT_FORM_H_
#define SKEP_JIT_OPT_FORM_H_

#include <cstdint>
#include <vector>

#include "jit/masm.h"
#include "jit/op_shape.h"
#include "jit/program_shape.h"
#include "model/exec_program.h"

namespace skep::jit::opt {

using model::ExecInsn;

inline constexpr RegSet kTemporaries = 7u << kFirstTemporary;

struct Step {
  ExecInsn insn;
  uint32_t at = 0;  // the instruction it is, or was made for: helper, facts, source line
  // A select: if the condition of `insn`, a branch, holds, then `to` = `from`.
  bool is_select = false;
  Reg to = 0;
  Reg from = 0;
};

inline constexpr uint32_t kNoBlock = ~uint32_t{0};

enum class EndKind : uint8_t {
  kGoto,     // to `next`; kNoBlock: control never comes to the end
  kBranch,   // `insn`: to `taken`, else to `next`
  kMayGoto,  // `insn`: to `taken`, else to `next`
  kSwitch,   // by the register insn.dst: to table[value], or to `next` if it is not below the size
  kExit,
};

struct End {
  EndKind kind = EndKind::kGoto;
  uint8_t rounds = 1;     // of the loop that a jump back goes round: what it costs
  bool in_range = false;  // kSwitch: the value is always below the size
  ExecInsn insn{};
  uint32_t at = 0;
  uint32_t next = kNoBlock;
  uint32_t taken = kNoBlock;
  uint32_t table = 0;  // kSwitch: index in Function::tables
};

struct Block {
  std::vector<Step> steps;
  End end;
  uint32_t at = 0;  // the first instruction; what a jump back to it is measured by
  bool is_aligned = false;
  RegSet live_in = 0;
  RegSet live_out = 0;
};

// One function. Blocks are numbered; `order` is their order in the code, in
// which blocks that control no longer reaches are left out. order[0] is the entry.
struct Function {
  uint32_t start = 0;
  bool metered = false;  // jumps back cost what is between where they stand and their target
  std::vector<Block> blocks;
  std::vector<uint32_t> order;
  std::vector<std::vector<uint32_t>> tables;  // blocks by value
};

// The function shape.functions[f].
Function Build(const model::ExecProgram& exec, const ProgramShape& shape, size_t f);

// Calls see(block) for each block that control may go to behind `end`.
template <class See>
void ForSuccessors(const Function& function, const End& end, See see) {
  if (end.kind == EndKind::kExit) return;
  if (end.next != kNoBlock) see(end.next);
  if (end.kind == EndKind::kBranch || end.kind == EndKind::kMayGoto) see(end.taken);
  if (end.kind == EndKind::kSwitch) {
    for (const uint32_t block : function.tables[end.table]) see(block);
  }
}

// What a step reads and writes, temporaries too; r10 is left out.
Effect EffectOf(const model::ExecProgram& exec, const Step& step);
RegSet ReadsOf(const End& end);

// Fills live_in and live_out of all blocks in `order`: the least sets, by
// iteration to the fixed point.
void FindLiveness(const model::ExecProgram& exec, Function& function);

// By step of the block, what is live behind it, from block.live_out.
void LiveAfter(const model::ExecProgram& exec, const Block& block, std::vector<RegSet>& live);

// How many edges lead to each block from blocks in `order`; the entry has one more.
std::vector<uint32_t> CountEntries(const Function& function);

// Adds a block; it has no place in `order` yet.
uint32_t AddBlock(Function& function, Block block);
// Puts blocks into `order`, each behind another one, those of the same one in the
// order given.
struct Placement {
  uint32_t block;
  uint32_t behind;
};
void Place(Function& function, const std::vector<Placement>& placements);

// Drops from `order` what control cannot reach.
void DropUnreachable(Function& function);

inline const OpShape& ShapeOf(const Step& step) { return jit::ShapeOf(step.insn.op); }

// Whether the step is computed by instructions that leave the port's temporaries
// alone: arithmetic other than division and shifts by a register, plain loads and
// stores outside arenas, constants.
bool IsPlain(const Step& step);
// Plain, and does nothing but write its destination: may be moved and repeated.
bool IsPure(const Step& step);

Step MakeMove(Reg dst, Reg src, uint32_t at);
Step MakeConstant(Reg dst, int32_t value, uint32_t at);

}  // namespace skep::jit::opt

#endif  // SKEP_JIT_OPT_FORM_H_
