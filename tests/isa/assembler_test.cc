// SPDX-License-Identifier: Apache-2.0
#include "isa/assembler.h"

#include <iterator>
#include <random>

#include <gtest/gtest.h>

#include "isa/decode.h"
#include "isa/disasm.h"

namespace skep {
namespace {

// Helper 1 is map_lookup_elem, map "counts" has index 4.
class TestSymbols final : public AsmSymbols {
 public:
  std::optional<int32_t> HelperId(std::string_view name) const override {
    if (name == "map_lookup_elem" || name == "bpf_map_lookup_elem") return 1;
    return std::nullopt;
  }
  std::optional<int32_t> MapIndex(std::string_view name) const override {
    if (name == "counts") return 4;
    return std::nullopt;
  }
  std::string HelperName(int32_t id) const override {
    return id == 1 ? "bpf_map_lookup_elem" : std::string();
  }
};

// The canonical text of what `text` assembles to, or the error.
std::string Canonical(std::string_view text) {
  const TestSymbols symbols;
  const Result<AssembledProgram> program = Assemble(text, &symbols);
  if (!program) return program.error().message;
  std::string out = DisassembleProgram(program->insns);
  if (!out.empty()) out.pop_back();
  return out;
}

struct Spelling {
  const char* text;
  const char* canonical;
};

constexpr Spelling kKernelSpellings[] = {
    {"r0 = *(u32 *)(r1 + 4)", "r0 = *(u32 *)(r1 +4)"},
    {"r0 = *(u32*)(r1+0x4)", "r0 = *(u32 *)(r1 +4)"},
    {"w0 = *(u8 *)(r1 - 1)", "r0 = *(u8 *)(r1 -1)"},
    {"r0 = *(u64 *)(r1 + -8)", "r0 = *(u64 *)(r1 -8)"},
    {"r0 = *(s16 *)(r1)", "r0 = *(s16 *)(r1 +0)"},
    {"*(u64 *)(r10 - 8) = r1", "*(u64 *)(r10 -8) = r1"},
    {"*(u16 *)(r10 - 8) = w1", "*(u16 *)(r10 -8) = r1"},
    {"*(u8 *)(r1 + 0) = -7", "*(u8 *)(r1 +0) = -7"},
    {"w0 += 1", "w0 += 1"},
    {"r0 -= r1", "r0 -= r1"},
    {"r0 s/= r1", "r0 s/= r1"},
    {"w0 s%= -3", "w0 s%= -3"},
    {"w0 %= w9", "w0 %= w9"},
    {"r3 s>>= 3", "r3 s>>= 3"},
    {"r3 <<= r4", "r3 <<= r4"},
    {"r0 = 0xffffffff", "r0 = -1"},
    {"r0 = 0xffffffff80000000", "r0 = -2147483648"},
    {"r0 = -r0", "r0 = -r0"},
    {"w7 = -w7", "w7 = -w7"},
    {"r0 = (s8)r1", "r0 = (s8)r1"},
    {"w0 = (s16) w1", "w0 = (s16)w1"},
    {"r0 = be16 r0", "r0 = be16 r0"},
    {"r0 = bswap32 r0", "r0 = bswap32 r0"},
    {"r0 = 0x1122334455667788 ll", "r0 = 0x1122334455667788 ll"},
    {"r0 = -1ll", "r0 = 0xffffffffffffffff ll"},
    {"lock *(u64 *)(r1 + 0) += r2", "lock *(u64 *)(r1 +0) += r2"},
    {"lock *(u32 *)(r1 + 0) ^= w2", "lock *(u32 *)(r1 +0) ^= r2"},
    {"r0 = atomic_fetch_add((u64 *)(r1 + 0), r0)", "r0 = atomic64_fetch_add((u64 *)(r1 +0), r0)"},
    {"w0 = atomic_fetch_or((u32 *)(r1 + 0), w0)", "r0 = atomic_fetch_or((u32 *)(r1 +0), r0)"},
    {"r0 = cmpxchg_64(r1 + 0, r0, r2)", "r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)"},
    {"w0 = cmpxchg32_32(r1 + 0, w0, w2)", "r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)"},
    {"r2 = xchg_64(r1 + 8, r2)", "r2 = atomic64_xchg((u64 *)(r1 +8), r2)"},
    {"w2 = xchg32_32(r1 + 8, w2)", "r2 = atomic_xchg((u32 *)(r1 +8), r2)"},
    {"r0 = load_acquire((u64 *)(r1 + 0))", "r0 = load_acquire((u64 *)(r1 +0))"},
    {"w0 = load_acquire((u8 *)(r1 + 0))", "r0 = load_acquire((u8 *)(r1 +0))"},
    {"store_release((u16 *)(r1 + 0), w2)", "store_release((u16 *)(r1 +0), r2)"},
    {"r0 = *(u8 *)skb[12]", "r0 = *(u8 *)skb[12]"},
    {"r0 = *(u32 *)skb[r3 + 12]", "r0 = *(u32 *)skb[r3 + 12]"},
    {"if w1 s> 5 goto +3", "if w1 s> 0x5 goto pc+3"},
    {"if r1 != -5 goto pc-2", "if r1 != 0xfffffffb goto pc-2"},
    {"if r1 & r2 goto +0x3", "if r1 & r2 goto pc+3"},
    {"goto +3", "goto pc+3"},
    {"gotol -70000", "gotol pc-70000"},
    {"may_goto +3", "may_goto pc+3"},
    {"call 5", "call 5"},
    {"call map_lookup_elem", "call 1"},
    {"call bpf_map_lookup_elem#1", "call 1"},
    {"call pc+3", "call pc+3"},
    {"call -2", "call pc-2"},
    {"call kfunc[131][2]", "call kfunc[131][2]"},
    {"r1 = addr_space_cast(r1, 0, 1)", "r1 = addr_space_cast(r1, 0, 1)"},
    {"r1 = map[0] ll", "r1 = map[0] ll"},
    {"r1 = map[counts]", "r1 = map[4] ll"},
    {"r1 = map[counts][8] ll", "r1 = map[4][8] ll"},
    {"r1 = map_idx[1][16]", "r1 = map_idx[1][16] ll"},
    {"r1 = btf_id[5][3] ll", "r1 = btf_id[5][3] ll"},
    {"r1 = subprog[+5] ll", "r1 = subprog[+5] ll"},
    {"exit", "exit"},
    {"exit off 5", "exit off 5"},
    {"r1 = 1; r2 = 2 // two", "r1 = 1\nr2 = 2"},
    {"# nothing\n\n ; \n", ""},
    {".insn 0x000000070000008d", ".insn 0x000000070000008d"},
};

TEST(Assembler, TakesKernelAndLlvmSyntax) {
  for (const Spelling& spelling : kKernelSpellings) {
    EXPECT_EQ(Canonical(spelling.text), spelling.canonical) << spelling.text;
  }
}

constexpr Spelling kConformanceSpellings[] = {
    {"mov %r0, 1", "r0 = 1"},
    {"mov r0, r1", "r0 = r1"},
    {"mov32 %r0, %r1", "w0 = w1"},
    {"add64 %r0, -1", "r0 += -1"},
    {"jeq %r1, 0xffffffffffffffff, +1", "if r1 == 0xffffffff goto pc+1"},
    {"lddw %r0, 0x123456789abcdef0", "r0 = 0x123456789abcdef0 ll"},
    {"lddw r1, map_by_fd(counts)", "r1 = map[4] ll"},
    {"ldxb %r0, [%r1+2]", "r0 = *(u8 *)(r1 +2)"},
    {"ldxsw %r0, [%r1]", "r0 = *(s32 *)(r1 +0)"},
    {"stw [%r1+8], 0x44", "*(u32 *)(r1 +8) = 68"},
    {"stxdw [%r10-8], %r1", "*(u64 *)(r10 -8) = r1"},
    {"lock add [%r1], %r2", "lock *(u64 *)(r1 +0) += r2"},
    {"lock and32 [%r1+4], %r2", "lock *(u32 *)(r1 +4) &= r2"},
    {"lock fetch xor [%r1], %r2", "r2 = atomic64_fetch_xor((u64 *)(r1 +0), r2)"},
    {"lock fetch add32 [%r1], %r2", "r2 = atomic_fetch_add((u32 *)(r1 +0), r2)"},
    {"lock xchg [%r1], %r2", "r2 = atomic64_xchg((u64 *)(r1 +0), r2)"},
    {"lock cmpxchg32 [%r1], %r2", "r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)"},
    {"be16 %r0", "r0 = be16 r0"},
    {"le64 %r1", "r1 = le64 r1"},
    {"swap32 %r0", "r0 = bswap32 r0"},
    {"bswap64 %r0", "r0 = bswap64 r0"},
    {"neg32 %r0", "w0 = -w0"},
    {"sdiv %r0, %r1", "r0 s/= r1"},
    {"smod32 %r0, -3", "w0 s%= -3"},
    {"arsh32 %r0, 3", "w0 s>>= 3"},
    {"movsx864 %r0, %r1", "r0 = (s8)r1"},
    {"movsx1632 %r0, %r1", "w0 = (s16)w1"},
    {"movsx3264 %r0, %r1", "r0 = (s32)r1"},
    {"jslt32 %r1, %r2, -3", "if w1 s< w2 goto pc-3"},
    {"ja +3", "goto pc+3"},
    {"ja32 +3", "gotol pc+3"},
    {"call helper 5", "call 5"},
    {"call runtime 0x2a", "call kfunc[42][0]"},
    {"call %r2", ".insn 0x000000000000028d"},
    {"mov %r11, 1", ".insn 0x0000000100000bb7"},
};

TEST(Assembler, TakesConformanceSyntax) {
  for (const Spelling& spelling : kConformanceSpellings) {
    EXPECT_EQ(Canonical(spelling.text), spelling.canonical) << spelling.text;
  }
}

TEST(Assembler, ResolvesLabelsInBothDirections) {
  EXPECT_EQ(Canonical("top: r0 = 1 ll\nif r0 == 1 goto out\ngoto top\nout: exit"),
            "r0 = 0x1 ll\nif r0 == 0x1 goto pc+1\ngoto pc-4\nexit");
  EXPECT_EQ(Canonical("call f\nexit\nf: exit"), "call pc+1\nexit\nexit");
  EXPECT_EQ(Canonical("call local f\nexit\nf: exit"), "call pc+1\nexit\nexit");
  EXPECT_EQ(Canonical("r2 = f ll\nexit\nf: exit"), "r2 = subprog[+2] ll\nexit\nexit");
  EXPECT_EQ(Canonical("gotol f\nexit\nf: exit"), "gotol pc+1\nexit\nexit");
}

TEST(Assembler, JumpsToExitMeanTheFirstExitUnlessItIsALabel) {
  EXPECT_EQ(Canonical("jeq %r1, 0, exit\nmov %r0, 1\nexit\nexit"),
            "if r1 == 0x0 goto pc+1\nr0 = 1\nexit\nexit");
  EXPECT_EQ(Canonical("ja exit\nexit\nexit: exit"), "goto pc+1\nexit\nexit");
}

constexpr Spelling kErrors[] = {
    {"r1 = 1\n  r0 = r11", "line 2, column 8: found 'r11', expected a register r0 to r10"},
    {"frob r1", "line 1, column 1: found 'frob', expected an instruction or a label"},
    {"r0 = *(u24 *)(r1 + 4)",
     "line 1, column 8: found 'u24', expected 'u8', 'u16', 'u32', 'u64', 's8', 's16' or others"},
    {"r0 += 0x100000000", "line 1, column 7: found '0x100000000', expected a number of 32 bits"},
    {"exit exit", "line 1, column 6: found 'exit', expected the end of the instruction"},
    {"goto nowhere",
     "line 1, column 6: found 'nowhere', expected a label of this text or a distance such as +3"},
    {"call nothing",
     "line 1, column 6: found 'nothing', expected a helper id or name, a label of this text or a "
     "distance such as +3, 'kfunc', 'helper', 'local', 'runtime' or others"},
    {"x: exit\nx: exit",
     "line 2, column 1: found label 'x' a second time, expected each label once"},
    {"r1: exit", "line 1, column 1: found the register 'r1', expected a label"},
    {"r0 = *(u8 *)(r1 + 40000)",
     "line 1, column 19: found '40000', expected an offset from -32768 to 32767"},
    {"r1 = be16 r0", "line 1, column 11: found 'r0', expected r1"},
    {"r0 += \x01",
     "line 1, column 7: found '\\x01', expected a number of 32 bits or a register "
     "r0 to r10"},
    {"ldxb %r0", "line 1, column 9: found the end of the instruction, expected ','"},
    {"mov %r16, 1", "line 1, column 5: found 'r16', expected a register r0 to r10"},
};

TEST(Assembler, NamesWhatItFoundAndWhatItExpected) {
  for (const Spelling& error : kErrors) {
    EXPECT_EQ(Canonical(error.text), error.canonical) << error.text;
  }
}

TEST(Assembler, RefusesNumbersAndTextsBeyondItsLimits) {
  EXPECT_EQ(Canonical("lddw r0, 0x10000000000000000"),
            "line 1, column 10: found '0x10000000000000000', expected a number of 64 bits or "
            "'map_by_fd'");
  const Result<AssembledProgram> far =
      Assemble("if r0 == 0 goto x\n" + std::string(70'000, ';') + "x: exit");
  EXPECT_TRUE(far);
  std::string many = "goto x\n";
  for (int i = 0; i < 40'000; ++i) many += "exit\n";
  EXPECT_EQ(Canonical(many + "x: exit"),
            "line 1, column 6: found label 'x' 40000 slots away, expected -32768 to 32767 (gotol "
            "reaches further)");
  const Result<AssembledProgram> endless =
      Assemble(std::string(kMaxAssembledSlots + 1, '\n') + "exit");
  EXPECT_TRUE(endless);
  std::string over;
  for (size_t i = 0; i <= kMaxAssembledSlots / 2; ++i) over += "r0=1ll;";
  const Result<AssembledProgram> too_many = Assemble(over);
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().code, ErrorCode::kResourceLimit);
}

// Texts made of pieces of the grammar in any order, and of any bytes: they
// assemble to something that comes back from its disassembly, or they fail with
// a place.
TEST(Assembler, TakesAnyBytes) {
  const char* pieces[] = {"r0",
                          "w1",
                          "r10",
                          "%r11",
                          " = ",
                          "+=",
                          "s>>=",
                          "*(u64 *)",
                          "(",
                          ")",
                          "[",
                          "]",
                          " ll",
                          "lock ",
                          "goto ",
                          "if ",
                          "call ",
                          "exit",
                          "pc",
                          "+",
                          "-",
                          "1",
                          "0x",
                          "0xffffffffffffffff",
                          "18446744073709551616",
                          "label",
                          ":",
                          ",",
                          "#",
                          ";",
                          "\n",
                          "//",
                          "%",
                          "map",
                          "mov ",
                          "lddw ",
                          "ldxb ",
                          ".insn ",
                          "\xff",
                          "s",
                          "be16 ",
                          "skb",
                          "subprog",
                          "off ",
                          "== ",
                          "call x#",
                          "\r",
                          "\t"};
  const skep::Assembler assembler;
  std::mt19937 random(7);
  const auto piece = [&] { return std::string(pieces[random() % std::size(pieces)]); };
  int assembled = 0;
  for (int i = 0; i < 10000; ++i) {
    std::string text;
    switch (i % 3) {
      case 0:
        for (size_t n = random() % 12; n > 0; --n) text += piece();
        break;
      case 1:
        for (size_t n = random() % 40; n > 0; --n) text += static_cast<char>(random());
        break;
      default:
        text =
            "label: r0 = *(u32 *)(r1 + 4); if w1 s> 5 goto label; lock fetch add [%r1], %r2; exit";
        for (size_t n = 1 + random() % 3; n > 0; --n) {
          text.replace(random() % text.size(), random() % 4, piece());
        }
    }
    const Result<AssembledProgram> program = assembler.Assemble(text);
    if (!program) {
      ASSERT_EQ(program.error().message.rfind("line ", 0), 0u) << program.error().message;
      ASSERT_EQ(program.error().message.find('\n'), std::string::npos);
      continue;
    }
    ++assembled;
    ASSERT_EQ(program->lines.size(), program->insns.size());
    const Result<AssembledProgram> again = assembler.Assemble(DisassembleProgram(program->insns));
    ASSERT_TRUE(again) << text << "\n" << again.error().message;
    ASSERT_EQ(again->insns, program->insns) << text;
  }
  EXPECT_GT(assembled, 200);
}

}  // namespace
}  // namespace skep
