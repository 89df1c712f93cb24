// SPDX-License-Identifier: Apache-2.0
#include "isa/disasm.h"

#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "isa/assembler.h"
#include "isa/encode.h"

namespace skep {
namespace {

std::string Text(const Insn& insn, int32_t high = 0) {
  const std::vector<Insn> code = {insn, {.imm = high}};
  const DecodeResult decoded = Decode(code, 0);
  return decoded ? Disassemble(decoded.insn) : Message(decoded.error);
}

// Spot checks against what bpftool and the verifier log of Linux 6.18 print.
TEST(Disassemble, PrintsKernelSyntax) {
  EXPECT_EQ(Text({.code = 0xb7, .dst = 3, .imm = -5}), "r3 = -5");
  EXPECT_EQ(Text({.code = 0x9c, .dst = 3, .src = 4, .off = 1}), "w3 s%= w4");
  EXPECT_EQ(Text({.code = 0x61, .dst = 2, .src = 1, .off = 76}), "r2 = *(u32 *)(r1 +76)");
  EXPECT_EQ(Text({.code = 0x7a, .dst = 10, .off = -8, .imm = 1}), "*(u64 *)(r10 -8) = 1");
  EXPECT_EQ(Text({.code = 0xdb, .dst = 1, .src = 2, .imm = 0xf1}),
            "r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)");
  EXPECT_EQ(Text({.code = 0x18, .dst = 1, .imm = 0x55667788}, 0x11223344),
            "r1 = 0x1122334455667788 ll");
  EXPECT_EQ(Text({.code = 0xa6, .dst = 1, .off = 2, .imm = -1}), "if w1 < 0xffffffff goto pc+2");
  EXPECT_EQ(Text({.code = 0x85, .src = 1, .imm = -4}), "call pc-4");
  EXPECT_EQ(Text({.code = 0xd7, .dst = 1, .imm = 64}), "r1 = bswap64 r1");
  EXPECT_EQ(Text({.code = 0x95, .off = 3}), "exit off 3");
}

TEST(Disassemble, NamesHelpersAsBpftoolDoes) {
  class Names final : public AsmSymbols {
   public:
    std::string HelperName(int32_t) const override { return "bpf_map_lookup_elem"; }
  };
  const Names names;
  const std::vector<Insn> code = {{.code = 0x85, .imm = 1}};
  const std::string text = Disassemble(Decode(code, 0).insn, &names);
  EXPECT_EQ(text, "call bpf_map_lookup_elem#1");
  const Result<AssembledProgram> again = Assemble(text);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->insns, code);
}

// Assembles the disassembly of `code` and compares; reports the first line that
// came back different.
void ExpectRoundTrip(const std::vector<Insn>& code) {
  const std::string text = DisassembleProgram(code);
  const Result<AssembledProgram> again = Assemble(text);
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_EQ(again->insns.size(), code.size());
  for (size_t i = 0; i < code.size(); ++i) {
    ASSERT_EQ(std::memcmp(&again->insns[i], &code[i], sizeof(Insn)), 0)
        << "slot " << i << ": " << DisassembleProgram(std::span(code).subspan(i, 1))
        << "came back as " << DisassembleProgram(std::span(again->insns).subspan(i, 1));
  }
}

constexpr int kOffsets[] = {0, 1, -1, 8, 16, 32, 32767, -32768};
constexpr int32_t kImmediates[] = {0,    1,     -1,    16,    32,        64,        0x01,
                                   0x40, 0x41,  0x50,  0x51,  0xa0,      0xa1,      0xe1,
                                   0xf1, 0x100, 0x110, 65536, INT32_MAX, INT32_MIN, 77};

TEST(Disassemble, EveryLegalEncodingAssemblesBackToTheSameBytes) {
  std::vector<Insn> code;
  std::vector<bool> seen(static_cast<size_t>(kOpCount), false);
  size_t legal = 0;
  for (int byte = 0; byte < 256; ++byte) {
    for (int regs = 0; regs < 256; ++regs) {
      for (const int off : kOffsets) {
        for (const int32_t imm : kImmediates) {
          std::vector<Insn> one(2);
          one[0].code = static_cast<uint8_t>(byte);
          one[0].dst = static_cast<uint8_t>(regs & 15);
          one[0].src = static_cast<uint8_t>((regs >> 4) & 15);
          one[0].off = static_cast<int16_t>(off);
          one[0].imm = imm;
          for (const int32_t high : {0, -1}) {
            one[1].imm = high;
            const DecodeResult decoded = Decode(one, 0);
            if (!decoded || (high != 0 && decoded.slots() == 1)) continue;
            ++legal;
            seen[static_cast<size_t>(decoded.insn.op)] = true;
            code.insert(code.end(), one.begin(),
                        one.begin() + static_cast<std::ptrdiff_t>(decoded.slots()));
          }
        }
      }
    }
    ExpectRoundTrip(code);
    if (HasFatalFailure()) return;
    code.clear();
  }
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_TRUE(seen[i]) << kOpTable[i].name;
  EXPECT_GT(legal, 100'000u);
}

TEST(Disassemble, RandomSlotsAssembleBackToTheSameBytes) {
  std::mt19937_64 random(1);
  std::vector<Insn> code(20'000);
  for (Insn& insn : code) {
    const uint64_t word = random();
    std::memcpy(static_cast<void*>(&insn), &word, sizeof word);
    // Half of them with a known opcode byte and small fields, so that many decode.
    if (word & 1) {
      insn.code = kOpTable[random() % kOpTable.size()].code;
      insn.dst = static_cast<uint8_t>(random() % 11) & 15;
      insn.src = static_cast<uint8_t>(random() % 11) & 15;
      if (word & 2) insn.off = 0;
      if (word & 4) insn.imm = 0;
    }
  }
  ExpectRoundTrip(code);
}

}  // namespace
}  // namespace skep
