// SPDX-License-Identifier: Apache-2.0
// Arithmetic: numbers by transfer_alu.h; a pointer plus or minus a number keeps
// a constant part (Register::off) and a variable part (Register::var).

#include <limits>

#include "verifier/divisors.h"
#include "verifier/refine.h"
#include "verifier/transfer_alu.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

std::string_view OperatorText(OpKind kind) {
  switch (kind) {
    case OpKind::kAdd:
      return "+=";
    case OpKind::kSub:
      return "-=";
    case OpKind::kMul:
      return "*=";
    case OpKind::kDiv:
      return "/=";
    case OpKind::kSDiv:
      return "/=";
    case OpKind::kOr:
      return "|=";
    case OpKind::kAnd:
      return "&=";
    case OpKind::kLsh:
      return "<<=";
    case OpKind::kRsh:
      return ">>=";
    case OpKind::kMod:
      return "%=";
    case OpKind::kSMod:
      return "%=";
    case OpKind::kXor:
      return "^=";
    case OpKind::kArsh:
      return "s>>=";
    default:
      return "?";
  }
}

bool IsMove(OpKind kind) {
  return kind == OpKind::kMov || kind == OpKind::kMovSx8 || kind == OpKind::kMovSx16 ||
         kind == OpKind::kMovSx32;
}

bool IsUnary(OpKind kind) {
  return kind == OpKind::kNeg || kind == OpKind::kToLe || kind == OpKind::kToBe ||
         kind == OpKind::kBswap;
}

// Whether offsets can be added to a pointer, other than 0; `known`: a constant.
bool MovesBy(RegKind kind, bool known) {
  switch (kind) {
    case RegKind::kContext:
    case RegKind::kMapValue:
    case RegKind::kMapKey:
    case RegKind::kStack:
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
    case RegKind::kMemory:
    case RegKind::kFunction:
    case RegKind::kTracingBuffer:
    case RegKind::kBuffer:
    case RegKind::kBtfId:
    case RegKind::kDynptr:
      return true;
    case RegKind::kFlowKeys:
      return known;
    case RegKind::kNotInit:
    case RegKind::kScalar:
    case RegKind::kMapPointer:
    case RegKind::kPacketEnd:
    case RegKind::kSocket:
    case RegKind::kSockCommon:
    case RegKind::kTcpSock:
    case RegKind::kXdpSock:
    case RegKind::kArena:
    case RegKind::kIterator:
      return false;
  }
  return false;
}

bool FitsInt32(int64_t v) { return v == static_cast<int32_t>(v); }

}  // namespace

// Before a copy: a number gets an id, so that what is learnt about one copy
// holds for the other.
void Verifier::LinkForMove(Register& src) {
  if (!src.IsScalar()) return;
  if ((src.id & kLinkedByDelta) != 0) src.ClearId();
  if (src.id == 0 && !src.var.bits.IsConst()) src.id = NewId();
}

bool Verifier::StepAlu(const DecodedInsn& insn) {
  const OpInfo& op = Info(insn.op);
  if (IsMove(op.kind)) return StepMove(insn);
  if (!IsUnary(op.kind)) return StepArithmetic(insn);
  if (!CheckSource(insn.dst)) return false;
  if (LeaksPointer(insn.dst)) return Reject(FindingCode::kPointerArithmetic, {insn.dst});
  if (!CheckDestination(insn.dst)) return false;
  Register& dst = reg(insn.dst);
  Register result = Register::Unknown();
  if (dst.IsScalar()) result.var = TransferAlu(op.kind, op.width, dst.var, dst.var);
  dst = result;
  return true;
}

