// SPDX-License-Identifier: Apache-2.0
// Arithmetic of the x86-64 port. 32-bit instructions of the CPU zero the upper
// half of their destination, as eBPF's do.
#include <bit>

#include "base/check.h"
#include "jit/x64/masm_x64.h"

namespace skep::jit {

namespace x86 = asmjit::x86;

namespace {

x86::Gp Sized(const x86::Gp& reg, int width) {
  return width == 64 ? x86::Gp(reg.r64()) : x86::Gp(reg.r32());
}

}  // namespace

void MasmX64::FlagsOf(int width, Reg reg) {
  flags_at_ = asm_.offset();
  flags_reg_ = reg;
  flags_width_ = width;
}

// Clobbers: flags.
void MasmX64::LoadConstant(Reg dst, uint64_t value) {
  if (value == 0) {
    asm_.xor_(Machine(dst, 32), Machine(dst, 32));
  } else if (value <= UINT32_MAX) {
    asm_.mov(Machine(dst, 32), asmjit::imm(static_cast<uint32_t>(value)));
  } else {
    asm_.mov(Machine(dst), asmjit::imm(static_cast<int64_t>(value)));
  }
}

void MasmX64::LoadFunction(Reg dst, Label callback) {
  asm_.lea(Machine(dst), x86::ptr(At(callback)));
}

// Clobbers: r9, r10, r11, flags.
void MasmX64::Alu(OpKind kind, int width, Reg dst, Operand b) {
  switch (kind) {
    case OpKind::kMov:
      Move(width, dst, b);
      break;
    case OpKind::kAdd:
    case OpKind::kSub:
    case OpKind::kOr:
    case OpKind::kAnd:
    case OpKind::kXor:
      Simple(kind, width, dst, b);
      break;
    case OpKind::kMul:
      if (b.is_reg()) {
        asm_.imul(Machine(dst, width), Read(b.reg, width, x86::r11));
      } else {
        MultiplyBy(width, dst, dst, b.imm);
      }
      break;
    case OpKind::kLsh:
    case OpKind::kRsh:
    case OpKind::kArsh:
      Shift(kind, width, dst, b);
      break;
    case OpKind::kNeg:
      asm_.neg(Machine(dst, width));
      FlagsOf(width, dst);
      break;
    case OpKind::kMovSx8:
      asm_.movsx(Machine(dst, width), Read(b.reg, 64, x86::r11).r8());
      break;
    case OpKind::kMovSx16:
      asm_.movsx(Machine(dst, width), Read(b.reg, 64, x86::r11).r16());
      break;
    case OpKind::kMovSx32:
      asm_.movsxd(Machine(dst), Read(b.reg, 64, x86::r11).r32());
      break;
    case OpKind::kToLe:
      if (width == 16) asm_.movzx(Machine(dst, 32), Machine(dst).r16());
      if (width == 32) asm_.mov(Machine(dst, 32), Machine(dst, 32));
      break;
    case OpKind::kToBe:
    case OpKind::kBswap:
      Swap(width, dst);
      break;
    default:
      SKEP_UNREACHABLE();
  }
}

// Clobbers: flags.
void MasmX64::AluTo(OpKind kind, int width, Reg dst, Reg a, Operand b) {
  if (dst == a) {
    Alu(kind, width, dst, b);
    return;
  }
  if (b.is_reg() && b.reg == dst) {
    if (kind == OpKind::kSub) {
      asm_.neg(Machine(dst, width));
      kind = OpKind::kAdd;
    }
    Alu(kind, width, dst, Operand::Of(a));  // the others commute
    return;
  }
  if (kind == OpKind::kAnd && !b.is_reg() && (b.imm == 0xff || b.imm == 0xffff)) {
    ZeroExtendTo(dst, a, b.imm == 0xff ? 8 : 16);
    return;
  }
  asm_.mov(Machine(dst, width), Machine(a, width));
  Alu(kind, width, dst, b);
}

// Clobbers: flags.
void MasmX64::Move(int width, Reg dst, Operand b) {
  if (!b.is_reg()) {
    const auto value = static_cast<uint64_t>(int64_t{b.imm});
    LoadConstant(dst, width == 64 ? value : static_cast<uint32_t>(value));
  } else if (b.reg == kFramePointer) {
    asm_.lea(Machine(dst, width), x86::ptr(x86::rsp, frame_top_));
  } else if (width == 32 || dst != b.reg) {
    asm_.mov(Machine(dst, width), Machine(b.reg, width));
  }
}

// add, sub, or, and, xor. Clobbers: r11, flags.
void MasmX64::Simple(OpKind kind, int width, Reg dst, Operand b) {
  if (!b.is_reg()) {
    SimpleImm(kind, width, dst, b.imm);
    return;
  }
  const Gp to = Machine(dst, width);
  const Gp from = Read(b.reg, width, x86::r11);
  switch (kind) {
    case OpKind::kAdd:
      asm_.add(to, from);
      break;
    case OpKind::kSub:
      asm_.sub(to, from);
      break;
    case OpKind::kOr:
      asm_.or_(to, from);
      break;
    case OpKind::kAnd:
      asm_.and_(to, from);
      break;
    default:
      asm_.xor_(to, from);
      break;
  }
  FlagsOf(width, dst);
}

// Clobbers: flags.
void MasmX64::SimpleImm(OpKind kind, int width, Reg dst, int32_t imm) {
  const Gp to = Machine(dst, width);
  if (kind == OpKind::kSub && imm != INT32_MIN) {
    kind = OpKind::kAdd;
    imm = -imm;
  }
  switch (kind) {
    case OpKind::kAdd:
      if (imm == 128) {
        asm_.sub(to, -128);  // fits a byte
      } else {
        asm_.add(to, imm);
      }
      break;
    case OpKind::kSub:
      asm_.sub(to, imm);
      break;
    case OpKind::kOr:
      asm_.or_(to, imm);
      break;
    case OpKind::kAnd:
      if (imm == 0xff || imm == 0xffff) {
        ZeroExtendTo(dst, dst, imm == 0xff ? 8 : 16);
        return;
      }
      // What is not negative clears the upper half.
      asm_.and_(imm >= 0 ? to.r32() : to, imm);
      break;
    default:
      if (imm == -1) {
        asm_.not_(to);
        return;  // leaves the flags alone
      }
      asm_.xor_(to, imm);
      break;
  }
  FlagsOf(width, dst);
}

// base + index with a scale of 2, 4 or 8 takes two cycles, but less than a
// multiplication and an addition. Clobbers: nothing.
void MasmX64::AddressOf(int width, Reg dst, const Address& address) {
  asm_.lea(Machine(dst, width), At(address, 0));
}

// Clobbers: flags.
void MasmX64::MultiplyBy(int width, Reg dst, Reg src, int32_t factor) {
  const Gp to = Machine(dst, width);
  const Gp from = Machine(src, width);
  if (factor == 3 || factor == 5 || factor == 9) {
    asm_.lea(to, x86::ptr(Machine(src), Machine(src), factor == 3 ? 1u : factor == 5 ? 2u : 3u));
  } else if (factor > 0 && std::has_single_bit(static_cast<uint32_t>(factor))) {
    if (dst != src || (factor == 1 && width == 32)) asm_.mov(to, from);
    if (factor != 1) asm_.shl(to, std::countr_zero(static_cast<uint32_t>(factor)));
  } else if (factor == 0) {
    asm_.xor_(to.r32(), to.r32());
  } else {
    asm_.imul(to, from, factor);
  }
}

// Clobbers: flags.
void MasmX64::RotateLeft(int width, Reg dst, Reg src, int count) {
  const Gp to = Machine(dst, width);
  if (dst == src) {
    asm_.rol(to, count);
  } else if (has_bmi2_) {
    asm_.rorx(to, Machine(src, width), width - count);
  } else {
    asm_.mov(to, Machine(src, width));
    asm_.rol(to, count);
  }
}

void MasmX64::ZeroExtendTo(Reg dst, Reg src, int bits) {
  asm_.movzx(Machine(dst, 32), bits == 8 ? Gp(Machine(src).r8()) : Gp(Machine(src).r16()));
}

// The CPU masks a count to 5 bits for 32-bit operands and to 6 bits for 64-bit
// ones, which is what eBPF asks for, so no mask is emitted.
// Clobbers: r10, r11, flags.
void MasmX64::Shift(OpKind kind, int width, Reg dst, Operand b) {
  const Gp to = Machine(dst, width);
  const auto shift = [&](const Gp& target, const auto& count) {
    if (kind == OpKind::kLsh) asm_.shl(target, count);
    if (kind == OpKind::kRsh) asm_.shr(target, count);
    if (kind == OpKind::kArsh) asm_.sar(target, count);
  };
  if (!b.is_reg()) {
    const int count = b.imm & (width - 1);
    if (count != 0) {
      shift(to, count);
    } else if (width == 32) {
      asm_.mov(to, to);
    }
    return;
  }
  if (has_bmi2_) {
    const Gp count = Read(b.reg, width, x86::r11);
    if (kind == OpKind::kLsh) asm_.shlx(to, to, count);
    if (kind == OpKind::kRsh) asm_.shrx(to, to, count);
    if (kind == OpKind::kArsh) asm_.sarx(to, to, count);
    return;
  }
  const Gp rcx = x86::rcx;
  if (b.reg != kFramePointer && Machine(b.reg).id() == rcx.id()) {
    shift(to, x86::cl);
    // A shift by zero leaves even a 32-bit destination's upper half alone in no
    // CPU: the result is written, and with it the zeros.
    return;
  }
  // The count must be in cl, but rcx holds r4: save it for the length of one
  // shift. If r4 is shifted, shift the saved copy.
  const Gp count = Read(b.reg, 64, x86::r10);
  const bool shifts_rcx = to.id() == rcx.id();
  asm_.mov(x86::r11, rcx);
  asm_.mov(rcx, count);
  shift(shifts_rcx ? Sized(x86::r11, width) : to, x86::cl);
  asm_.mov(rcx, x86::r11);
}

// Clobbers: flags.
void MasmX64::Swap(int width, Reg dst) {
  if (width == 16) {
    asm_.rol(Machine(dst).r16(), 8);
    asm_.movzx(Machine(dst, 32), Machine(dst).r16());
  } else {
    asm_.bswap(Machine(dst, width));
  }
}

}  // namespace skep::jit
