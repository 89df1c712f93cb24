// SPDX-License-Identifier: Apache-2.0
#include "isa/cfg.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isa/encode.h"

namespace skep {
namespace {

DecodedInsn Make(Op op, int off = 0, int imm = 0) {
  DecodedInsn insn;
  insn.op = op;
  insn.off = static_cast<int16_t>(off);
  insn.imm = imm;
  insn.imm64 = imm;
  return insn;
}

// One line: per block "begin-end >fall_through >target", subprograms apart by |.
std::string Shape(const std::vector<DecodedInsn>& program) {
  std::vector<Insn> code;
  for (const DecodedInsn& insn : program) AppendEncoded(insn, code);
  const DecodedProgram decoded = DecodeProgram(code);
  if (!decoded) return Message(decoded.error);
  const Cfg cfg = Cfg::Build(decoded.insns);
  if (!cfg) return Message(cfg.error());
  std::string text;
  for (const SubprogramRange& subprogram : cfg.subprograms()) {
    if (!text.empty()) text += " |";
    for (uint32_t i = 0; i < subprogram.block_count; ++i) {
      const BasicBlock& block = cfg.blocks()[subprogram.first_block + i];
      text += " " + std::to_string(block.begin) + "-" + std::to_string(block.end);
      if (block.fall_through != BasicBlock::kNone) {
        text += ">" + std::to_string(cfg.blocks()[block.fall_through].begin);
      }
      if (block.target != BasicBlock::kNone) {
        text += "^" + std::to_string(cfg.blocks()[block.target].begin);
      }
    }
  }
  return text;
}

TEST(Cfg, StraightLineIsOneBlock) {
  EXPECT_EQ(Shape({Make(Op::kMov64Imm), Make(Op::kCallHelper), Make(Op::kExit)}), " 0-3");
}

TEST(Cfg, BranchSplitsAtItsTargetAndAfterItself) {
  EXPECT_EQ(
      Shape({Make(Op::kMov64Imm), Make(Op::kJEq64Imm, 1), Make(Op::kMov64Imm), Make(Op::kExit)}),
      " 0-2>2^3 2-3>3 3-4");
}

TEST(Cfg, BackEdgeLeadsToTheLoopHead) {
  EXPECT_EQ(
      Shape({Make(Op::kMov64Imm), Make(Op::kSub64Imm), Make(Op::kJNe64Imm, -2), Make(Op::kExit)}),
      " 0-1>1 1-3>3^1 3-4");
}

TEST(Cfg, BranchToTheNextInstructionHasTwoEqualEdges) {
  EXPECT_EQ(Shape({Make(Op::kJEq64Imm, 0), Make(Op::kExit)}), " 0-1>1^1 1-2");
}

TEST(Cfg, WideLoadsTakeTwoSlotsOfTheirBlock) {
  EXPECT_EQ(Shape({Make(Op::kLdImm64), Make(Op::kJa, 2), Make(Op::kLdImm64), Make(Op::kExit)}),
            " 0-3^5 3-5>5 5-6");
}

TEST(Cfg, LocalCallsAndSubprogramReferencesStartSubprograms) {
  EXPECT_EQ(Shape({Make(Op::kCallLocal, 0, 4), Make(Op::kLdFunc, 0, 4), Make(Op::kExit),
                   Make(Op::kExit), Make(Op::kExit), Make(Op::kExit)}),
            " 0-4 4-5 | 5-6 | 6-7");
}

TEST(Cfg, RefusesControlThatLeavesItsSubprogram) {
  EXPECT_EQ(Shape({Make(Op::kMov64Imm)}), "last insn is not an exit or jmp");
  EXPECT_EQ(Shape({Make(Op::kCallLocal, 0, 0), Make(Op::kExit)}),
            "last insn is not an exit or jmp");
  EXPECT_EQ(Shape({Make(Op::kCallLocal, 0, 2), Make(Op::kJa, 1), Make(Op::kExit), Make(Op::kExit)}),
            "jump out of range from insn 1 to 3");
  EXPECT_EQ(Shape({}), "no instructions");
}

TEST(Cfg, PredecessorsMirrorSuccessors) {
  std::vector<Insn> code;
  for (const DecodedInsn& insn :
       {Make(Op::kJEq64Imm, 2), Make(Op::kJEq64Imm, 1), Make(Op::kMov64Imm), Make(Op::kExit)}) {
    AppendEncoded(insn, code);
  }
  const Cfg cfg = Cfg::Build(DecodeProgram(code).insns);
  ASSERT_TRUE(cfg);
  const auto predecessors = cfg.PredecessorsOf(cfg.BlockAt(3));
  EXPECT_EQ(std::vector<uint32_t>(predecessors.begin(), predecessors.end()),
            (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_TRUE(cfg.PredecessorsOf(0).empty());
}

TEST(Cfg, ReversePostorderVisitsReachableBlocksBeforeTheirSuccessors) {
  std::vector<Insn> code;
  for (const DecodedInsn& insn :
       {Make(Op::kJEq64Imm, 2), Make(Op::kJa, 1), Make(Op::kMov64Imm), Make(Op::kExit)}) {
    AppendEncoded(insn, code);
  }
  const Cfg cfg = Cfg::Build(DecodeProgram(code).insns);
  ASSERT_TRUE(cfg);
  // Slot 2 is unreachable.
  EXPECT_EQ(cfg.ReversePostorder(0),
            (std::vector<uint32_t>{cfg.BlockAt(0), cfg.BlockAt(1), cfg.BlockAt(3)}));
}

TEST(Encode, IsTheInverseOfDecode) {
  const std::vector<Insn> code = {{.code = 0x18, .dst = 2, .src = 2, .off = 0, .imm = -1},
                                  {.imm = 77},
                                  {.code = 0xdb, .dst = 1, .src = 3, .off = -8, .imm = 0xf1}};
  std::vector<Insn> again;
  for (size_t at = 0; at < code.size();) {
    const DecodeResult decoded = Decode(code, at);
    ASSERT_TRUE(decoded);
    AppendEncoded(decoded.insn, again);
    at += decoded.slots();
  }
  EXPECT_EQ(again, code);
}

}  // namespace
}  // namespace skep
