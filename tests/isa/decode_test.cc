// SPDX-License-Identifier: Apache-2.0
#include "isa/decode.h"

#include <vector>

#include <gtest/gtest.h>

namespace skep {
namespace {

Insn MakeInsn(int code, int dst, int src, int off, int imm) {
  Insn insn;
  insn.code = static_cast<uint8_t>(code);
  insn.dst = static_cast<uint8_t>(dst & 15);
  insn.src = static_cast<uint8_t>(src & 15);
  insn.off = static_cast<int16_t>(off);
  insn.imm = imm;
  return insn;
}

std::string Verdict(std::vector<Insn> code) {
  const DecodeResult result = Decode(code, 0);
  return result ? std::string(Info(result.insn.op).name) : Message(result.error);
}

TEST(Decode, TellsApartOperationsThatShareAnOpcodeByte) {
  EXPECT_EQ(Verdict({MakeInsn(0x3f, 1, 2, 0, 0)}), "Div64Reg");
  EXPECT_EQ(Verdict({MakeInsn(0x3f, 1, 2, 1, 0)}), "SDiv64Reg");
  EXPECT_EQ(Verdict({MakeInsn(0xbf, 1, 2, 0, 0)}), "Mov64Reg");
  EXPECT_EQ(Verdict({MakeInsn(0xbf, 1, 2, 32, 0)}), "MovSx32To64");
  EXPECT_EQ(Verdict({MakeInsn(0xbf, 1, 2, 1, 1 << 16)}), "AddrSpaceCast");
  EXPECT_EQ(Verdict({MakeInsn(0xdb, 1, 2, -8, 0xf1)}), "CmpXchg64");
  EXPECT_EQ(Verdict({MakeInsn(0xd3, 1, 2, -8, 0x100)}), "LoadAcquire8");
  EXPECT_EQ(Verdict({MakeInsn(0x85, 0, 2, 3, 77)}), "CallKfunc");
}

TEST(Decode, NamesTheRuleInLinuxWords) {
  EXPECT_EQ(Verdict({MakeInsn(0x8d, 0, 0, 0, 0)}), "unknown opcode 8d");
  EXPECT_EQ(Verdict({MakeInsn(0x07, 11, 0, 0, 0)}), "R11 is invalid");
  EXPECT_EQ(Verdict({MakeInsn(0x0f, 0, 15, 0, 0)}), "R15 is invalid");
  EXPECT_EQ(Verdict({MakeInsn(0x0f, 0, 1, 0, 5)}), "BPF_ALU uses reserved fields");
  EXPECT_EQ(Verdict({MakeInsn(0x3f, 0, 1, 2, 0)}), "BPF_ALU uses reserved fields");
  EXPECT_EQ(Verdict({MakeInsn(0xbf, 0, 1, 24, 0)}), "BPF_MOV uses reserved fields");
  EXPECT_EQ(Verdict({MakeInsn(0xd4, 0, 0, 0, 8)}), "BPF_END uses reserved fields");
  EXPECT_EQ(Verdict({MakeInsn(0xdb, 1, 2, 0, 0x22)}), "BPF_ATOMIC uses invalid atomic opcode 22");
  EXPECT_EQ(Verdict({MakeInsn(0xd3, 1, 2, 0, 0xe1)}), "invalid atomic operand size");
  EXPECT_EQ(Verdict({MakeInsn(0x85, 0, 3, 0, 0)}), "BPF_CALL uses reserved fields");
  EXPECT_EQ(Verdict({MakeInsn(0x72, 1, 1, 0, 0)}), "BPF_ST uses reserved fields");
  EXPECT_EQ(Verdict({MakeInsn(0xbf, 1, 1, 1, 0)}),
            "addr_space_cast insn can only convert between address space 1 and 0");
}

TEST(Decode, ReadsBothHalvesOfAWideLoad) {
  const std::vector<Insn> code = {MakeInsn(0x18, 3, 0, 0, -2), MakeInsn(0, 0, 0, 0, 0x11)};
  const DecodeResult result = Decode(code, 0);
  ASSERT_TRUE(result);
  EXPECT_EQ(result.slots(), 2u);
  EXPECT_EQ(result.insn.imm64, 0x11fffffffe);
  EXPECT_EQ(result.insn.imm, -2);
  EXPECT_EQ(result.insn.imm_high(), 0x11u);
}

TEST(Decode, RefusesABrokenWideLoad) {
  const Insn first = MakeInsn(0x18, 3, 0, 0, 1);
  EXPECT_EQ(Verdict({first}), "invalid bpf_ld_imm64 insn");
  EXPECT_EQ(Verdict({first, MakeInsn(0, 1, 0, 0, 0)}), "invalid bpf_ld_imm64 insn");
  EXPECT_EQ(Verdict({MakeInsn(0x18, 3, 7, 0, 1), Insn{}}), "unrecognized bpf_ld_imm64 insn");
  EXPECT_EQ(Verdict({MakeInsn(0x18, 3, 1, 0, 1), MakeInsn(0, 0, 0, 0, 1)}),
            "unrecognized bpf_ld_imm64 insn");
  EXPECT_EQ(Verdict({MakeInsn(0x18, 3, 0, 4, 1), Insn{}}), "BPF_LD_IMM64 uses reserved fields");
}

TEST(Decode, AcceptsAnyOffsetInExitAsLinuxDoes) {
  EXPECT_EQ(Verdict({MakeInsn(0x95, 0, 0, 7, 0)}), "Exit");
  EXPECT_EQ(Verdict({MakeInsn(0x95, 0, 0, 0, 7)}), "BPF_EXIT uses reserved fields");
}

TEST(Decode, SignExtendsImmediates) {
  const std::vector<Insn> code = {MakeInsn(0xb7, 3, 0, 0, -5)};
  EXPECT_EQ(Decode(code, 0).insn.imm64, -5);
}

TEST(DecodeProgram, KeepsOneEntryASlot) {
  const DecodedProgram program = DecodeProgram(
      std::vector<Insn>{MakeInsn(0x18, 3, 0, 0, 1), Insn{}, MakeInsn(0x95, 0, 0, 0, 0)});
  ASSERT_TRUE(program);
  ASSERT_EQ(program.insns.size(), 3u);
  EXPECT_EQ(program.insns[0].op, Op::kLdImm64);
  EXPECT_EQ(program.insns[1].op, Op::kInvalid);
  EXPECT_EQ(program.insns[2].op, Op::kExit);
}

TEST(DecodeProgram, RefusesTargetsOutsideTheProgramAndInsideWideLoads) {
  const Insn exit = MakeInsn(0x95, 0, 0, 0, 0);
  const auto verdict = [](std::vector<Insn> code) {
    const DecodedProgram program = DecodeProgram(code);
    return program ? std::string() : Message(program.error);
  };
  EXPECT_EQ(verdict({MakeInsn(0x05, 0, 0, 0, 0), exit}), "");
  EXPECT_EQ(verdict({MakeInsn(0x05, 0, 0, 1, 0), exit}), "jump out of range from insn 0 to 2");
  EXPECT_EQ(verdict({MakeInsn(0x06, 0, 0, 0, -2), exit}), "jump out of range from insn 0 to -1");
  EXPECT_EQ(verdict({MakeInsn(0x85, 0, 1, 0, 7), exit}), "jump out of range from insn 0 to 8");
  EXPECT_EQ(verdict({MakeInsn(0x15, 0, 0, 1, 0), MakeInsn(0x18, 3, 0, 0, 1), Insn{}, exit}),
            "jump into the middle of ldimm64 insn 1");
}

}  // namespace
}  // namespace skep