bool Verifier::StepMove(const DecodedInsn& insn) {
  const OpInfo& op = Info(insn.op);
  if (op.operands == Operands::kDstImm) {
    if (!CheckDestination(insn.dst)) return false;
    const auto value = static_cast<uint64_t>(int64_t{insn.imm});
    reg(insn.dst) = Register::Number(op.width == 64 ? value : static_cast<uint32_t>(value));
    return true;
  }
  if (!CheckSource(insn.src) || !CheckDestination(insn.dst)) return false;
  Register& src = reg(insn.src);
  Register& dst = reg(insn.dst);
  if (op.kind == OpKind::kMov && op.width == 64) {
    LinkForMove(src);
    dst = src;
    return true;
  }
  if (LeaksPointer(insn.src)) {
    const bool extends = op.width == 64;
    return Reject(extends ? FindingCode::kPointerSignExtension : FindingCode::kPartialCopy,
                  {insn.src});
  }
  if (!src.IsScalar()) {
    dst = Register::Unknown();
    if (op.width == 32) dst.var = dst.var.TruncateToLow();
    return true;
  }
  // A copy of a number that the move does not change stays linked to it.
  int unchanged_bits = 32;
  if (op.kind == OpKind::kMovSx8) unchanged_bits = 7;
  if (op.kind == OpKind::kMovSx16) unchanged_bits = 15;
  if (op.kind == OpKind::kMovSx32) unchanged_bits = 31;
  const bool unchanged = src.var.wide.umax < (uint64_t{1} << unchanged_bits);
  if (unchanged) LinkForMove(src);
  const Scalar value = TransferAlu(op.kind, op.width, src.var, src.var);
  Register result = src;
  if (!unchanged) result.ClearId();
  result.var = value;
  dst = result;
  return true;
}

bool Verifier::StepArithmetic(const DecodedInsn& insn) {
  const OpInfo& op = Info(insn.op);
  const bool has_src = UsesSrcRegister(op.operands);
  if (has_src && !CheckSource(insn.src)) return false;
  if (!CheckSource(insn.dst)) return false;
  if (IsDivision(op.kind) && !has_src && insn.imm == 0) {
    return Reject(FindingCode::kDivByZero, {});
  }
  const bool shifts =
      op.kind == OpKind::kLsh || op.kind == OpKind::kRsh || op.kind == OpKind::kArsh;
  if (shifts && !has_src && (insn.imm < 0 || insn.imm >= op.width)) {
    return Reject(FindingCode::kInvalidShift, {insn.imm});
  }
  if (!CheckDestination(insn.dst)) return false;

  Register& dst = reg(insn.dst);
  if (!has_src) immediate_.var = Scalar::Const(static_cast<uint64_t>(int64_t{insn.imm}));
  const Register& src = has_src ? reg(insn.src) : immediate_;
  // Any arithmetic is allowed: the result is kept inside the arena.
  if (dst.kind == RegKind::kArena) {
    notes_[insn_].fact.access = model::AccessKind::kArena;
    return true;
  }
  if (dst.IsPointer() && src.IsPointer()) {
    if (op.kind == OpKind::kSub && allow_ptr_leaks()) {
      dst = Register::Unknown();
      return true;
    }
    return Reject(FindingCode::kPointerPointer, {insn.dst, OperatorText(op.kind)});
  }
  if (src.IsPointer()) {
    if (!MarkPrecise(insn.dst)) return false;
    const Register pointer = src, offset = dst;
    return PointerArithmetic(insn, pointer, offset);
  }
  if (dst.IsPointer()) {
    if (has_src && !MarkPrecise(insn.src)) return false;
    const Register pointer = dst, offset = src;
    return PointerArithmetic(insn, pointer, offset);
  }
  if (!SplitScalar(insn, src)) return false;
  const bool fits_low = dst.var.wide.umax <= ~uint32_t{0};
  dst.var = TransferAlu(op.kind, op.width, dst.var, src.var);
  if (!LinkByDelta(op, has_src && insn.src == insn.dst, src, fits_low, dst)) dst.ClearId();
  return true;
}

// r1 = r2; r1 += 8: what is learnt about r2 later also holds for r1 - 8.
bool Verifier::LinkByDelta(const OpInfo& op, bool same_register, const Register& src, bool fits_low,
                           Register& dst) const {
  const bool adds = op.kind == OpKind::kAdd || op.kind == OpKind::kSub;
  if (!bpf_capable() || !adds || same_register) return false;
  if (dst.id == 0 || (dst.id & kLinkedByDelta) != 0) return false;
  const bool low = op.width == 32;
  if (low ? !src.var.IsConstLow() || !fits_low : !src.var.bits.IsConst()) return false;
  const auto value = low ? int64_t{static_cast<int32_t>(src.var.bits.Low().value)}
                         : static_cast<int64_t>(src.var.value());
  const int64_t delta = op.kind == OpKind::kAdd ? value : -value;
  if (!FitsInt32(value) || !FitsInt32(delta)) return false;
  dst.id |= low ? kLinkedLow : kLinkedWide;
  dst.off = static_cast<int32_t>(delta);
  return true;
}

