// SPDX-License-Identifier: Apache-2.0
#include "jit/opt/selector.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "isa/semantics.h"

namespace skep::jit::opt {
namespace {

bool IsCommutative(OpKind kind) {
  return kind == OpKind::kAdd || kind == OpKind::kMul || kind == OpKind::kAnd ||
         kind == OpKind::kOr || kind == OpKind::kXor;
}

}  // namespace

Selected Selector::Run() {
  LiveAfter(exec_, block_, live_);
  for (size_t i = 0; i < block_.steps.size(); ++i) {
    const Step& step = block_.steps[i];
    const Effect effect = opt::EffectOf(exec_, step);
    live_after_ = live_[i];
    if (IsPure(step) && (effect.writes & live_after_) == 0) continue;
    needed_ = live_after_ | effect.reads;
    at_ = step.at;
    step_ = static_cast<uint32_t>(i);
    Walk(step);
  }
  Selected selected;
  Finish(selected);
  selected.operations = std::move(operations_);
  return selected;
}

void Selector::Walk(const Step& step) {
  const OpShape& op = ShapeOf(step);
  if (step.is_select) {
    SelectStep(step, op);
  } else if (step.insn.in_arena != 0) {
    Baseline(step);
  } else if (op.op_class == OpClass::kAlu) {
    Arithmetic(step, op);
  } else if (op.op_class == OpClass::kWideLoad && op.kind == OpKind::kLoadImm) {
    PutOffConstant(step.insn.dst, step.insn.wide());
  } else if (op.op_class == OpClass::kLoad) {
    Load(step, op);
  } else if (op.op_class == OpClass::kStore) {
    Store(step, op);
  } else {
    Baseline(step);
  }
}

void Selector::Arithmetic(const Step& step, const OpShape& op) {
  const ExecInsn& insn = step.insn;
  const int width = op.width;
  const bool is_reg = op.second_is_reg != 0;
  if (insn.src == kFramePointer && is_reg && width == 32) return Baseline(step);
  switch (op.kind) {
    case OpKind::kMov:
      if (is_reg) return Move(width, insn.dst, insn.src);
      return PutOffConstant(insn.dst, width == 64 ? static_cast<uint64_t>(int64_t{insn.imm})
                                                  : static_cast<uint32_t>(insn.imm));
    case OpKind::kNeg:
    case OpKind::kToLe:
    case OpKind::kToBe:
    case OpKind::kBswap: {
      Force(insn.dst);
      const bool known = op.kind != OpKind::kNeg && width <= 32;
      Define(insn.dst, known || width == 32 ? width : 64);
      Operation& operation = Emit(Do::kAlu);
      operation.kind = op.kind;
      operation.width = static_cast<uint8_t>(width);
      operation.dst = operation.a = insn.dst;
      return;
    }
    case OpKind::kMovSx8:
    case OpKind::kMovSx16:
    case OpKind::kMovSx32: {
      if (insn.src == kFramePointer) return Baseline(step);
      Prepare(insn.src, 32);
      const Reg from = Name(insn.src);
      Define(insn.dst, width);
      Operation& operation = Emit(Do::kUnary);
      operation.kind = op.kind;
      operation.width = static_cast<uint8_t>(width);
      operation.dst = insn.dst;
      operation.a = from;
      return;
    }
    case OpKind::kDiv:
    case OpKind::kSDiv:
    case OpKind::kMod:
    case OpKind::kSMod:
      return Baseline(step);
    default:
      break;
  }
  const Operand b = is_reg ? Operand::Of(insn.src) : Operand::Imm(insn.imm);
  std::optional<uint64_t> constant;
  if (!is_reg) {
    constant = static_cast<uint64_t>(int64_t{insn.imm});
  } else if (insn.src != kFramePointer && values_[insn.src].form == Form::kConstant) {
    constant = values_[insn.src].constant;
  }
  if (FoldConstants(op.kind, width, insn.dst, constant)) return;
  if (!is_reg) return General(op.kind, width, insn.dst, b);
  if (const auto immediate =
          insn.src == kFramePointer ? std::nullopt : ImmediateOf(insn.src, width)) {
    return General(op.kind, width, insn.dst, Operand::Imm(*immediate));
  }
  General(op.kind, width, insn.dst, b);
}

bool Selector::FoldConstants(OpKind kind, int width, Reg dst, std::optional<uint64_t> b) {
  if (!b || values_[dst].form != Form::kConstant) return false;
  const uint64_t a = values_[dst].constant;
  const auto count = static_cast<int>(*b & static_cast<uint64_t>(width - 1));
  const uint64_t low = width == 64 ? a : static_cast<uint32_t>(a);
  uint64_t result = 0;
  switch (kind) {
    case OpKind::kAdd:
      result = a + *b;
      break;
    case OpKind::kSub:
      result = a - *b;
      break;
    case OpKind::kMul:
      result = a * *b;
      break;
    case OpKind::kOr:
      result = a | *b;
      break;
    case OpKind::kAnd:
      result = a & *b;
      break;
    case OpKind::kXor:
      result = a ^ *b;
      break;
    case OpKind::kLsh:
      result = low << count;
      break;
    case OpKind::kRsh:
      result = low >> count;
      break;
    default:
      return false;
  }
  PutOffConstant(dst, width == 64 ? result : static_cast<uint32_t>(result));
  return true;
}

void Selector::Move(int width, Reg dst, Reg src) {
  if (src == kFramePointer) {
    Value value;
    value.form = Form::kAddress;
    value.address.base = kFramePointer;
    return PutOff(dst, value);
  }
  const bool all = width == 64 || BitsOf(src) <= 32;
  if (all && dst == src) return;
  if (all && values_[src].form != Form::kReal) {
    // What takes work is done once if both are needed.
    if (!IsCopy(values_[src]) && values_[src].form != Form::kConstant &&
        (live_after_ & Bit(src)) != 0 && (NamedBy(values_[src]) & Bit(src)) == 0) {
      Force(src);
    } else {
      return PutOff(dst, Value(values_[src]));
    }
  }
  if (values_[src].form == Form::kConstant) {
    return PutOffConstant(dst, static_cast<uint32_t>(values_[src].constant));
  }
  const auto address = AddressOf(src, width);
  Value value;
  value.form = Form::kAddress;
  value.width = static_cast<uint8_t>(all ? 64 : 32);
  if (address && address->base != kNoReg) {
    value.address = *address;
  } else {
    Force(src);
    value.address.base = src;
  }
  PutOff(dst, value);
}

// Every operation but moves, negations, byte order and divisions.
void Selector::General(OpKind kind, int width, Reg dst, Operand b) {
  switch (kind) {
    case OpKind::kAdd:
      if (!b.is_reg()) return AddImmediate(width, dst, b.imm);
      if (Rotate(width, dst, b.reg)) return;
      return AddRegister(width, dst, b.reg);
    case OpKind::kSub:
      if (!b.is_reg()) return AddImmediate(width, dst, -int64_t{b.imm});
      break;
    case OpKind::kAnd:
      if (!b.is_reg()) return Mask(width, dst, b.imm);
      break;
    case OpKind::kMul:
      if (!b.is_reg()) return MultiplyImmediate(width, dst, b.imm);
      break;
    case OpKind::kLsh:
    case OpKind::kRsh:
      if (!b.is_reg()) return ShiftImmediate(kind, width, dst, b.imm & (width - 1));
      break;
    case OpKind::kOr:
    case OpKind::kXor:
      if (b.is_reg() && Rotate(width, dst, b.reg)) return;
      break;
    default:
      break;
  }
  const bool shifts = kind == OpKind::kLsh || kind == OpKind::kRsh || kind == OpKind::kArsh;
  if (b.is_reg() && b.reg == kFramePointer) {
    Force(dst);
  } else if (b.is_reg()) {
    if (shifts) Force(dst);
    PrepareBoth(dst, b.reg, width);
    if (shifts) Force(dst);
  } else {
    Prepare(dst, width);
  }
  const Reg a = Name(dst);
  Operand second = b;
  if (b.is_reg()) second.reg = Name(b.reg);
  int bits = width;
  if (kind == OpKind::kOr || kind == OpKind::kXor) {
    const int other = b.is_reg()   ? (b.reg == kFramePointer ? 64 : BitsOf(b.reg))
                      : b.imm >= 0 ? static_cast<int>(std::bit_width(static_cast<uint32_t>(b.imm)))
                                   : width;
    bits = std::min(width, std::max(BitsOf(dst), other));
  } else if (kind == OpKind::kAnd && b.is_reg() && b.reg != kFramePointer) {
    bits = std::min({width, BitsOf(dst), BitsOf(b.reg)});
  }
  Define(dst, bits);
  Operation& operation = Emit(Do::kAlu);
  operation.kind = kind;
  operation.width = static_cast<uint8_t>(width);
  operation.dst = dst;
  operation.a = a;
  operation.b = second;
  if (IsCommutative(kind) && second.is_reg() && second.reg == dst) {
    operation.a = dst;
    operation.b.reg = a;
  }
}

void Selector::AddImmediate(int width, Reg dst, int64_t imm) {
  auto sum = AddressOf(dst, width);
  if (sum) sum = Sum(*sum, imm);
  if (!sum) {
    Force(dst);
    sum = Sum(Address{dst, kNoReg, 0, 0}, imm);
  }
  if (!sum) {  // more than an address takes
    Define(dst, width);
    Operation& operation = Emit(Do::kAlu);
    operation.kind = imm > INT32_MAX ? OpKind::kSub : OpKind::kAdd;
    operation.width = static_cast<uint8_t>(width);
    operation.dst = operation.a = dst;
    operation.b = Operand::Imm(static_cast<int32_t>(imm > INT32_MAX ? -imm : imm));
    return;
  }
  Value value;
  value.form = Form::kAddress;
  value.width = static_cast<uint8_t>(width);
  value.address = *sum;
  PutOff(dst, value);
}

void Selector::AddRegister(int width, Reg dst, Reg src) {
  const auto try_sum = [&]() -> std::optional<Address> {
    const auto a = AddressOf(dst, width);
    const auto b = AddressOf(src, width);
    if (!a || !b) return std::nullopt;
    return Sum(*a, *b);
  };
  if (const auto constant = ImmediateOf(dst, width); constant && src != kFramePointer) {
    Move(width, dst, src);
    return AddImmediate(width, dst, *constant);
  }
  auto sum = try_sum();
  if (!sum && src != kFramePointer) {
    Force(src);
    sum = try_sum();
  }
  if (!sum) {
    Force(dst);
    sum = try_sum();
  }
  SKEP_CHECK(sum.has_value());
  Value value;
  value.form = Form::kAddress;
  value.width = static_cast<uint8_t>(width);
  value.address = *sum;
  PutOff(dst, value);
}

// x << n and x >> (width - n), joined in whatever way.
bool Selector::Rotate(int width, Reg dst, Reg src) {
  if (src == kFramePointer || dst == src) return false;
  const Value& a = values_[dst];
  const Value& b = values_[src];
  if (a.form != Form::kShift || b.form != Form::kShift || a.base != b.base || a.width != width ||
      b.width != width || a.shift == b.shift || a.count + b.count != width) {
    return false;
  }
  const int left = a.shift == OpKind::kLsh ? a.count : b.count;
  const Reg base = a.base;
  if ((live_after_ & Bit(src)) != 0) {
    Force(src);  // may change what dst is, if it shifted dst's register in place
    if (values_[dst].form != Form::kShift || values_[dst].base != base || base == src) return false;
  }
  Define(dst, width);
  Operation& operation = Emit(Do::kRotate);
  operation.width = static_cast<uint8_t>(width);
  operation.dst = dst;
  operation.a = base;
  operation.b = Operand::Imm(left);
  return true;
}

void Selector::Mask(int width, Reg dst, int32_t mask) {
  const bool clears_upper = width == 32 || mask >= 0;
  const auto ones = static_cast<uint32_t>(mask);
  if (clears_upper && std::has_single_bit(uint64_t{ones} + 1) &&
      BitsOf(dst) <= static_cast<int>(std::bit_width(ones))) {
    return;  // clears nothing
  }
  Prepare(dst, clears_upper ? 32 : 64);
  const Reg a = Name(dst);
  const int bits = clears_upper ? static_cast<int>(std::bit_width(ones)) : 64;
  Define(dst, std::min(bits, BitsOf(dst)));
  Operation& operation = Emit(Do::kAlu);
  operation.kind = OpKind::kAnd;
  operation.width = static_cast<uint8_t>(clears_upper ? 32 : 64);
  operation.dst = dst;
  operation.a = a;
  operation.b = Operand::Imm(mask);
}

void Selector::MultiplyImmediate(int width, Reg dst, int32_t factor) {
  if (factor == 0) return PutOffConstant(dst, 0);
  if (factor == 1) return Move(width, dst, dst);
  if (factor > 0 && std::has_single_bit(static_cast<uint32_t>(factor))) {
    return ShiftImmediate(OpKind::kLsh, width, dst,
                          std::countr_zero(static_cast<uint32_t>(factor)));
  }
  Prepare(dst, width);
  const Reg a = Name(dst);
  if (factor == 3 || factor == 5 || factor == 9) {
    Value value;
    value.form = Form::kAddress;
    value.width = static_cast<uint8_t>(width);
    value.address = {a, a, static_cast<uint8_t>(factor == 3 ? 1 : factor == 5 ? 2 : 3), 0};
    return PutOff(dst, value);
  }
  Define(dst, width);
  Operation& operation = Emit(Do::kMultiply);
  operation.width = static_cast<uint8_t>(width);
  operation.dst = dst;
  operation.a = a;
  operation.b = Operand::Imm(factor);
}

void Selector::ShiftImmediate(OpKind kind, int width, Reg dst, int32_t count) {
  if (count == 0) return Move(width, dst, dst);
  Prepare(dst, width);
  Value value;
  value.form = Form::kShift;
  value.width = static_cast<uint8_t>(width);
  value.count = static_cast<uint8_t>(count);
  value.shift = kind;
  value.base = Name(dst);
  PutOff(dst, value);
}

void Selector::Load(const Step& step, const OpShape& op) {
  const ExecInsn& insn = step.insn;
  const Address address = PrepareAddress(insn.src, insn.off);
  const bool sign = op.kind == OpKind::kLoadSx;
  Define(insn.dst, sign ? 64 : op.width);
  Operation& operation = Emit(Do::kLoad);
  operation.width = op.width;
  operation.kind = op.kind;
  operation.sign = sign;
  operation.dst = insn.dst;
  operation.address = address;
}

void Selector::Store(const Step& step, const OpShape& op) {
  const ExecInsn& insn = step.insn;
  Operand value = Operand::Imm(insn.imm);
  if (op.second_is_reg) {
    const auto immediate =
        insn.src == kFramePointer ? std::nullopt : ImmediateOf(insn.src, op.width);
    if (immediate) {
      value = Operand::Imm(*immediate);
    } else {
      Prepare(insn.src, op.width);
      PrepareAddress(insn.dst, insn.off);
      Prepare(insn.src, op.width);
      value = Operand::Of(Name(insn.src));
    }
  }
  const Address address = PrepareAddress(insn.dst, insn.off);
  Operation& operation = Emit(Do::kStore);
  operation.width = op.width;
  operation.kind = op.kind;
  operation.address = address;
  operation.b = value;
}

void Selector::SelectStep(const Step& step, const OpShape& op) {
  Force(step.to);
  Prepare(step.from, 64);
  Operand b = Operand::Imm(step.insn.imm);
  Prepare(step.insn.dst, op.width);
  if (op.second_is_reg) {
    PrepareBoth(step.insn.dst, step.insn.src, op.width);
    b = Operand::Of(Name(step.insn.src));
  }
  Prepare(step.from, 64);
  Prepare(step.insn.dst, op.width);
  Force(step.to);
  const Reg a = Name(step.insn.dst);
  const Reg from = Name(step.from);
  Define(step.to, std::max(BitsOf(step.to), BitsOf(step.from)));
  Operation& operation = Emit(Do::kSelect);
  operation.kind = op.kind;
  operation.width = op.width;
  operation.dst = step.to;
  operation.a = a;
  operation.b = b;
  operation.source = from;
}

// As the baseline compiler does it: everything it reads lies in its own register.
void Selector::Baseline(const Step& step) {
  const Effect effect = opt::EffectOf(exec_, step);
  for (Reg reg = 0; reg < kRegisters; ++reg) {
    if (reg != kFramePointer && (effect.reads & Bit(reg)) != 0) Force(reg);
  }
  for (Reg reg = 0; reg < kRegisters; ++reg) {
    if (reg != kFramePointer && (effect.writes & Bit(reg)) != 0) Define(reg, 64);
  }
  const OpShape& op = ShapeOf(step);
  if (op.op_class == OpClass::kAlu && op.width == 32) bits_[step.insn.dst] = 32;
  Emit(Do::kStep);
}

// What later blocks need is computed, the condition's operands last, so that their
// flags may serve.
void Selector::Finish(Selected& selected) {
  const End& end = block_.end;
  const OpShape* op = end.kind == EndKind::kBranch ? &jit::ShapeOf(end.insn.op) : nullptr;
  const RegSet reads = ReadsOf(end);
  live_after_ = block_.live_out;
  needed_ = live_after_ | reads;
  at_ = end.at;
  for (const RegSet set : {static_cast<RegSet>(live_after_ & ~reads), live_after_}) {
    for (Reg reg = 0; reg < kRegisters; ++reg) {
      if (reg != kFramePointer && (set & Bit(reg)) != 0) Force(reg);
    }
  }
  if (end.kind == EndKind::kExit) {
    Force(0);
  } else if (end.kind == EndKind::kSwitch) {
    Prepare(end.insn.dst, 64);
    if (Name(end.insn.dst) >= kFirstTemporary) Force(end.insn.dst);  // the jump needs them
    selected.a = Name(end.insn.dst);
  } else if (op != nullptr) {
    selected.kind = op->kind;
    selected.width = op->width;
    selected.b = Operand::Imm(end.insn.imm);
    Prepare(end.insn.dst, op->width);
    if (op->second_is_reg) {
      const auto immediate =
          end.insn.src == kFramePointer ? std::nullopt : ImmediateOf(end.insn.src, op->width);
      if (immediate) {
        selected.b = Operand::Imm(*immediate);
      } else {
        PrepareBoth(end.insn.dst, end.insn.src, op->width);
        selected.b = Operand::Of(Name(end.insn.src));
      }
    }
    selected.a = Name(end.insn.dst);
  }
}

}  // namespace skep::jit::opt
