// SPDX-License-Identifier: Apache-2.0
// What the run does, and what its values come from. The checks are in
// audit_checks.cc.
#include "vm/audit.h"

#include <algorithm>
#include <utility>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "isa/disasm.h"
#include "model/execution_layout.h"
#include "model/helper_entry.h"

namespace skep {
namespace {

constexpr uint64_t kSlotBytes = 8;
constexpr size_t kSlots = model::kMaxFrames * model::kFrameBytes / kSlotBytes;
constexpr size_t kSlotsPerFrame = model::kFrameBytes / kSlotBytes;

}  // namespace

Audit::Audit(const Program& program, const Environment& environment, const VerifyOptions& options)
    : lockstep_(program, environment, options), slots_(kSlots) {}

void Audit::Attach(ExecutionContext& context) {
  model::ExecutionLayout::extras(context).observer = this;
}

void Audit::Detach(ExecutionContext& context) {
  model::ExecutionLayout::extras(context).observer = nullptr;
}

uint64_t Audit::NextRandom() {
  random_ = random_ * 6364136223846793005 + 1442695040888963407;
  return random_ >> 33;
}

bool Audit::Violate(uint32_t slot, std::string message) {
  watching_ = false;
  if (violation_) return false;
  AuditViolation v;
  v.insn = slot;
  if (lockstep_.IsInstruction(slot)) v.instruction = Disassemble(lockstep_.insn(slot));
  v.message = std::move(message);
  v.state = lockstep_.StateText();
  violation_ = std::move(v);
  return false;
}

void Audit::AddTrap(uint32_t insn, std::string message) {
  Violate(insn, "the checked engine stopped the run: " + std::move(message));
}

void Audit::Start(const model::ExecProgram& program, const CheckedMemory& memory,
                  const ExecutionContext&) {
  program_ = &program;
  memory_ = &memory;
  callers_.clear();
  roots_.assign(1, 0);
  std::fill(slots_.begin(), slots_.end(), Origin{});
  top_ = memory.stack_top();
  has_last_ = false;
  watching_ = true;
  NextRandom();
}

bool Audit::At(uint32_t slot, const uint64_t* r) {
  if (!watching_) return !violation_.has_value();
  if (has_last_) {
    Track(r);
  } else {
    now_ = Registers{};
    std::copy_n(r, now_.value.size(), now_.value.begin());
    now_.origin[10] = {RegKind::kStack, nullptr, r[10], model::kFrameBytes};
    fresh_ = 0x3e;
    if (!lockstep_.Begin(*this)) return Violate(slot, lockstep_.failure());
  }
  ++checked_insns_;
  std::string why;
  if (has_last_ && !(CheckBranchFact(slot, &why) && CheckResultFact(&why))) {
    return Violate(last_, std::move(why));
  }
  if (!lockstep_.At(slot, *this)) return Violate(slot, lockstep_.failure());
  if (!CheckFacts(slot, &why)) return Violate(slot, std::move(why));
  last_ = slot;
  has_last_ = true;
  before_ = now_;
  return true;
}

void Audit::End(const uint64_t*) {
  if (!watching_ || !has_last_) return;
  if (!lockstep_.End()) Violate(last_, lockstep_.failure());
}

Audit::Origin* Audit::SlotAt(uint64_t address) {
  const uint64_t low = top_ - kSlots * kSlotBytes;
  if (address < low || address >= top_) return nullptr;
  return &slots_[(top_ - 1 - address) / kSlotBytes];
}

void Audit::MarkFresh(int reg) {
  now_.origin[static_cast<size_t>(reg)] = Origin{};
  fresh_ = static_cast<uint16_t>(fresh_ | 1u << reg);
}

// before_ is what the instruction at last_ worked on.
void Audit::Track(const uint64_t* r) {
  const DecodedInsn& insn = lockstep_.insn(last_);
  const OpInfo& op = Info(insn.op);
  fresh_ = 0;
  std::copy_n(r, now_.value.size(), now_.value.begin());
  if (r[10] != before_.value[10]) return TrackFrame(insn, r[10]);
  const auto address = [&](uint8_t base) {
    return before_.value[base] + static_cast<uint64_t>(int64_t{insn.off});
  };
  switch (ClassOf(op.kind)) {
    case OpClass::kAlu:
      return TrackAlu(insn);
    case OpClass::kLoad:
      return TrackLoad(insn);
    case OpClass::kStore: {
      const bool whole = op.width == 64 && op.operands == Operands::kMemSrc;
      return TrackStore(address(insn.dst), op.width / 8u,
                        whole ? before_.origin[insn.src] : Origin{});
    }
    case OpClass::kAtomic: {
      const Origin* slot = SlotAt(address(insn.dst));
      const bool whole = slot != nullptr && op.width == 64 && address(insn.dst) % kSlotBytes == 0;
      const Origin loaded = whole ? *slot : Origin{};
      TrackStore(address(insn.dst), op.width / 8u, Origin{});
      if (op.Has(kWritesSrc)) now_.origin[insn.src] = loaded;
      if (op.Has(kWritesR0)) now_.origin[0] = loaded;
      return;
    }
    case OpClass::kWideLoad:
      return MarkFresh(insn.dst);
    case OpClass::kCall:
    case OpClass::kPacketLoad:
      for (size_t i = 0; i <= 5; ++i) now_.origin[i] = Origin{};
      return MarkFresh(0);
    case OpClass::kCast:
    case OpClass::kJump:
    case OpClass::kBranch:
    case OpClass::kMayGoto:
    case OpClass::kExit:
      return;
  }
}

// A function was entered or left.
void Audit::TrackFrame(const DecodedInsn& last, uint64_t r10) {
  if (r10 < before_.value[10]) {
    callers_.push_back(before_);
    now_.origin = {};
    now_.origin[10] = {RegKind::kStack, nullptr, r10, model::kFrameBytes};
    const bool by_helper = Info(last.op).kind == OpKind::kCallHelper;
    callers_.back().calls_helper = by_helper;
    for (size_t i = 1; i <= 5; ++i) {
      if (!by_helper) now_.origin[i] = before_.origin[i];
      // A helper passes on some of what it was given.
      for (size_t j = 1; by_helper && j <= 5; ++j) {
        if (before_.origin[j].IsPointer() && before_.value[j] == now_.value[i]) {
          now_.origin[i] = before_.origin[j];
        }
      }
    }
    const size_t first = (top_ - r10) / kSlotBytes;
    for (size_t i = first; i < first + kSlotsPerFrame && i < slots_.size(); ++i) {
      slots_[i] = Origin{};
    }
    return;
  }
  if (callers_.empty()) return;  // the step is refused for its depth
  const Registers caller = callers_.back();
  callers_.pop_back();
  const Origin result = before_.origin[0];
  now_.origin = caller.origin;
  if (caller.calls_helper) return;  // its next round, or its end
  for (size_t i = 1; i <= 5; ++i) now_.origin[i] = Origin{};
  now_.origin[0] = result;
}

void Audit::TrackAlu(const DecodedInsn& insn) {
  const OpInfo& op = Info(insn.op);
  Origin& dst = now_.origin[insn.dst];
  const bool has_src = UsesSrcRegister(op.operands);
  const Origin src = has_src ? before_.origin[insn.src] : Origin{};
  if (op.width == 64 && op.kind == OpKind::kMov) {
    dst = src;
  } else if (op.width == 64 && op.kind == OpKind::kAdd) {
    if (dst.IsPointer() == src.IsPointer()) {
      dst = Origin{};
    } else if (src.IsPointer()) {
      dst = src;
    }
  } else if (op.width != 64 || op.kind != OpKind::kSub || src.IsPointer()) {
    dst = Origin{};
  }
}

void Audit::TrackLoad(const DecodedInsn& insn) {
  const uint64_t address = before_.value[insn.src] + static_cast<uint64_t>(int64_t{insn.off});
  if (memory_->context() != 0 && before_.origin[insn.src].kind == RegKind::kContext) {
    return MarkFresh(insn.dst);
  }
  now_.origin[insn.dst] = Origin{};
  const bool whole = Info(insn.op).width == 64 && address % kSlotBytes == 0;
  if (const Origin* slot = SlotAt(address); slot != nullptr && whole) {
    now_.origin[insn.dst] = *slot;
  }
}

void Audit::TrackStore(uint64_t address, uint32_t bytes, const Origin& stored) {
  for (const uint64_t a : {address, address + bytes - 1}) {
    if (Origin* slot = SlotAt(a)) *slot = Origin{};
  }
  if (!stored.IsPointer() || address % kSlotBytes != 0) return;
  if (Origin* slot = SlotAt(address)) *slot = stored;
}

// The function was verified for what its prototype says, whatever it is given.
void Audit::EnterGlobal(const State& entry) {
  roots_.push_back(callers_.size());
  for (size_t i = 1; i <= 5; ++i) {
    const Register& r = entry.frames[0]->regs[i];
    const uint64_t value = now_.value[i];
    if (r.kind == RegKind::kContext) continue;
    now_.origin[i] = Origin{};
    if (r.kind != RegKind::kMemory || value == 0) continue;
    if (memory_->CheckRange(value, r.size, false)) {
      now_.origin[i] = {RegKind::kMemory, nullptr, value, r.size};
    }
  }
}

void Audit::LeaveGlobal() { roots_.pop_back(); }

}  // namespace skep
