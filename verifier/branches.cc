// SPDX-License-Identifier: Apache-2.0
// Conditional jumps: which way they can go, and what is known on each side.

#include "verifier/refine.h"
#include "verifier/transfer_alu.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

// The comparison with its operands exchanged.
OpKind Flip(OpKind kind) {
  switch (kind) {
    case OpKind::kJGt:
      return OpKind::kJLt;
    case OpKind::kJGe:
      return OpKind::kJLe;
    case OpKind::kJLt:
      return OpKind::kJGt;
    case OpKind::kJLe:
      return OpKind::kJGe;
    case OpKind::kJSGt:
      return OpKind::kJSLt;
    case OpKind::kJSGe:
      return OpKind::kJSLe;
    case OpKind::kJSLt:
      return OpKind::kJSGt;
    case OpKind::kJSLe:
      return OpKind::kJSGe;
    default:
      return kind;
  }
}

// True for a packet pointer (of this kind) that has not been moved.
bool IsPacketStart(const Register& r, RegKind kind) {
  return r.kind == kind && r.off == 0 && r.var.bits.IsConst() && r.var.value() == 0 && r.id == 0;
}

}  // namespace

// Linux gives 10 bits to an entry and 4 to the count.
LinkedRegisters LinkedRegisters::Unpack(uint64_t packed) {
  LinkedRegisters out;
  out.size_ = static_cast<int>(packed & 15);
  packed >>= 4;
  for (int i = 0; i < out.size_; ++i, packed >>= 10) {
    out.entries_[i] = {static_cast<uint8_t>(packed & 7), static_cast<uint8_t>(packed >> 3 & 63),
                       (packed >> 9 & 1) != 0};
  }
  return out;
}

uint64_t LinkedRegisters::Pack() const {
  uint64_t packed = 0;
  for (int i = size_; i-- > 0;) {
    const Entry& e = entries_[i];
    packed =
        packed << 10 | (e.is_register ? uint64_t{1} << 9 : 0) | uint64_t{e.index} << 3 | e.frame;
  }
  return packed << 4 | static_cast<uint64_t>(size_);
}

bool LinkedRegisters::Add(Entry e) {
  if (size_ == static_cast<int>(std::size(entries_))) return false;
  entries_[size_++] = e;
  return true;
}

bool Verifier::NotNull(const Register& r) const {
  if (r.MaybeNull()) return false;
  // An unbounded offset could wrap a valid base to 0.
  if (r.var.wide.smin <= -kMaxVarOff || r.var.wide.smax >= kMaxVarOff) return false;
  switch (r.kind) {
    case RegKind::kMapPointer:
    case RegKind::kMapValue:
    case RegKind::kMapKey:
    case RegKind::kMemory:
    case RegKind::kBuffer:
    case RegKind::kSocket:
    case RegKind::kSockCommon:
    case RegKind::kTcpSock:
    case RegKind::kXdpSock:
      return true;
    case RegKind::kBtfId:
      return IsTrusted(r);
    case RegKind::kNotInit:
    case RegKind::kScalar:
    case RegKind::kContext:
    case RegKind::kStack:
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
    case RegKind::kPacketEnd:
    case RegKind::kFunction:
    case RegKind::kFlowKeys:
    case RegKind::kTracingBuffer:
    case RegKind::kArena:
    case RegKind::kDynptr:
    case RegKind::kIterator:
      return false;
  }
  return false;
}

// 1 taken, 0 not taken, -1 unknown.
int Verifier::DecidePacketBranch(OpKind kind, const Register& a, const Register& b) const {
  const Register* packet = &a;
  if (b.kind != RegKind::kPacketEnd) {
    if (a.kind != RegKind::kPacketEnd) return -1;
    packet = &b;
    kind = Flip(kind);
  }
  if (packet->kind == RegKind::kPacketEnd || packet->range >= 0) return -1;
  const bool beyond = packet->range == kBeyondPacketEnd;
  switch (kind) {
    case OpKind::kJLe:
      return beyond ? 0 : -1;
    case OpKind::kJGt:
      return beyond ? 1 : -1;
    case OpKind::kJLt:
      return 0;
    case OpKind::kJGe:
      return 1;
    default:
      return -1;
  }
}

int Verifier::DecidePointerBranch(OpKind kind, const Register& a, const Register& b) const {
  const Register& pointer = b.IsScalar() && b.var.bits.IsConst() ? a : b;
  const Register& number = &pointer == &a ? b : a;
  if (!number.IsNullConstant() || !NotNull(pointer)) return -1;
  if (kind == OpKind::kJEq) return 0;
  if (kind == OpKind::kJNe) return 1;
  return -1;
}

