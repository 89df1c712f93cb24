// SPDX-License-Identifier: Apache-2.0
// The disassembly is word for word what the kernel's verifier log prints.
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isa/disasm.h"
#include "isa/encode.h"
#include "tests/support/kernel_oracle.h"

namespace skep {
namespace {

class Names final : public AsmSymbols {
 public:
  std::string HelperName(int32_t id) const override {
    return id == 5 ? "bpf_ktime_get_ns" : std::string();
  }
};

// How the kernel's log prints `insn`, empty if it does not get so far.
std::string KernelText(const DecodedInsn& insn) {
  std::vector<Insn> code;
  AppendEncoded({.op = Op::kMov64Reg, .dst = 6, .src = 1}, code);
  for (uint8_t reg = 0; reg < 10; ++reg) {
    if (reg != 6) AppendEncoded({.op = Op::kMov64Imm, .dst = reg}, code);
  }
  const size_t at = code.size();
  AppendEncoded(insn, code);
  const OpKind kind = Info(insn.op).kind;
  const int functions = kind == OpKind::kExit ? 0 : kind == OpKind::kCallLocal ? 2 : 1;
  for (int i = 0; i < functions; ++i) {
    for (int filler = 0; filler < 2; ++filler) AppendEncoded({.op = Op::kMov64Imm}, code);
    AppendEncoded({.op = Op::kExit}, code);
  }
  char start[32];
  std::snprintf(start, sizeof start, "%zu: (%02x) ", at, unsigned{code[at].code});

  std::istringstream log(kernel_oracle::Judge(code, {}, {}, 2).log);
  for (std::string line; std::getline(log, line);) {
    const size_t begin = line.find(start);
    if (begin == std::string::npos) continue;
    std::string text = line.substr(begin + std::string(start).size());
    text = text.substr(0, text.find(" ;"));
    return text.substr(0, text.find_last_not_of(' ') + 1);
  }
  return {};
}

TEST(Disassemble, IsWhatTheKernelsLogPrints) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  if (!test::KernelIsAtLeast(6, 18)) GTEST_SKIP() << "some operations need Linux 6.18";
  const Names names;
  int compared = 0;
  for (size_t i = 0; i < kOpTable.size(); ++i) {
    const OpInfo& info = kOpTable[i];
    // Wide loads and kfuncs have text of our own, see isa/disasm.h.
    if (ClassOf(info.kind) == OpClass::kWideLoad || info.kind == OpKind::kCallKfunc) continue;
    for (const int imm : {5, -3}) {
      DecodedInsn insn{.op = static_cast<Op>(i)};
      if (info.Has(kReadsDst | kWritesDst)) insn.dst = 1;
      if (info.Has(kReadsSrc)) insn.src = 2;
      switch (info.operands) {
        case Operands::kDstMem:
        case Operands::kMemSrc:
          insn.off = imm > 0 ? 8 : -8;
          break;
        case Operands::kMemImm:
          insn.off = 8;
          insn.imm = imm;
          break;
        case Operands::kBranchImm:
          insn.off = 1;
          insn.imm = imm;
          break;
        case Operands::kBranchReg:
        case Operands::kJump:
          insn.off = info.kind == OpKind::kJa ? 0 : 1;
          break;
        case Operands::kDstImm:
        case Operands::kPacketAbs:
        case Operands::kPacketInd:
          insn.imm = imm;
          break;
        case Operands::kCast:
          insn.imm = imm > 0 ? 1 : 1 << 16;
          break;
        case Operands::kCall:
          insn.imm = info.kind == OpKind::kCallLocal ? 3 : 5;
          break;
        case Operands::kDstSrc:
        case Operands::kDst:
        case Operands::kJumpFar:
        case Operands::kExit:
        case Operands::kWide:
        case Operands::kWideLow:
        case Operands::kCallFar:
          break;
      }
      const std::vector<Insn> code(1, Encode(insn).slots[0]);
      const DecodeResult decoded = Decode(code, 0);
      ASSERT_TRUE(decoded) << info.name << ": " << Message(decoded.error);
      EXPECT_EQ(Disassemble(decoded.insn, &names), KernelText(insn)) << info.name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 300);
}

}  // namespace
}  // namespace skep
