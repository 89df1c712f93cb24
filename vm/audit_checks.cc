// SPDX-License-Identifier: Apache-2.0
// Whether a run lies within an abstract state, and whether facts hold.
#include <algorithm>
#include <cstring>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "isa/semantics.h"
#include "model/execution_layout.h"
#include "model/helper_entry.h"
#include "verifier/divisors.h"
#include "verifier/log.h"
#include "vm/audit.h"

namespace skep {

using model::AccessKind;
using model::InsnFact;
using verifier::RegKind;
using verifier::StackByte;

struct Audit::Place {
  const Audit& audit;
  uint32_t frame;
  int reg;  // -1: the stack slot at `off`
  int64_t off;
  const Register& expected;

  std::string Name() const {
    std::string name = reg >= 0 ? fmt::format("r{}", reg) : fmt::format("fp{}", off);
    if (frame > 0) name += fmt::format(" of frame {}", frame);
    return name;
  }
  bool Differs(uint64_t value, std::string_view what, std::string* why) const {
    *why = fmt::format("{} is {:#x}, {}", Name(), value, what);
    return false;
  }
  bool NotIn(uint64_t value, std::string* why) const {
    return Differs(value, "not in " + audit.lockstep_.Describe(expected, frame), why);
  }
};

bool Audit::Within(const State& state, std::string* why) {
  const size_t root = roots_.back();
  if (callers_.size() - root != state.depth) {
    *why =
        fmt::format("the run is {} calls deep, the state {}", callers_.size() - root, state.depth);
    return false;
  }
  linked_.clear();
  for (uint32_t f = 0; f <= state.depth; ++f) {
    if (!CheckFrame(state, f, why)) return false;
  }
  return true;
}

bool Audit::CheckFrame(const State& state, uint32_t f, std::string* why) {
  const bool innermost = f == state.depth;
  Registers& regs = innermost ? now_ : callers_[roots_.back() + f];
  const verifier::Frame& frame = *state.frames[f];
  for (size_t i = 0; i < regs.value.size(); ++i) {
    const Register& r = frame.regs[i];
    if (r.kind == RegKind::kNotInit) continue;
    const Place at{*this, f, static_cast<int>(i), 0, r};
    if (r.IsScalar()) {
      if (!CheckScalar(r, regs.value[i], at, why)) return false;
      continue;
    }
    if (innermost && (fresh_ >> i & 1) != 0 && !regs.origin[i].IsPointer()) {
      Origin found = Resolve(r, regs.value[i]);
      if (!CheckPointer(r, regs.value[i], found, at, why)) return false;
      regs.origin[i] = found;
      continue;
    }
    if (!CheckPointer(r, regs.value[i], regs.origin[i], at, why)) return false;
  }
  return CheckStack(state, f, regs.value[10], why);
}

bool Audit::CheckStack(const State& state, uint32_t f, uint64_t top, std::string* why) {
  const verifier::Frame& frame = *state.frames[f];
  for (size_t i = 0; i < frame.stack.size(); ++i) {
    const verifier::StackSlot& slot = frame.stack[i];
    const int64_t off = -8 * static_cast<int64_t>(i + 1);
    const uint64_t address = top + static_cast<uint64_t>(off);
    const Place at{*this, f, -1, off, slot.reg};
    uint8_t bytes[8];
    std::memcpy(bytes, reinterpret_cast<const void*>(address), sizeof bytes);
    int spilled = 0;
    for (size_t b = 0; b < sizeof bytes; ++b) {
      if (slot.bytes[b] == StackByte::kZero && bytes[b] != 0) {
        *why = fmt::format("byte {} of {} is {:#x}, not zero", b, at.Name(), bytes[b]);
        return false;
      }
      if (slot.bytes[b] == StackByte::kSpill) ++spilled;
      if (slot.bytes[b] > StackByte::kSpill) {
        *why = at.Name() + " holds what the audit does not know";
        return false;
      }
    }
    if (!slot.IsSpill()) continue;
    uint64_t value;
    std::memcpy(&value, bytes, sizeof value);
    if (spilled < 8) {
      value &= (uint64_t{1} << 8 * spilled) - 1;
      if (!slot.reg.IsScalar()) return at.Differs(value, "a part of a pointer", why);
      // Of a number that needs more bytes, these are the lowest.
      Register low = slot.reg;
      low.var = low.var.Truncate(8 * spilled);
      if (!low.var.Contains(value)) return at.NotIn(value, why);
      continue;
    }
    if (slot.reg.IsScalar()) {
      if (!CheckScalar(slot.reg, value, at, why)) return false;
      continue;
    }
    Origin* origin = SlotAt(address);
    if (!CheckPointer(slot.reg, value, *origin, at, why)) return false;
  }
  return true;
}

bool Audit::CheckLinked(const Linked& entry, const Place& at, std::string* why) {
  for (const Linked& other : linked_) {
    if (other.id != entry.id || other.kind != entry.kind) continue;
    const bool low = other.low || entry.low;
    const bool same = low ? static_cast<uint32_t>(other.value) == static_cast<uint32_t>(entry.value)
                          : other.value == entry.value;
    if (!same) {
      *why = fmt::format("{} and another value share id {}, but are {:#x} and {:#x}", at.Name(),
                         entry.id, entry.value, other.value);
    }
    return same;
  }
  linked_.push_back(entry);
  return true;
}

bool Audit::CheckScalar(const Register& r, uint64_t value, const Place& at, std::string* why) {
  if (!r.var.Contains(value)) return at.NotIn(value, why);
  if (r.id == 0) return true;
  // Without a delta `off` is 0.
  const bool low = (r.id & verifier::kLinkedLow) != 0;
  const bool delta = (r.id & verifier::kLinkedByDelta) != 0;
  const uint64_t common = value - (delta ? static_cast<uint64_t>(int64_t{r.off}) : 0);
  return CheckLinked({r.id & ~verifier::kLinkedByDelta, RegKind::kScalar, low, common}, at, why);
}

bool Audit::IsMapOf(const Register& r, const Map* map) const {
  if (map == nullptr) return false;
  if (r.map < program_->maps.size()) return map == program_->maps[r.map].get();
  const MapSpec& spec = lockstep_.map(r.map);
  return map->type() == spec.type && map->spec().key_size == spec.key_size &&
         map->spec().value_size == spec.value_size;
}

bool Audit::CheckPointer(const Register& r, uint64_t value, Origin& origin, const Place& at,
                         std::string* why) {
  if (r.MaybeNull()) {
    if (r.id != 0 && !CheckLinked({r.id, r.kind, false, value == 0 ? 1u : 0u}, at, why)) {
      return false;
    }
    if (value == 0) return true;
  }
  const bool is_inner_map = r.kind == RegKind::kMapValue && origin.kind == RegKind::kMapPointer &&
                            lockstep_.map(r.map).inner != nullptr;
  if (is_inner_map) return true;
  if (origin.kind != r.kind) return at.NotIn(value, why);
  if (r.kind == RegKind::kFunction) return true;  // Resolve compared the value
  if (r.kind == RegKind::kMapValue || r.kind == RegKind::kMapPointer) {
    if (!IsMapOf(r, origin.map)) return at.Differs(value, "of another map", why);
  }
  if (r.kind == RegKind::kMemory && origin.size < r.size) {
    return at.Differs(value, fmt::format("of {} bytes, not {}", origin.size, r.size), why);
  }
  if (r.kind == RegKind::kStack) {
    const bool current = r.frame == callers_.size() - roots_.back();
    const uint64_t top = current ? now_.value[10] : callers_[roots_.back() + r.frame].value[10];
    if (origin.base != top) return at.Differs(value, "in another frame", why);
  }
  const uint64_t variable = value - origin.base - static_cast<uint64_t>(int64_t{r.off});
  if (!r.var.Contains(variable)) return at.NotIn(value, why);
  if (!r.IsPacket()) return true;
  if (r.id != 0 && !CheckLinked({r.id, r.kind, false, variable}, at, why)) return false;
  std::string range;
  if (CheckPacketRange(r, value, &range)) return true;
  return at.Differs(value, range, why);
}

// `range` bytes behind the variable part are there; or the pointer is at the end.
bool Audit::CheckPacketRange(const Register& r, uint64_t value, std::string* why) const {
  const CheckedMemory::PacketExtent packet = memory_->packet();
  const uint64_t end = r.kind == RegKind::kPacket ? packet.end : packet.data;
  if (r.range == verifier::kAtPacketEnd || r.range == verifier::kBeyondPacketEnd) {
    const uint64_t least = end + (r.range == verifier::kBeyondPacketEnd ? 1 : 0);
    *why = "which is not at the end of the packet";
    return value >= least;
  }
  const uint64_t base = value - static_cast<uint64_t>(int64_t{r.off});
  *why = fmt::format("and {} bytes are not there", r.range);
  return r.range == 0 || (base <= end && end - base >= static_cast<uint64_t>(r.range));
}

const Map* Audit::MapOf(const Register& r, uint64_t value) const {
  const auto holds = [&](const Map* map) {
    return map->ElementAt(reinterpret_cast<const std::byte*>(value)).has_value();
  };
  if (r.map < program_->maps.size()) {
    const Map* map = program_->maps[r.map].get();
    return holds(map) ? map : nullptr;
  }
  for (const Map* map : memory_->inner_maps()) {
    if (IsMapOf(r, map) && holds(map)) return map;
  }
  return nullptr;
}

Audit::Origin Audit::Resolve(const Register& r, uint64_t value) const {
  const CheckedMemory::PacketExtent packet = memory_->packet();
  switch (r.kind) {
    case RegKind::kContext:
      return {r.kind, nullptr, memory_->context(), memory_->context_size()};
    case RegKind::kMapPointer: {
      const Map* map = memory_->FindMap(value);
      return map != nullptr ? Origin{r.kind, map, value, 0} : Origin{};
    }
    case RegKind::kMapValue: {
      if (lockstep_.map(r.map).inner != nullptr) {
        const Map* map = memory_->FindMap(value);
        return map != nullptr ? Origin{RegKind::kMapPointer, map, value, 0} : Origin{};
      }
      const Map* map = MapOf(r, value);
      if (map == nullptr) return {};
      const auto element = map->ElementAt(reinterpret_cast<const std::byte*>(value));
      return {r.kind, map, reinterpret_cast<uintptr_t>(element->begin), element->size};
    }
    case RegKind::kPacket:
      return {r.kind, nullptr, packet.data, packet.end - packet.data};
    case RegKind::kPacketMeta:
      return {r.kind, nullptr, packet.meta, packet.data - packet.meta};
    case RegKind::kPacketEnd:
      return {r.kind, nullptr, packet.end, 0};
    case RegKind::kMemory: {
      const uint64_t record = memory_->RecordSize(value);
      if (record != 0) return {r.kind, nullptr, value, record};
      if (program_->type != ProgramTypeId::kMemory) return {};
      return {r.kind, nullptr, memory_->context(), memory_->context_size()};
    }
    case RegKind::kFunction: {
      const auto& subs = program_->subprograms;
      const bool same = r.subprogram < subs.size() &&
                        value == model::ExecProgram::FunctionValue(subs[r.subprogram].start);
      return same ? Origin{r.kind, nullptr, value, 0} : Origin{};
    }
    case RegKind::kNotInit:
    case RegKind::kScalar:
    case RegKind::kStack:
    case RegKind::kMapKey:
    case RegKind::kFlowKeys:
    case RegKind::kSocket:
    case RegKind::kSockCommon:
    case RegKind::kTcpSock:
    case RegKind::kXdpSock:
    case RegKind::kTracingBuffer:
    case RegKind::kBuffer:
    case RegKind::kBtfId:
    case RegKind::kArena:
    case RegKind::kDynptr:
    case RegKind::kIterator:
      return {};  // nothing that runs makes one of these
  }
  return {};
}

bool Audit::CheckFacts(uint32_t slot, std::string* why) const {
  const InsnFact& fact = lockstep_.facts().insns[slot];
  const DecodedInsn& insn = lockstep_.insn(slot);
  const OpInfo& op = Info(insn.op);
  if (!fact.reached) {
    *why = "fact: the instruction is never reached";
    return false;
  }
  if (fact.nonzero_divisor) {
    uint64_t divisor = UsesSrcRegister(op.operands) ? now_.value[insn.src]
                                                    : static_cast<uint64_t>(int64_t{insn.imm});
    if (op.width == 32) divisor = static_cast<uint32_t>(divisor);
    if (divisor == 0) {
      *why = "fact: the divisor is not zero";
      return false;
    }
  }
  if (op.kind == OpKind::kCallHelper) {
    for (size_t i = 1; fact.map != model::kNoMap && i <= 5; ++i) {
      const Origin& origin = now_.origin[i];
      if (origin.kind != RegKind::kMapPointer) continue;
      *why = fmt::format("fact: map {} is what the helper gets", fact.map);
      if (origin.map != program_->maps[fact.map].get()) return false;
    }
    if (fact.constant_index != model::kUnknownIndex &&
        static_cast<uint32_t>(now_.value[3]) != fact.constant_index) {
      *why = fmt::format("fact: the tail call's slot is {}", fact.constant_index);
      return false;
    }
  }
  return CheckAccessFact(slot, insn, why);
}

bool Audit::CheckAccessFact(uint32_t slot, const DecodedInsn& insn, std::string* why) const {
  const OpInfo& op = Info(insn.op);
  const OpClass c = ClassOf(op.kind);
  if (c != OpClass::kLoad && c != OpClass::kStore && c != OpClass::kAtomic) return true;
  const uint8_t base = c == OpClass::kLoad ? insn.src : insn.dst;
  const Origin& origin = now_.origin[base];
  const InsnFact& fact = lockstep_.facts().insns[slot];
  AccessKind is = AccessKind::kMixed;
  if (origin.kind == RegKind::kStack) is = AccessKind::kStack;
  if (origin.kind == RegKind::kContext) is = AccessKind::kContext;
  if (origin.kind == RegKind::kMapValue) is = AccessKind::kMapValue;
  if (origin.kind == RegKind::kMemory) is = AccessKind::kMemory;
  if (origin.kind == RegKind::kPacket || origin.kind == RegKind::kPacketMeta) {
    is = AccessKind::kPacket;
  }
  const bool fits =
      fact.access == AccessKind::kMixed ? is != AccessKind::kContext : is == fact.access;
  if (!fits) {
    *why = fmt::format("fact: r{} points to memory of kind {}, found kind {}", base,
                       static_cast<int>(fact.access), static_cast<int>(is));
    return false;
  }
  const int64_t off = static_cast<int64_t>(now_.value[base] - origin.base) + insn.off;
  if (is == AccessKind::kContext && program_->program_type->fields.empty() &&
      off + op.width / 8 > int64_t{lockstep_.facts().context_bytes}) {
    *why = fmt::format("fact: {} bytes of the context are used", lockstep_.facts().context_bytes);
    return false;
  }
  if (is == AccessKind::kStack && origin.base == now_.value[10]) {
    const uint32_t depth = lockstep_.facts().subprograms[lockstep_.SubprogramAt(slot)].stack_depth;
    if (off < -int64_t{depth}) {
      *why = fmt::format("fact: {} bytes of stack are used", depth);
      return false;
    }
  }
  return true;
}

// The conditional jump at last_ led to `slot`.
bool Audit::CheckBranchFact(uint32_t slot, std::string* why) const {
  const DecodedInsn& insn = lockstep_.insn(last_);
  const OpInfo& op = Info(insn.op);
  if (ClassOf(op.kind) != OpClass::kBranch) return true;
  const InsnFact& fact = lockstep_.facts().insns[last_];
  const auto target = static_cast<uint32_t>(TargetOf(insn, last_));
  if (target == last_ + 1) return true;
  if (fact.never_taken && slot == target) {
    *why = "fact: the jump is never taken";
    return false;
  }
  if (fact.never_falls_through && slot == last_ + 1) {
    *why = "fact: the jump is always taken";
    return false;
  }
  return true;
}

bool Audit::CheckResultFact(std::string* why) const {
  const InsnFact& fact = lockstep_.facts().insns[last_];
  if (!fact.lookup_not_null || now_.value[10] != before_.value[10]) return true;
  *why = "fact: the lookup gives no null";
  return now_.value[0] != 0;
}

}  // namespace skep