int Verifier::DecideBranchOf(OpKind kind, int width, const Register& a, const Register& b) const {
  if (width == 64 && a.IsPacketAny() && b.IsPacketAny()) return DecidePacketBranch(kind, a, b);
  if (a.IsPointer() || b.IsPointer()) return width == 64 ? DecidePointerBranch(kind, a, b) : -1;
  switch (DecideBranch(kind, width, a.var, b.var)) {
    case Decision::kTaken:
      return 1;
    case Decision::kNotTaken:
      return 0;
    case Decision::kUnknown:
      return -1;
  }
  return -1;
}

bool Verifier::StepMayGoto(const DecodedInsn& insn) {
  State* other = PushPath(insn_ + 1, insn_);
  if (other == nullptr) return false;
  ++other->may_goto_depth;
  WidenSinceLastRound(*other);
  next_insn_ = static_cast<uint32_t>(TargetOf(insn, insn_));
  return true;
}

bool Verifier::StepBranch(const DecodedInsn& insn) {
  const OpInfo& op = Info(insn.op);
  const bool has_src = op.operands == Operands::kBranchReg;
  const auto target = static_cast<uint32_t>(TargetOf(insn, insn_));
  if (!CheckSource(insn.dst)) return false;
  if (has_src && !CheckSource(insn.src)) return false;
  Register& dst = reg(insn.dst);
  Register immediate = Register::Number(static_cast<uint64_t>(int64_t{insn.imm}));
  Register& src = has_src ? reg(insn.src) : immediate;
  if (has_src && !(dst.IsPacketAny() && src.IsPacketAny()) && LeaksPointer(insn.src)) {
    return Reject(FindingCode::kPointerComparison, {insn.src});
  }
  uint32_t flags = 0;
  if (dst.kind == RegKind::kStack) flags |= kHistoryDstIsStack;
  if (src.kind == RegKind::kStack) flags |= kHistorySrcIsStack;
  if (flags != 0) PushHistory(flags, 0);

  InsnNotes& notes = notes_[insn_];
  const int decided = DecideBranchOf(op.kind, op.width, dst, src);
  if (decided >= 0) {
    if (dst.IsScalar() && !MarkPrecise(insn.dst)) return false;
    if (has_src && src.IsScalar() && !MarkPrecise(insn.src)) return false;
    if (decided == 1) {
      notes.taken = true;
      next_insn_ = target;
    } else {
      notes.fell_through = true;
    }
    return true;
  }
  notes.taken = notes.fell_through = true;

  LinkedRegisters linked;
  if (has_src && src.IsScalar() && src.id != 0) CollectLinked(src.id, &linked);
  if (dst.IsScalar() && dst.id != 0) CollectLinked(dst.id, &linked);
  if (linked.size() > 1) PushHistory(0, linked.Pack());

  State* jump = PushPath(target, insn_);
  if (jump == nullptr) return false;
  State& fall = state();
  Register other_immediate = immediate;
  Register& jump_dst = jump->reg(insn.dst);
  Register& jump_src = has_src ? jump->reg(insn.src) : other_immediate;
  if (dst.IsScalar() && src.IsScalar()) {
    // A side that turns out dead is kept, with what was known before: it is
    // followed needlessly, never wrongly.
    Scalar a = dst.var, b = src.var;
    if (Refine(op.kind, op.width, false, a, has_src && insn.src == insn.dst ? a : b)) {
      dst.var = a;
      if (!(has_src && insn.src == insn.dst)) src.var = b;
    }
    a = jump_dst.var, b = jump_src.var;
    if (Refine(op.kind, op.width, true, a, has_src && insn.src == insn.dst ? a : b)) {
      jump_dst.var = a;
      if (!(has_src && insn.src == insn.dst)) jump_src.var = b;
    }
  }
  if (has_src && src.IsScalar() && src.id != 0) {
    SyncLinkedRegisters(fall, src, linked);
    SyncLinkedRegisters(*jump, jump_src, linked);
  }
  if (dst.IsScalar() && dst.id != 0) {
    SyncLinkedRegisters(fall, dst, linked);
    SyncLinkedRegisters(*jump, jump_dst, linked);
  }
  return RefinePointers(insn, fall, *jump);
}