// A number that is 0 or all ones (from a sign-extending shift) is followed as
// two numbers: the bit operation after it then gives constants.
bool Verifier::SplitScalar(const DecodedInsn& insn, const Register& src) {
  const OpKind kind = Info(insn.op).kind;
  if (kind != OpKind::kAnd && kind != OpKind::kOr) return true;
  Register& dst = reg(insn.dst);
  int width = 0;
  if (!SplitsIntoZeroAndOnes(kind, dst.var, src.var, &width)) return true;
  State* other = PushPath(insn_, insn_);
  if (other == nullptr) return false;
  const Scalar zero = Scalar::Const(0);
  const Scalar ones = Scalar::Const(~uint64_t{0});
  Register& other_dst = other->reg(insn.dst);
  if (width == 64) {
    other_dst.var = zero;
    dst.var = ones;
    return true;
  }
  const auto with_low = [](Scalar value, uint32_t low) {
    value.bits = value.bits.WithLow(BasicTnum<32>::Const(low));
    value.low = Scalar::Low::Const(low);
    return value.Normalize() ? value : Scalar::Unknown();
  };
  other_dst.var = with_low(dst.var, 0);
  dst.var = with_low(dst.var, ~uint32_t{0});
  return true;
}

bool Verifier::CheckSaneOffset(const Register& r, const Register& pointer) {
  const bool known = r.var.bits.IsConst();
  const auto value = static_cast<int64_t>(r.var.bits.value);
  const int64_t smin = r.var.wide.smin;
  if (known && (value >= kMaxVarOff || value <= -kMaxVarOff)) {
    return Reject(FindingCode::kOffsetConstant, {KindName(pointer), value});
  }
  // Also the delta of a linked number, as Linux does.
  if (r.off >= kMaxVarOff || r.off <= -kMaxVarOff) {
    return Reject(FindingCode::kOffsetTooLarge, {KindName(pointer), r.off});
  }
  if (smin == std::numeric_limits<int64_t>::min()) {
    return Reject(FindingCode::kOffsetUnbounded, {KindName(pointer)});
  }
  if (smin >= kMaxVarOff || smin <= -kMaxVarOff) {
    return Reject(FindingCode::kOffsetOutOfBounds, {smin, KindName(pointer)});
  }
  return true;
}

// dst = pointer op offset (or offset + pointer).
bool Verifier::PointerArithmetic(const DecodedInsn& insn, const Register& pointer,
                                 const Register& offset) {
  const OpInfo& op = Info(insn.op);
  const bool known = offset.var.bits.IsConst();
  const bool from_scalar = reg(insn.dst).IsScalar();
  if (op.width == 32) {
    if (op.kind == OpKind::kSub && allow_ptr_leaks()) {
      reg(insn.dst) = Register::Unknown();
      return true;
    }
    return Reject(FindingCode::kPointerArithmetic32, {insn.dst});
  }
  if (pointer.MaybeNull()) {
    return Reject(FindingCode::kPointerMaybeNull, {insn.dst, KindName(pointer)});
  }
  const bool adds_zero = known && offset.var.value() == 0 && op.kind == OpKind::kAdd;
  if (!MovesBy(pointer.kind, known) && !(pointer.kind == RegKind::kMapPointer && adds_zero)) {
    return Reject(FindingCode::kPointerKindArithmetic, {insn.dst, KindName(pointer)});
  }
  if (pointer.kind == RegKind::kMemory && (pointer.flags & kUntrusted) != 0) {
    // Loads through it are guarded, wherever it points: offsets do not matter.
    if (from_scalar) SetUnknown(insn.dst);
    return true;
  }
  if (!CheckSaneOffset(offset, pointer) || !CheckSaneOffset(pointer, pointer)) return false;

  Register result = pointer;
  switch (op.kind) {
    case OpKind::kAdd:
      AddToPointer(pointer, offset, result);
      break;
    case OpKind::kSub:
      if (from_scalar) return Reject(FindingCode::kPointerFromScalar, {insn.dst});
      if (pointer.kind == RegKind::kStack) {
        return Reject(FindingCode::kStackSubtraction, {insn.dst});
      }
      SubFromPointer(pointer, offset, result);
      break;
    case OpKind::kAnd:
    case OpKind::kOr:
    case OpKind::kXor:
      return Reject(FindingCode::kPointerBitwise, {insn.dst, OperatorText(op.kind)});
    default:
      return Reject(FindingCode::kPointerOperator, {insn.dst, OperatorText(op.kind)});
  }
  if (!CheckSaneOffset(result, pointer)) return false;
  if (!result.var.Normalize()) result.var = Scalar::Unknown();
  if (!known && !allow_ptr_leaks() && pointer.kind == RegKind::kStack) {
    return Reject(FindingCode::kUnprivilegedStackVar,
                  {insn.dst, TnumText(result.var.bits), result.off});
  }
  if (!known && !bypass_spec()) return Reject(FindingCode::kUnsupportedSpeculation, {});
  reg(insn.dst) = result;
  if (!bypass_spec()) return CheckUnprivilegedArithmetic(insn, result);
  return true;
}

