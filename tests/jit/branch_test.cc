// SPDX-License-Identifier: Apache-2.0
// Every conditional jump, plain and around a `goto`, and after an operation
// that left flags behind.
#include <gtest/gtest.h>

#include "isa/semantics.h"
#include "tests/jit/register_frame.h"

namespace skep::jit {
namespace {

using model::ExecInsn;

ExecInsn Make(Op op, int dst, int src, int32_t imm, uint32_t target = 0) {
  return {op, static_cast<uint8_t>(dst), static_cast<uint8_t>(src), 0, 0, 0, imm, target};
}

// Sets `flag` to 1 if the jump is taken, to 2 if it is not.
std::vector<ExecInsn> Plain(ExecInsn branch, int flag) {
  branch.target = 3;
  return {branch, Make(Op::kMov64Imm, flag, 0, 2), Make(Op::kJa, 0, 0, 0, 4),
          Make(Op::kMov64Imm, flag, 0, 1)};
}

// The same with `if c goto over; goto not_taken; over:`.
std::vector<ExecInsn> AroundGoto(ExecInsn branch, int flag) {
  branch.target = 2;
  return {branch, Make(Op::kJa, 0, 0, 0, 4), Make(Op::kMov64Imm, flag, 0, 1),
          Make(Op::kJa, 0, 0, 0, 5), Make(Op::kMov64Imm, flag, 0, 2)};
}

TEST(Branch, DecidesAsSemanticsSays) {
  constexpr int32_t kImmediates[] = {0, 1, -1, 127, 128, -128, INT32_MIN, INT32_MAX};
  for (int index = 0; index < kOpCount; ++index) {
    const Op op = static_cast<Op>(index);
    const OpInfo& info = Info(op);
    if (ClassOf(op) != OpClass::kBranch) continue;
    const bool reg = info.operands == Operands::kBranchReg;
    for (int dst = 0; dst < 10; ++dst) {
      for (int src = 0; src < (reg ? 10 : 8); ++src) {
        const int flag = dst == 9 || (reg && src == 9) ? (dst == 8 || src == 8 ? 7 : 8) : 9;
        if (flag == src && reg) continue;
        const int32_t imm = reg ? 0 : kImmediates[src];
        const ExecInsn branch = Make(op, dst, reg ? src : 0, imm);
        for (bool around : {false, true}) {
          RegisterFrame frame(around ? AroundGoto(branch, flag) : Plain(branch, flag));
          for (uint64_t a : kHostileValues) {
            for (uint64_t b : kHostileValues) {
              if (dst == src && a != b) continue;
              Registers registers = {};
              registers[static_cast<size_t>(dst)] = a;
              if (reg) registers[static_cast<size_t>(src)] = b;
              Registers expected = registers;
              const uint64_t right = reg ? b : static_cast<uint64_t>(int64_t{imm});
              expected[static_cast<size_t>(flag)] =
                  EvalJump(info.kind, info.width, a, right) ? 1 : 2;
              frame.Run(registers);
              ASSERT_EQ(registers, expected)
                  << info.name << " r" << dst << " " << a << " " << right;
              if (!reg) break;
            }
          }
        }
      }
    }
  }
}

// Comparing with zero what was just computed needs no comparison, if the flags
// say the same.
TEST(Branch, TrustsFlagsOnlyWhereTheyAreTheValues) {
  for (int index = 0; index < kOpCount; ++index) {
    const Op op = static_cast<Op>(index);
    const OpInfo& info = Info(op);
    if (ClassOf(op) != OpClass::kAlu || info.operands == Operands::kDst) continue;
    const bool reg = info.operands == Operands::kDstSrc;
    for (int32_t imm : {0, 1, -1, 31, 255, 128, -256}) {
      if (reg && imm != 0) continue;
      for (Op branch : {Op::kJEq64Imm, Op::kJNe64Imm, Op::kJEq32Imm, Op::kJNe32Imm, Op::kJSLt64Imm,
                        Op::kJSLt32Imm, Op::kJGt64Imm, Op::kJSet32Imm}) {
        std::vector<ExecInsn> body = {Make(op, 3, reg ? 4 : 0, imm)};
        for (ExecInsn insn : Plain(Make(branch, 3, 0, 0), 9)) {
          if (insn.target != 0) ++insn.target;
          body.push_back(insn);
        }
        RegisterFrame frame(body);
        for (uint64_t a : kHostileValues) {
          for (uint64_t b : kHostileValues) {
            Registers registers = {};
            registers[3] = a;
            registers[4] = b;
            Registers expected = registers;
            expected[3] =
                EvalAlu(info.kind, info.width, a, reg ? b : static_cast<uint64_t>(int64_t{imm}));
            expected[9] = EvalJump(Info(branch).kind, Info(branch).width, expected[3], 0) ? 1 : 2;
            frame.Run(registers);
            ASSERT_EQ(registers, expected) << info.name << " " << Info(branch).name << " " << a;
          }
        }
      }
    }
  }
}

TEST(Branch, ReachesFarTargets) {
  for (uint32_t distance : {1u, 8u, 9u, 10u, 15u, 16u, 17u, 18u, 19u, 25u, 32u, 50u, 2000u}) {
    std::vector<ExecInsn> body = {Make(Op::kJEq64Imm, 1, 0, 0, distance + 1)};
    for (uint32_t i = 0; i < distance; ++i) body.push_back(Make(Op::kAdd64Imm, 2, 0, 0x12345));
    RegisterFrame frame(body);
    Registers registers = {};
    frame.Run(registers);
    EXPECT_EQ(registers[2], 0u);
    registers[1] = 1;
    frame.Run(registers);
    EXPECT_EQ(registers[2], uint64_t{distance} * 0x12345);
  }
}

TEST(Branch, ComparesTheFramePointer) {
  RegisterFrame frame({Make(Op::kMov64Reg, 5, 10, 0), Make(Op::kJEq64Reg, 5, 10, 0, 3),
                       Make(Op::kMov64Imm, 6, 0, 1), Make(Op::kJEq64Reg, 10, 5, 0, 5),
                       Make(Op::kMov64Imm, 6, 0, 2), Make(Op::kMov64Imm, 5, 0, 0)});
  Registers registers = {};
  frame.Run(registers);
  EXPECT_EQ(registers, Registers{});
}

}  // namespace
}  // namespace skep::jit