bool Verifier::RefinePointers(const DecodedInsn& insn, State& fall, State& jump) {
  const OpInfo& op = Info(insn.op);
  const bool has_src = op.operands == Operands::kBranchReg;
  const bool equality = op.kind == OpKind::kJEq || op.kind == OpKind::kJNe;
  Register& dst = fall.reg(insn.dst);
  if (op.width == 64 && has_src && equality && dst.IsPointer() && fall.reg(insn.src).IsPointer()) {
    // Equal to a pointer that is not null: not null either.
    State& equal = op.kind == OpKind::kJEq ? jump : fall;
    const Register a = fall.reg(insn.dst), b = fall.reg(insn.src);
    // A pointer by BTF may be null, whatever its type says.
    if (a.kind != RegKind::kBtfId && b.kind != RegKind::kBtfId) {
      if (NotNull(a) && b.MaybeNull()) MarkNotNull(equal.reg(insn.src));
      if (NotNull(b) && a.MaybeNull()) MarkNotNull(equal.reg(insn.dst));
    }
  }
  if (op.width == 64 && !has_src && insn.imm == 0 && equality && dst.MaybeNull()) {
    MarkNullness(fall, insn.dst, op.kind == OpKind::kJNe);
    MarkNullness(jump, insn.dst, op.kind == OpKind::kJEq);
    return true;
  }
  if (op.width == 64 && has_src && MatchPacketPointers(op.kind, insn, fall, jump)) return true;
  if (LeaksPointer(insn.dst)) return Reject(FindingCode::kPointerComparison, {insn.dst});
  return true;
}

void Verifier::MarkNotNull(Register& r) {
  r.flags = static_cast<uint16_t>(r.flags & ~kMaybeNull);
  if (r.kind != RegKind::kMapValue) return;
  const MapType type = map(r.map).type;
  if (type == MapType::kSockmap || type == MapType::kSockhash || type == MapType::kXskmap) {
    // The value of these maps is a socket.
    r.kind = type == MapType::kXskmap ? RegKind::kXdpSock : RegKind::kSocket;
    r.map = 0;
    r.map_uid = 0;
  } else if (map(r.map).inner != nullptr) {
    // The value of a map of maps is a map.
    const uint32_t index = MapIndexOf(*map(r.map).inner);
    r.kind = RegKind::kMapPointer;
    r.map = index;
    // Which inner map it is matters for what refers back to its map.
    constexpr SpecialMask kBoundToMap =
        MaskOf(SpecialKind::kTimer, SpecialKind::kWorkqueue, SpecialKind::kTaskWork);
    r.map_uid = records_[index].Has(kBoundToMap) ? r.id : 0;
  }
}

// Each pointer with the id of register `number`: null, or not null.
//
// Sound because: an id is shared only by copies of one pointer, which is null
// or not null as a whole.
void Verifier::MarkNullness(State& s, int number, bool is_null) {
  const uint32_t id = s.reg(static_cast<size_t>(number)).id;
  const uint32_t ref_id = s.reg(static_cast<size_t>(number)).ref_id;
  if (is_null && ref_id != 0 && ref_id == id) {
    std::erase_if(s.refs, [&](const Reference& r) {
      return r.kind == ReferenceKind::kObject && r.id == ref_id;
    });
  }
  const auto is_copy = [id](const Register& r) {
    return r.IsPointer() && r.MaybeNull() && r.id == id;
  };
  ChangeRegisters(s, is_copy, [&](Register& r) {
    if (is_null) {
      r = Register::Number(0);
    } else {
      MarkNotNull(r);
      if (!MayPointToLock(r)) r.id = 0;
    }
  });
}

// pointer < end (or <=): `pointer`'s offset bytes behind its base are there.
//
// Sound because: registers with this id share the variable part of the offset,
// which is at most kMaxPacketOff, so nothing wraps.
void Verifier::FindGoodPacketPointers(State& s, const Register& pointer, bool open) {
  if (pointer.off < 0 || (pointer.off == 0 && open)) return;
  if (pointer.var.wide.umax > kMaxPacketOff ||
      pointer.var.wide.umax + static_cast<uint64_t>(pointer.off) > kMaxPacketOff) {
    return;
  }
  const int32_t range = pointer.off + (open ? 1 : 0);
  const RegKind kind = pointer.kind;
  const uint32_t id = pointer.id;
  ChangeRegisters(
      s, [&](const Register& r) { return r.kind == kind && r.id == id && r.range < range; },
      [&](Register& r) { r.range = range; });
}