// Sound because: the constant part changes only without overflow; else the sum
// of the ranges holds every sum, or the range is dropped. A packet pointer that
// moves by an unknown number is a new base: nothing is known behind it. One that
// was at the end of the packet may be before it when it has moved back (Linux
// 6.18 forgets this, and takes later comparisons for decided).
bool Verifier::AddToPointer(const Register& pointer, const Register& offset, Register& out) {
  const auto value = static_cast<int64_t>(offset.var.bits.value);
  if (offset.var.bits.IsConst() && FitsInt32(pointer.off + value)) {
    out.off = static_cast<int32_t>(pointer.off + value);
    if (pointer.IsPacket() && pointer.range < 0 && value < 0) out.range = 0;
    return true;
  }
  out.var.wide = Add(pointer.var.wide, offset.var.wide);
  // Linux adds unsigned ends only if neither wraps.
  uint64_t unused;
  if (__builtin_add_overflow(pointer.var.wide.umin, offset.var.wide.umin, &unused) ||
      __builtin_add_overflow(pointer.var.wide.umax, offset.var.wide.umax, &unused)) {
    out.var.wide.umin = 0;
    out.var.wide.umax = ~uint64_t{0};
  }
  out.var.bits = Add(pointer.var.bits, offset.var.bits);
  out.var.low = Scalar::Low::Unknown();
  if (pointer.IsPacket()) {
    out.id = NewId();
    out.range = 0;
  }
  return true;
}

// Sound because: as AddToPointer; moving back by a number that is not negative
// leaves the bytes behind the pointer at least as many.
bool Verifier::SubFromPointer(const Register& pointer, const Register& offset, Register& out) {
  const auto value = static_cast<int64_t>(offset.var.bits.value);
  if (offset.var.bits.IsConst() && FitsInt32(pointer.off - value)) {
    out.off = static_cast<int32_t>(pointer.off - value);
    if (pointer.IsPacket() && pointer.range < 0 && value > 0) out.range = 0;
    return true;
  }
  out.var.wide = Sub(pointer.var.wide, offset.var.wide);
  if (pointer.var.wide.umin < offset.var.wide.umax) {
    out.var.wide.umin = 0;
    out.var.wide.umax = ~uint64_t{0};
  }
  out.var.bits = Sub(pointer.var.bits, offset.var.bits);
  out.var.low = Scalar::Low::Unknown();
  if (pointer.IsPacket()) {
    out.id = NewId();
    if (offset.var.wide.smin < 0) out.range = 0;
  }
  return true;
}

// Untrusted programs: pointers stay inside their object at every step.
bool Verifier::CheckUnprivilegedArithmetic(const DecodedInsn& insn, const Register& out) {
  if (out.kind == RegKind::kStack) {
    const int64_t off = out.off + static_cast<int64_t>(out.var.bits.value);
    if (off >= 0 || off < -kMaxStack) {
      return Reject(FindingCode::kUnprivilegedStackMath, {insn.dst, off});
    }
  }
  if (out.kind == RegKind::kMapValue &&
      !CheckMapValue(insn.dst, out.off, 1, false, Accessor::kCall)) {
    return false;
  }
  return true;
}

}  // namespace skep::verifier
