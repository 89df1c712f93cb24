// SPDX-License-Identifier: Apache-2.0
// Loads, stores and atomics of every width, register pair and kind of address.
#include <cstring>

#include <gtest/gtest.h>

#include "isa/semantics.h"
#include "tests/jit/register_frame.h"

namespace skep::jit {
namespace {

using model::ExecInsn;

ExecInsn Memory(Op op, int dst, int src, int off, int32_t imm = 0) {
  return {op,
          static_cast<uint8_t>(dst),
          static_cast<uint8_t>(src),
          0,
          static_cast<int16_t>(off),
          0,
          imm,
          0};
}
ExecInsn Alu(Op op, int dst, int src, int32_t imm = 0) { return Memory(op, dst, src, 0, imm); }

alignas(16) uint64_t g_memory[64];

uint64_t AddressOfMemory(int off) {
  return reinterpret_cast<uintptr_t>(&g_memory[32]) - static_cast<uint64_t>(int64_t{off});
}

Registers Start() {
  Registers registers;
  for (size_t i = 0; i < registers.size(); ++i) registers[i] = 0x8182838485868780 + i * 0x1111;
  return registers;
}

uint64_t Extend(uint64_t value, const OpInfo& info) {
  return info.kind == OpKind::kLoadSx ? SignExtend(value, info.width)
                                      : ZeroExtend(value, info.width);
}

constexpr int kOffsets[] = {0, 8, -8, 127, 128, -128, -129, 32767, -32768};

TEST(Memory, LoadsEveryWidthThroughEveryRegister) {
  for (int index = 0; index < kOpCount; ++index) {
    const Op op = static_cast<Op>(index);
    const OpInfo& info = Info(op);
    if (ClassOf(op) != OpClass::kLoad) continue;
    for (int dst = 0; dst < 10; ++dst) {
      for (int src = 0; src < 10; ++src) {
        for (int off : kOffsets) {
          if (off != 0 && off != 8 && dst + src > 3) continue;
          RegisterFrame frame({Memory(op, dst, src, off)});
          for (uint64_t value : {uint64_t{0x0123456789abcdef}, uint64_t{0xfedcba9876543210}}) {
            g_memory[32] = value;
            Registers registers = Start();
            registers[static_cast<size_t>(src)] = AddressOfMemory(off);
            Registers expected = registers;
            expected[static_cast<size_t>(dst)] = Extend(value, info);
            frame.Run(registers);
            ASSERT_EQ(registers, expected)
                << info.name << " r" << dst << ", r" << src << "+" << off;
          }
        }
      }
    }
  }
}

TEST(Memory, StoresEveryWidthThroughEveryRegister) {
  for (int index = 0; index < kOpCount; ++index) {
    const Op op = static_cast<Op>(index);
    const OpInfo& info = Info(op);
    if (ClassOf(op) != OpClass::kStore) continue;
    for (int dst = 0; dst < 10; ++dst) {
      for (int src = 0; src < 10; ++src) {
        const int off = (dst + src) % 2 == 0 ? 0 : -16;
        for (int32_t imm : {0, 1, -1, 0x12345678, INT32_MIN}) {
          const bool immediate = info.operands == Operands::kMemImm;
          if (!immediate && imm != 0) continue;
          RegisterFrame frame({Memory(op, dst, immediate ? 0 : src, off, imm)});
          g_memory[31] = g_memory[32] = g_memory[33] = 0x1122334455667788;
          Registers registers = Start();
          registers[static_cast<size_t>(dst)] = AddressOfMemory(off);
          const Registers expected = registers;
          const uint64_t stored =
              immediate ? static_cast<uint64_t>(int64_t{imm}) : registers[static_cast<size_t>(src)];
          uint64_t memory = 0x1122334455667788;
          std::memcpy(&memory, &stored, info.width / 8u);
          frame.Run(registers);
          ASSERT_EQ(registers, expected) << info.name;
          ASSERT_EQ(g_memory[32], memory) << info.name << " r" << dst << ", r" << src;
          ASSERT_EQ(g_memory[31], 0x1122334455667788u);
          ASSERT_EQ(g_memory[33], 0x1122334455667788u);
        }
      }
    }
  }
}

TEST(Memory, UpdatesAtomicallyWithEveryPairOfRegisters) {
  for (int index = 0; index < kOpCount; ++index) {
    const Op op = static_cast<Op>(index);
    const OpInfo& info = Info(op);
    if (ClassOf(op) != OpClass::kAtomic) continue;
    for (int dst = 0; dst < 10; ++dst) {
      for (int src = 0; src < 10; ++src) {
        RegisterFrame frame({Memory(op, dst, src, 8)});
        for (bool equal : {false, true}) {
          for (uint64_t old : {uint64_t{0x00ff00ff80000001}, uint64_t{0x123456789abcdef0}}) {
            g_memory[32] = old;
            Registers registers = Start();
            if (equal) registers[0] = info.width == 32 ? old | 0xffffffff00000000 : old;
            registers[static_cast<size_t>(dst)] = AddressOfMemory(8);
            Registers expected = registers;
            const uint64_t operand = registers[static_cast<size_t>(src)];
            uint64_t updated = EvalAtomic(info.kind, info.width, old, operand, registers[0]);
            if (info.width == 32) updated |= old & 0xffffffff00000000;
            const uint64_t fetched = ZeroExtend(old, info.width);
            if (info.Has(kWritesSrc)) expected[static_cast<size_t>(src)] = fetched;
            if (info.Has(kWritesR0)) expected[0] = fetched;
            frame.Run(registers);
            ASSERT_EQ(registers, expected)
                << info.name << " r" << dst << ", r" << src << (equal ? " equal" : "");
            ASSERT_EQ(g_memory[32], updated) << info.name << " r" << dst << ", r" << src;
          }
        }
      }
    }
  }
}

// The stack through r10, whose machine form differs from all others.
TEST(Memory, ReachesTheStackThroughTheFramePointer) {
  for (int reg = 0; reg < 10; ++reg) {
    RegisterFrame frame({
        Memory(Op::kStxDw, 10, reg, -64),
        Alu(Op::kMov64Reg, reg, 10),
        Alu(Op::kAdd64Imm, reg, 0, -32),
        Memory(Op::kStDw, reg, 0, 0, 0x77),
        Memory(Op::kStxDw, 10, 10, -24),  // the frame pointer itself
        Memory(Op::kLdxDw, reg, 10, -24),
        Memory(Op::kAtomicFetchAdd64, reg, reg, -32),  // r = *(r10 - 32), which grows by r10
        Memory(Op::kLdxW, reg, 10, -64),
    });
    Registers registers = Start();
    Registers expected = registers;
    expected[static_cast<size_t>(reg)] &= 0xffffffff;
    frame.Run(registers);
    EXPECT_EQ(registers, expected) << "r" << reg;
  }
}

// Addresses that are computed just before their use are folded into it.
TEST(Memory, FoldsAddressesWithoutChangingThem) {
  g_memory[32] = 0xaabbccddeeff1122;
  for (int base = 0; base < 10; ++base) {
    for (int index = 0; index < 10; ++index) {
      if (base == index) continue;
      for (int to : {base, index, (base + 1) % 10, (index + 1) % 10}) {
        // t = base; t += index; t += 24; to = *(u64 *)(t - 16)
        for (int t = 0; t < 10; ++t) {
          if (t == index) continue;
          RegisterFrame frame({Alu(Op::kMov64Reg, t, base), Alu(Op::kAdd64Reg, t, index),
                               Alu(Op::kAdd64Imm, t, 0, 24), Memory(Op::kLdxDw, to, t, -16)});
          Registers registers = Start();
          registers[static_cast<size_t>(base)] = AddressOfMemory(8) - 0x1000;
          registers[static_cast<size_t>(index)] = 0x1000;
          Registers expected = registers;
          expected[static_cast<size_t>(t)] = AddressOfMemory(8) + 24;
          expected[static_cast<size_t>(to)] = g_memory[32];
          frame.Run(registers);
          ASSERT_EQ(registers, expected) << base << " " << index << " " << t << " " << to;
        }
      }
    }
  }
}

}  // namespace
}  // namespace skep::jit