// The pointer is at the end or beyond it, by at least a byte if `open`.
void Verifier::MarkPacketEnd(State& s, int number, bool open) {
  Register& r = s.reg(static_cast<size_t>(number));
  if (r.kind == RegKind::kPacket) r.range = open ? kBeyondPacketEnd : kAtPacketEnd;
}

bool Verifier::MatchPacketPointers(OpKind kind, const DecodedInsn& insn, State& fall, State& jump) {
  const Register dst = fall.reg(insn.dst), src = fall.reg(insn.src);
  const auto fits = [](const Register& pointer, const Register& end) {
    return (pointer.kind == RegKind::kPacket && end.kind == RegKind::kPacketEnd) ||
           (pointer.kind == RegKind::kPacketMeta && IsPacketStart(end, RegKind::kPacket));
  };
  const bool forward = fits(dst, src);
  if (!forward && !fits(src, dst)) return false;
  if (!forward) kind = Flip(kind);
  const Register& pointer = forward ? dst : src;
  const int number = forward ? insn.dst : insn.src;
  switch (kind) {
    case OpKind::kJGt:  // pointer > end
      FindGoodPacketPointers(fall, pointer, false);
      MarkPacketEnd(jump, number, true);
      return true;
    case OpKind::kJLt:
      FindGoodPacketPointers(jump, pointer, true);
      MarkPacketEnd(fall, number, false);
      return true;
    case OpKind::kJGe:
      FindGoodPacketPointers(fall, pointer, true);
      MarkPacketEnd(jump, number, false);
      return true;
    case OpKind::kJLe:
      FindGoodPacketPointers(jump, pointer, false);
      MarkPacketEnd(fall, number, true);
      return true;
    default:
      return false;
  }
}

void Verifier::CollectLinked(uint32_t id, LinkedRegisters* out) {
  id &= ~kLinkedByDelta;
  State& s = state();
  // False for one too many: it is no longer linked.
  const auto collect = [&](const Register& r, uint32_t frame, size_t index, bool is_register) {
    if (!r.IsScalar() || (r.id & ~kLinkedByDelta) != id) return true;
    return out->Add({static_cast<uint8_t>(frame), static_cast<uint8_t>(index), is_register});
  };
  for (uint32_t f = s.depth + 1; f-- > 0;) {
    const uint32_t at = f == s.depth ? insn_ : s.frames[f + 1]->callsite;
    for (size_t i = 0; i < 10; ++i) {
      if ((info(at).live_before >> i & 1) == 0) continue;
      if (!collect(s.frames[f]->regs[i], f, i, true)) s.MutableFrame(f).regs[i].ClearId();
    }
    for (size_t i = 0; i < s.frames[f]->stack.size(); ++i) {
      const StackSlot& slot = s.frames[f]->stack[i];
      if (!slot.IsSpill() || collect(slot.reg, f, i, false)) continue;
      s.MutableFrame(f).stack.Mutable(i).reg.ClearId();
    }
  }
}

// What was learnt about `known` holds for the numbers linked to it.
//
// Sound because: numbers with one id are equal; with kLinkedWide they are the
// common number plus their own delta, so that the difference is added; with
// kLinkedLow that holds modulo 2^32, and all numbers concerned fit 32 bits.
void Verifier::SyncLinkedRegisters(State& s, const Register& known, const LinkedRegisters& linked) {
  for (const LinkedRegisters::Entry& e : linked) {
    Frame& frame = s.MutableFrame(e.frame);
    Register& r = e.is_register ? frame.regs[e.index] : frame.stack.Mutable(e.index).reg;
    if (!r.IsScalar() || &r == &known) continue;
    if ((r.id & ~kLinkedByDelta) != (known.id & ~kLinkedByDelta)) continue;
    const uint32_t flags = (r.id | known.id) & kLinkedByDelta;
    const bool plain = flags == 0;
    if (flags == kLinkedByDelta) continue;  // one modulo 2^32, one not
    if (plain || r.off == known.off) {
      r = known;
      continue;
    }
    const auto delta = static_cast<uint64_t>(int64_t{r.off} - int64_t{known.off});
    const uint32_t id = r.id;
    const int32_t off = r.off;
    r = known;
    r.id = id;
    r.off = off;
    const int width = flags == kLinkedLow ? 32 : 64;
    r.var = TransferAlu(OpKind::kAdd, width, r.var, Scalar::Const(delta));
  }
}

}  // namespace skep::verifier
