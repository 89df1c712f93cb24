// SPDX-License-Identifier: Apache-2.0
// Division of the x86-64 port.
//
// The CPU divides rdx:rax and leaves the quotient in rax and the remainder in
// rdx, which are r0 and r3; it faults on a divisor of zero and on the smallest
// number divided by -1, where eBPF has results. So the general form saves r0
// and r3 (if they are needed afterwards), keeps the two cases away from the
// CPU, and moves the result to its place.
#include <bit>

#include "base/check.h"
#include "jit/x64/masm_x64.h"

namespace skep::jit {

namespace x86 = asmjit::x86;

namespace {

constexpr Reg kR0 = 0;  // rax
constexpr Reg kR3 = 3;  // rdx

x86::Gp Sized(const x86::Gp& reg, int width) {
  return width == 64 ? x86::Gp(reg.r64()) : x86::Gp(reg.r32());
}

bool IsRemainder(OpKind kind) { return kind == OpKind::kMod || kind == OpKind::kSMod; }
bool IsSigned(OpKind kind) { return kind == OpKind::kSDiv || kind == OpKind::kSMod; }

}  // namespace

// Clobbers: r9, r10, r11, flags; rax and rdx unless live.
void MasmX64::Divide(const Division& division) {
  if (!division.divisor.is_reg()) {
    if (DivideByConstant(division)) return;
    asm_.mov(Sized(x86::r11, division.width), division.divisor.imm);
    Division known = division;
    known.nonzero = true;
    DivideByRegister(known, Sized(x86::r11, division.width));
    return;
  }
  // rax and rdx change before the division.
  const Reg reg = division.divisor.reg;
  Gp divisor = Read(reg, division.width, x86::r11);
  if (reg == kR0 || reg == kR3) {
    asm_.mov(Sized(x86::r11, division.width), divisor);
    divisor = Sized(x86::r11, division.width);
  }
  DivideByRegister(division, divisor);
}

// Returns false if the constant needs the general form.
bool MasmX64::DivideByConstant(const Division& division) {
  const Reg dst = division.dst;
  const int width = division.width;
  const bool remainder = IsRemainder(division.kind);
  const int32_t imm = division.divisor.imm;
  if (imm == 0) {
    // Quotient zero; the remainder is the dividend.
    if (!remainder) LoadConstant(dst, 0);
    if (remainder && width == 32) asm_.mov(Machine(dst, 32), Machine(dst, 32));
    return true;
  }
  if (imm == 1) {
    if (remainder) LoadConstant(dst, 0);
    if (!remainder && width == 32) asm_.mov(Machine(dst, 32), Machine(dst, 32));
    return true;
  }
  if (imm == -1 && IsSigned(division.kind)) {
    if (remainder) {
      LoadConstant(dst, 0);
    } else {
      asm_.neg(Machine(dst, width));  // the smallest number stays what it is
    }
    return true;
  }
  if (IsSigned(division.kind)) return false;
  const uint64_t value =
      width == 64 ? static_cast<uint64_t>(int64_t{imm}) : uint64_t{static_cast<uint32_t>(imm)};
  if (std::has_single_bit(value)) {
    const int shift = std::countr_zero(value);
    if (!remainder) {
      asm_.shr(Machine(dst, width), shift);
    } else if (shift < 32) {
      SimpleImm(OpKind::kAnd, width, dst, static_cast<int32_t>(value - 1));
    } else {
      return false;
    }
    return true;
  }
  if (width == 64) return DivideByMultiplying64(division);
  DivideByMultiplying(remainder, dst, static_cast<uint32_t>(value));
  return true;
}

// 32-bit, unsigned: with l = ceil(log2 d), n / d = (n * m) >> (32 + l) for
// m = ceil(2^(32 + l) / d), which has 33 bits: exact for all n because m * d
// exceeds 2^(32 + l) by less than 2^l (Granlund and Montgomery, 1994). Where a
// smaller shift gives an m of 32 bits that is exact as well, one 64-bit product
// is enough. Clobbers: r10, r11, flags.
void MasmX64::DivideByMultiplying(bool remainder, Reg dst, uint32_t divisor) {
  const int l = 32 - std::countl_zero(divisor - 1);
  const Gp n = Machine(dst, 32);
  int shift = 0;
  uint64_t multiplier = 0;
  for (; shift < l; ++shift) {
    const uint64_t power = uint64_t{1} << (32 + shift);
    multiplier = (power + divisor - 1) / divisor;
    if (multiplier * divisor - power <= uint64_t{1} << shift) break;
  }
  if (shift < l && multiplier <= UINT32_MAX) {
    asm_.mov(x86::r11d, n);  // also drops the upper half
    asm_.mov(x86::r10d, asmjit::imm(static_cast<uint32_t>(multiplier)));
    asm_.imul(x86::r11, x86::r10);
    asm_.shr(x86::r11, 32 + shift);
  } else {
    // t = high half of n * (m - 2^32); quotient = (((n - t) >> 1) + t) >> (l - 1),
    // which is (n + t) >> l without the carry out of 32 bits.
    const auto power = static_cast<unsigned __int128>(1) << (32 + l);
    const auto m = static_cast<uint64_t>((power + divisor - 1) / divisor) - (uint64_t{1} << 32);
    asm_.mov(x86::r11d, n);
    asm_.mov(x86::r10d, asmjit::imm(static_cast<uint32_t>(m)));
    asm_.imul(x86::r10, x86::r11);
    asm_.shr(x86::r10, 32);
    asm_.sub(x86::r11d, x86::r10d);
    asm_.shr(x86::r11d, 1);
    asm_.add(x86::r11d, x86::r10d);
    if (l > 1) asm_.shr(x86::r11d, l - 1);
  }
  if (!remainder) {
    asm_.mov(n, x86::r11d);
    return;
  }
  asm_.imul(x86::r11d, x86::r11d, static_cast<int32_t>(divisor));
  asm_.sub(n, x86::r11d);
}

namespace {

// n / d = ((n >> before) * multiplier) >> (64 + after), for all 64-bit n.
struct Reciprocal {
  int before = 0;
  int after = 0;
  uint64_t multiplier = 0;  // 0: there is none of 64 bits
};

// As above: exact for all n below 2^(64 - before) if multiplier * d exceeds
// 2^(64 + after) by at most 2^(after + before). REQUIRES: d is at least 3 and no
// power of two.
Reciprocal ReciprocalOf(uint32_t d) {
  using Wide = unsigned __int128;
  for (int before : {0, std::countr_zero(d)}) {
    const uint32_t odd = d >> before;
    for (int after = 0; after < 32; ++after) {
      const Wide power = static_cast<Wide>(1) << (64 + after);
      const Wide multiplier = (power + odd - 1) / odd;
      if (multiplier > UINT64_MAX) break;
      if (multiplier * odd - power > static_cast<Wide>(1) << (after + before)) continue;
      return {before, after, static_cast<uint64_t>(multiplier)};
    }
  }
  return {};
}

}  // namespace

// 64-bit, unsigned, by the high half of a product. Returns false if the CPU has
// no mulx, the divisor is huge (a negative immediate) or needs 65 bits.
// Clobbers: r9, r10, r11, flags; rdx unless live.
bool MasmX64::DivideByMultiplying64(const Division& division) {
  const int32_t divisor = division.divisor.imm;
  if (!has_bmi2_ || divisor < 0) return false;
  const Reciprocal reciprocal = ReciprocalOf(static_cast<uint32_t>(divisor));
  if (reciprocal.multiplier == 0) return false;
  const Gp dst = Machine(division.dst);
  const bool in_rdx = division.dst == kR3;
  const bool keep_r3 = !in_rdx && (division.live & Bit(kR3)) != 0;
  const bool remainder = IsRemainder(division.kind);
  if (keep_r3 || (in_rdx && remainder)) asm_.mov(x86::r9, x86::rdx);
  if (!in_rdx) asm_.mov(x86::rdx, dst);
  if (reciprocal.before != 0) asm_.shr(x86::rdx, reciprocal.before);
  asm_.mov(x86::r11, asmjit::imm(static_cast<int64_t>(reciprocal.multiplier)));
  asm_.mulx(x86::r10, x86::r11, x86::r11, x86::rdx);
  if (reciprocal.after != 0) asm_.shr(x86::r10, reciprocal.after);
  if (remainder) {
    asm_.imul(x86::r10, x86::r10, divisor);
    if (in_rdx) asm_.mov(x86::rdx, x86::r9);
    asm_.sub(dst, x86::r10);
  } else {
    asm_.mov(dst, x86::r10);
  }
  if (keep_r3) asm_.mov(x86::rdx, x86::r9);
  return true;
}

// REQUIRES: divisor is neither rax nor rdx, nor r9 or r10.
void MasmX64::DivideByRegister(const Division& division, const Gp& divisor) {
  const int width = division.width;
  const Reg dst = division.dst;
  const bool keep_r0 = dst != kR0 && (division.live & Bit(kR0)) != 0;
  const bool keep_r3 = dst != kR3 && (division.live & Bit(kR3)) != 0;
  if (keep_r0) asm_.mov(x86::r9, x86::rax);
  if (keep_r3) asm_.mov(x86::r10, x86::rdx);
  if (IsSigned(division.kind)) {
    SignedDivision(division, divisor);
  } else {
    UnsignedDivision(division, divisor, Machine(dst, width));
  }
  const Gp result = Sized(IsRemainder(division.kind) ? Gp(x86::rdx) : Gp(x86::rax), width);
  if (result.id() != Machine(dst).id()) asm_.mov(Machine(dst, width), result);
  if (keep_r0) asm_.mov(x86::rax, x86::r9);
  if (keep_r3) asm_.mov(x86::rdx, x86::r10);
}

// The result register holds what a division by zero gives before the test, so
// that the test needs one jump, which is not taken.
void MasmX64::UnsignedDivision(const Division& division, const Gp& divisor, const Gp& dividend) {
  const int width = division.width;
  const Gp rax = Sized(x86::rax, width);
  const Gp rdx = Sized(x86::rdx, width);
  const asmjit::Label done = asm_.newLabel();
  Gp from = dividend;
  if (!division.nonzero && IsRemainder(division.kind)) {
    if (from.id() != rax.id()) asm_.mov(rax, from);
    asm_.mov(rdx, rax);
    asm_.test(divisor, divisor);
    asm_.short_().jz(done);
  } else if (!division.nonzero) {
    if (from.id() == rax.id()) {
      asm_.mov(Sized(x86::r9, width), rax);  // not in use: r0 is dst
      from = Sized(x86::r9, width);
    }
    asm_.xor_(x86::eax, x86::eax);
    asm_.test(divisor, divisor);
    asm_.short_().jz(done);
    asm_.mov(rax, from);
  } else if (from.id() != rax.id()) {
    asm_.mov(rax, from);
  }
  asm_.xor_(x86::edx, x86::edx);
  asm_.div(rdx, rax, divisor);
  asm_.bind(done);
}

// Zero and -1 are told from all others by one comparison: divisor + 1 is at
// most 1. For those, the quotient is dividend * divisor (0 or the negation) and
// the remainder is dividend & ~divisor (the dividend or 0).
void MasmX64::SignedDivision(const Division& division, const Gp& divisor) {
  const int width = division.width;
  const Gp rax = Sized(x86::rax, width);
  const Gp rdx = Sized(x86::rdx, width);
  const asmjit::Label divide = asm_.newLabel();
  const asmjit::Label done = asm_.newLabel();
  const Gp dividend = Machine(division.dst, width);
  if (dividend.id() != rax.id()) asm_.mov(rax, dividend);
  const bool is_constant = !division.divisor.is_reg();  // neither 0 nor -1
  if (!is_constant) {
    asm_.lea(rdx, x86::ptr(divisor.r64(), 1));
    asm_.cmp(rdx, 1);
    asm_.short_().ja(divide);
    if (IsRemainder(division.kind)) {
      asm_.mov(rdx, divisor);
      asm_.not_(rdx);
      asm_.and_(rdx, rax);
    } else {
      asm_.imul(rax, divisor);
    }
    asm_.short_().jmp(done);
    asm_.bind(divide);
  }
  if (width == 64) {
    asm_.cqo(x86::rdx, x86::rax);
  } else {
    asm_.cdq(x86::edx, x86::eax);
  }
  asm_.idiv(rdx, rax, divisor);
  asm_.bind(done);
}

}  // namespace skep::jit
