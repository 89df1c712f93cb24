// SPDX-License-Identifier: Apache-2.0
// Machine code of every arithmetic operation against isa/semantics.h: every
// pair of registers, hostile values, with and without the CPU's extensions.
#include <gtest/gtest.h>

#include "isa/semantics.h"
#include "tests/jit/register_frame.h"

namespace skep::jit {
namespace {

using model::ExecInsn;

constexpr Registers kStart = {0x1000000000000001, 0x2000000000000002, 0x3000000000000003,
                              0x4000000000000004, 0x5000000000000005, 0x6000000000000006,
                              0x7000000000000007, 0x8000000000000008, 0x9000000000000009,
                              0xa00000000000000a};

constexpr int32_t kImmediates[] = {
    0,    1,    -1,  2,     3,     4,       5,     7,          9,         10,        16,
    31,   32,   33,  63,    64,    127,     128,   -128,       255,       256,       -2,
    1000, 4096, 641, 65535, 65536, 0x10001, -1000, 1000000007, INT32_MIN, INT32_MAX, 6700417};

ExecInsn Make(Op op, int dst, int src, int32_t imm) {
  return {op, static_cast<uint8_t>(dst), static_cast<uint8_t>(src), 0, 0, 0, imm, 0};
}

std::string Describe(Op op, int dst, int src, int32_t imm, Cpu cpu) {
  return std::string(Info(op).name) + " dst r" + std::to_string(dst) + " src r" +
         std::to_string(src) + " imm " + std::to_string(imm) +
         (cpu == Cpu::kPortable ? " portable" : "");
}

class AluRegisters : public testing::TestWithParam<Cpu> {};

TEST_P(AluRegisters, ComputeWhatSemanticsSaysAndChangeNothingElse) {
  for (int index = 0; index < kOpCount; ++index) {
    const Op op = static_cast<Op>(index);
    const OpInfo& info = Info(op);
    if (ClassOf(op) != OpClass::kAlu || info.operands != Operands::kDstSrc) continue;
    for (int dst = 0; dst < 10; ++dst) {
      for (int src = 0; src < 10; ++src) {
        RegisterFrame frame({Make(op, dst, src, 0)}, {.cpu = GetParam()});
        for (uint64_t a : kHostileValues) {
          for (uint64_t b : kHostileValues) {
            if (dst == src && a != b) continue;
            Registers registers = kStart;
            registers[static_cast<size_t>(dst)] = a;
            registers[static_cast<size_t>(src)] = b;
            Registers expected = registers;
            expected[static_cast<size_t>(dst)] = EvalAlu(info.kind, info.width, a, b);
            frame.Run(registers);
            ASSERT_EQ(registers, expected)
                << Describe(op, dst, src, 0, GetParam()) << ": " << a << ", " << b;
          }
        }
      }
    }
  }
}

TEST_P(AluRegisters, ComputeWithImmediates) {
  for (int index = 0; index < kOpCount; ++index) {
    const Op op = static_cast<Op>(index);
    const OpInfo& info = Info(op);
    if (ClassOf(op) != OpClass::kAlu || info.operands == Operands::kDstSrc) continue;
    for (int32_t imm : kImmediates) {
      if (info.operands == Operands::kDst && imm != 0) continue;
      for (int dst = 0; dst < 10; ++dst) {
        RegisterFrame frame({Make(op, dst, 0, imm)}, {.cpu = GetParam()});
        for (uint64_t a : kHostileValues) {
          Registers registers = kStart;
          registers[static_cast<size_t>(dst)] = a;
          Registers expected = registers;
          expected[static_cast<size_t>(dst)] =
              EvalAlu(info.kind, info.width, a, static_cast<uint64_t>(int64_t{imm}));
          frame.Run(registers);
          ASSERT_EQ(registers, expected) << Describe(op, dst, 0, imm, GetParam()) << ": " << a;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cpus, AluRegisters, testing::Values(Cpu::kHost, Cpu::kPortable),
                         [](const auto& param) {
                           return param.param == Cpu::kHost ? "Host" : "Portable";
                         });

// r10 is no register of the machine: every operation must be able to read it.
TEST(Alu, ReadsTheFramePointer) {
  for (int index = 0; index < kOpCount; ++index) {
    const Op op = static_cast<Op>(index);
    const OpInfo& info = Info(op);
    if (ClassOf(op) != OpClass::kAlu || info.operands != Operands::kDstSrc) continue;
    for (Cpu cpu : {Cpu::kHost, Cpu::kPortable}) {
      for (uint8_t dst : {uint8_t{0}, uint8_t{3}, uint8_t{4}, uint8_t{9}}) {
        const uint8_t copy = dst == 0 ? 5 : 0;
        RegisterFrame frame({Make(Op::kMov64Reg, copy, 10, 0), Make(op, dst, 10, 0)}, {.cpu = cpu});
        Registers registers = kStart;
        frame.Run(registers);
        Registers expected = kStart;
        expected[copy] = registers[copy];
        expected[dst] = EvalAlu(info.kind, info.width, kStart[dst], registers[copy]);
        ASSERT_EQ(registers, expected) << Describe(op, dst, 10, 0, cpu);
      }
    }
  }
}

// A divisor known not to be zero takes away checks, no results.
TEST(Alu, DividesByANonzeroDivisorWithoutAsking) {
  for (Op op : {Op::kDiv64Reg, Op::kDiv32Reg, Op::kMod64Reg, Op::kMod32Reg, Op::kSDiv64Reg,
                Op::kSDiv32Reg, Op::kSMod64Reg, Op::kSMod32Reg}) {
    const OpInfo& info = Info(op);
    for (int dst = 0; dst < 10; ++dst) {
      for (int src = 0; src < 10; ++src) {
        RegisterFrame frame({Make(op, dst, src, 0)}, {}, /*nonzero_divisor=*/true);
        for (uint64_t a : kHostileValues) {
          for (uint64_t b : kHostileValues) {
            if (ZeroExtend(b, info.width) == 0 || (dst == src && a != b)) continue;
            Registers registers = kStart;
            registers[static_cast<size_t>(dst)] = a;
            registers[static_cast<size_t>(src)] = b;
            Registers expected = registers;
            expected[static_cast<size_t>(dst)] = EvalAlu(info.kind, info.width, a, b);
            frame.Run(registers);
            ASSERT_EQ(registers, expected) << Describe(op, dst, src, 0, Cpu::kHost);
          }
        }
      }
    }
  }
}

// Each 32-bit divisor by multiplication, at dividends around its multiples.
TEST(Alu, DividesByConstantsExactly) {
  uint64_t random = 88172645463325252u;
  const auto next = [&random] {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random;
  };
  for (int i = 0; i < 1500; ++i) {
    uint32_t divisor = static_cast<uint32_t>(next() >> (32 + i % 32));
    if (i < 200) divisor = static_cast<uint32_t>(i);
    if (i >= 200 && i < 264) divisor = (uint32_t{1} << (i % 32)) + (i < 232 ? 1u : ~0u);
    const auto imm = static_cast<int32_t>(divisor);
    RegisterFrame frame({Make(Op::kMov64Reg, 1, 0, 0), Make(Op::kDiv32Imm, 0, 0, imm),
                         Make(Op::kMod32Imm, 1, 0, imm)});
    for (int k = 0; k < 60; ++k) {
      uint32_t n = static_cast<uint32_t>(next());
      if (k < 10) n = static_cast<uint32_t>(k) - 5;
      if (k >= 30 && divisor != 0) n = n / divisor * divisor - static_cast<uint32_t>(k & 1);
      Registers registers = kStart;
      registers[0] = 0x5555555500000000 | n;
      frame.Run(registers);
      ASSERT_EQ(registers[0], (EvalAlu<OpKind::kDiv, 32>(n, divisor))) << n << " / " << divisor;
      ASSERT_EQ(registers[1], (EvalAlu<OpKind::kMod, 32>(n, divisor))) << n << " % " << divisor;
    }
  }
}

// The same on 64 bits; r3 holds the CPU's operand, so it is tried as well.
TEST(Alu, DividesWideNumbersByConstantsExactly) {
  uint64_t random = 88172645463325252u;
  const auto next = [&random] {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random;
  };
  for (int i = 0; i < 1500; ++i) {
    auto imm = static_cast<int32_t>(next() >> (33 + i % 31));
    if (i < 300) imm = i;
    if (i >= 300 && i < 331) imm = static_cast<int32_t>((uint32_t{1} << (i - 300)) + 1);
    if (i >= 331 && i < 362) imm = static_cast<int32_t>((uint32_t{1} << (i - 331)) - 1);
    const auto divisor = static_cast<uint64_t>(int64_t{imm});
    for (int dst : {0, 3}) {
      RegisterFrame frame({Make(Op::kMov64Reg, 1, dst, 0), Make(Op::kDiv64Imm, dst, 0, imm),
                           Make(Op::kMod64Imm, 1, 0, imm), Make(Op::kMov64Reg, 4, 1, 0),
                           Make(Op::kMov64Reg, 5, dst, 0), Make(Op::kMod64Imm, dst, 0, imm)});
      for (int k = 0; k < 40; ++k) {
        uint64_t n = next();
        if (k < 10) n = static_cast<uint64_t>(k) - 5;
        if (k >= 20 && divisor != 0) n = n / divisor * divisor - static_cast<uint64_t>(k & 1);
        Registers registers = kStart;
        registers[static_cast<size_t>(dst)] = n;
        frame.Run(registers);
        const uint64_t quotient = EvalAlu<OpKind::kDiv, 64>(n, divisor);
        ASSERT_EQ(registers[5], quotient) << n << " / " << divisor;
        ASSERT_EQ(registers[4], (EvalAlu<OpKind::kMod, 64>(n, divisor))) << n << " % " << divisor;
        ASSERT_EQ(registers[static_cast<size_t>(dst)],
                  (EvalAlu<OpKind::kMod, 64>(quotient, divisor)));
        ASSERT_EQ(registers[3], dst == 3 ? registers[3] : kStart[3]);
      }
    }
  }
}

TEST(Alu, LoadsWideConstants) {
  for (uint64_t value : kHostileValues) {
    ExecInsn load = Make(Op::kLdImm64, 7, 0, 0);
    load.set_wide(value);
    RegisterFrame frame({load});
    Registers registers = kStart;
    Registers expected = kStart;
    expected[7] = value;
    frame.Run(registers);
    EXPECT_EQ(registers, expected);
  }
}

}  // namespace
}  // namespace skep::jit
