// SPDX-License-Identifier: Apache-2.0
// What registers stand for while jit/opt/select.h walks over a block.
#include <algorithm>
#include <bit>

#include "base/check.h"
#include "jit/opt/selector.h"

namespace skep::jit::opt {
namespace {

RegSet BitOf(Reg reg) { return reg == kNoReg || reg == kFramePointer ? RegSet{0} : Bit(reg); }

}  // namespace

RegSet Selector::NamedBy(const Value& value) {
  switch (value.form) {
    case Form::kAddress:
      return BitOf(value.address.base) | BitOf(value.address.index);
    case Form::kShift:
      return BitOf(value.base);
    default:
      return 0;
  }
}

bool Selector::IsCopy(const Value& value) {
  return value.form == Form::kAddress && value.address.index == kNoReg && value.address.disp == 0;
}

int Selector::BitsOf(const Value& value) const {
  switch (value.form) {
    case Form::kConstant:
      return static_cast<int>(std::bit_width(value.constant));
    case Form::kAddress:
      return IsCopy(value) ? std::min<int>(value.width, bits_[value.address.base]) : value.width;
    case Form::kShift: {
      const int bits = std::min<int>(value.width, bits_[value.base]);
      return value.shift == OpKind::kRsh ? std::max(0, bits - value.count)
                                         : std::min<int>(value.width, bits + value.count);
    }
    default:
      return 64;
  }
}

int Selector::BitsOf(Reg reg) const {
  return values_[reg].form == Form::kReal ? bits_[reg] : BitsOf(values_[reg]);
}

Operation& Selector::Emit(Do what) {
  Operation& operation = operations_.emplace_back();
  operation.what = what;
  operation.at = at_;
  operation.step = step_;
  return operation;
}

void Selector::Force(Reg reg) {
  if (values_[reg].form == Form::kReal) return;
  ForceThoseNaming(reg, needed_);
  const Value value = values_[reg];
  if (value.form == Form::kReal) return;
  const int bits = BitsOf(value);
  switch (value.form) {
    case Form::kConstant: {
      Operation& operation = Emit(Do::kConstant);
      operation.dst = reg;
      operation.value = value.constant;
      break;
    }
    case Form::kAddress:
      ComputeAddress(reg, value);
      break;
    default: {
      Operation& operation = Emit(Do::kAlu);
      operation.kind = value.shift;
      operation.width = value.width;
      operation.dst = reg;
      operation.a = value.base;
      operation.b = Operand::Imm(value.count);
      break;
    }
  }
  values_[reg] = {};
  bits_[reg] = static_cast<uint8_t>(bits);
}

void Selector::ComputeAddress(Reg dst, const Value& value) {
  const Address& address = value.address;
  if (IsCopy(value) && address.base != kFramePointer) {
    if (address.base == dst && (value.width == 64 || bits_[dst] <= 32)) return;
    Operation& operation = Emit(Do::kMove);
    operation.width = value.width;
    operation.dst = dst;
    operation.a = address.base;
    return;
  }
  if (address.shift != 0 && address.index != address.base) {
    ComputeScaled(dst, value);
    return;
  }
  // Sums in place are one addition.
  const bool in_place = address.shift == 0 && (address.base == dst || address.index == dst);
  if (in_place && (address.index == kNoReg || address.disp == 0) && address.base != kFramePointer) {
    Operation& operation = Emit(Do::kAlu);
    operation.kind = OpKind::kAdd;
    operation.width = value.width;
    operation.dst = operation.a = dst;
    operation.b = address.index == kNoReg
                      ? Operand::Imm(address.disp)
                      : Operand::Of(address.base == dst ? address.index : address.base);
    return;
  }
  Operation& operation = Emit(Do::kAddress);
  operation.width = value.width;
  operation.dst = dst;
  operation.address = address;
}

// A scaled index costs an address two cycles, whichever part is late, where a
// shift and an addition cost one each: shift first, unless there is no register.
void Selector::ComputeScaled(Reg dst, const Value& value) {
  const Address& address = value.address;
  if (address.base == dst) {
    Operation& operation = Emit(Do::kAddress);
    operation.width = value.width;
    operation.dst = dst;
    operation.address = address;
    return;
  }
  Operation& shift = Emit(Do::kAlu);
  shift.kind = OpKind::kLsh;
  shift.width = value.width;
  shift.dst = dst;
  shift.a = address.index;
  shift.b = Operand::Imm(address.shift);
  Value rest = value;
  rest.address.index = dst;
  rest.address.shift = 0;
  ComputeAddress(dst, rest);
}

void Selector::ForceThoseNaming(Reg reg, RegSet needed) {
  for (Reg other = 0; other < kRegisters; ++other) {
    if (other == reg || other == kFramePointer || (needed & Bit(other)) == 0) continue;
    if ((NamedBy(values_[other]) & BitOf(reg)) != 0) Force(other);
  }
}

void Selector::Define(Reg dst, int bits) {
  ForceThoseNaming(dst, live_after_);
  values_[dst] = {};
  bits_[dst] = static_cast<uint8_t>(std::min(bits, 64));
}

void Selector::PutOff(Reg dst, const Value& value) {
  const RegSet named = NamedBy(value);
  if ((named & ~Bit(dst)) != 0) ForceThoseNaming(dst, live_after_);
  values_[dst] = value;
  // A sum in place with another register is one addition, now or later; later, what
  // copied it would name a register that is yet to change.
  if ((named & Bit(dst)) != 0 && named != Bit(dst)) Force(dst);
}

void Selector::PutOffConstant(Reg dst, uint64_t constant) {
  Value value;
  value.form = Form::kConstant;
  value.constant = constant;
  PutOff(dst, value);
}

bool Selector::IsPrepared(Reg reg, int width) const {
  const Value& value = values_[reg];
  if (value.form == Form::kReal) return true;
  if (!IsCopy(value) || value.address.base == kFramePointer) return false;
  return value.width == 64 || width <= 32 || bits_[value.address.base] <= 32;
}

void Selector::Prepare(Reg reg, int width) {
  if (reg != kFramePointer && !IsPrepared(reg, width)) Force(reg);
}

// Computing one may change what the other is, but never back.
void Selector::PrepareBoth(Reg a, Reg b, int width) {
  Prepare(a, width);
  Prepare(b, width);
  Prepare(a, width);
}

Reg Selector::Name(Reg reg) const {
  if (reg == kFramePointer || values_[reg].form == Form::kReal) return reg;
  SKEP_CHECK(IsCopy(values_[reg]));
  return values_[reg].address.base;
}

std::optional<int32_t> Selector::ImmediateOf(Reg reg, int width) const {
  if (reg == kFramePointer || values_[reg].form != Form::kConstant) return std::nullopt;
  const uint64_t constant = values_[reg].constant;
  const auto low = static_cast<int32_t>(static_cast<uint32_t>(constant));
  if (width <= 32 || static_cast<uint64_t>(int64_t{low}) == constant) return low;
  return std::nullopt;
}

std::optional<Address> Selector::AddressOf(Reg reg, int width) const {
  if (reg == kFramePointer) {
    if (width != 64) return std::nullopt;  // the low half of r10 is no address
    return Address{reg, kNoReg, 0, 0};
  }
  const Value& value = values_[reg];
  switch (value.form) {
    case Form::kReal:
      return Address{reg, kNoReg, 0, 0};
    case Form::kAddress:
      if (value.width == 32 && width == 64 &&
          !(IsCopy(value) && BitsOf(value) <= 32 && bits_[value.address.base] <= 32)) {
        return std::nullopt;
      }
      if (value.address.base == kFramePointer && width != 64) return std::nullopt;
      return value.address;
    case Form::kShift:
      if (value.shift != OpKind::kLsh || value.count > 3) return std::nullopt;
      if (value.width == 32 && width == 64 && bits_[value.base] + value.count > 32) {
        return std::nullopt;
      }
      return Address{kNoReg, value.base, value.count, 0};
    default:
      return std::nullopt;
  }
}

std::optional<Address> Selector::Sum(const Address& a, int64_t disp) {
  const int64_t sum = int64_t{a.disp} + disp;
  if (a.base == kNoReg || sum >= kMaxDisp || sum <= -kMaxDisp) return std::nullopt;
  Address result = a;
  result.disp = static_cast<int32_t>(sum);
  return result;
}

std::optional<Address> Selector::Sum(const Address& a, const Address& b) {
  Reg plain[2];
  int plains = 0;
  Reg scaled = kNoReg;
  uint8_t shift = 0;
  for (const Address* part : {&a, &b}) {
    if (part->base != kNoReg) {
      if (plains == 2) return std::nullopt;
      plain[plains++] = part->base;
    }
    if (part->index == kNoReg) continue;
    if (part->shift == 0) {
      if (plains == 2) return std::nullopt;
      plain[plains++] = part->index;
    } else {
      if (scaled != kNoReg) return std::nullopt;
      scaled = part->index;
      shift = part->shift;
    }
  }
  if (plains == 0 || (plains == 2 && scaled != kNoReg)) return std::nullopt;
  Address sum{plain[0], plains == 2 ? plain[1] : scaled, shift, 0};
  if (sum.index == kFramePointer) {
    if (sum.base == kFramePointer) return std::nullopt;
    std::swap(sum.base, sum.index);
  }
  return Sum(sum, int64_t{a.disp} + b.disp);
}

Address Selector::PrepareAddress(Reg base, int32_t off) {
  for (;;) {
    if (const auto address = AddressOf(base, 64)) {
      if (const auto sum = Sum(*address, off)) return *sum;
    }
    Force(base);
  }
}

}  // namespace skep::jit::opt
