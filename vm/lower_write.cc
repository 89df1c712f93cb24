// SPDX-License-Identifier: Apache-2.0
// What instructions become: helper ids and map references are addresses, accesses
// to the context are accesses to the host's structure.
#include <algorithm>
#include <utility>

#include "skep/helper_control.h"

#include "base/check.h"
#include "helpers/helper_table.h"
#include "helpers/kfunc_table.h"
#include "vm/lowering.h"
#include "vm/program_types.h"
#include "vm/value_types.h"

namespace skep {

Result<void> Lowering::Write() {
  for (size_t slot = 0; slot < code_.size(); ++slot) {
    if (IsSecondSlot(slot)) continue;
    if (StartsCount(slot)) {
      Emit(slot,
           ExecInsn{.op = Op::kMayGoto,
                    .off = CountOffset(SubprogramOf(slot)),
                    .imm = model::kMayGotoStarts,
                    .target = place_[slot]},
           InsnFact{.reached = true});
    }
    if (StandsForUncalled(slot)) {
      Emit(slot, ExecInsn{.op = Op::kMov64Imm, .dst = 0}, InsnFact{.reached = true});
      Emit(slot, ExecInsn{.op = Op::kExit}, InsnFact{.reached = true});
    }
    if (!Reached(slot) || NeverTaken(slot)) continue;
    if (IsPacketLoad(slot)) {
      WritePacketLoad(slot);
      continue;
    }
    if (IsGuardedLoad(slot)) {
      WriteGuardedLoad(slot);
      continue;
    }
    if (Info(code_[slot].op).kind == OpKind::kCallKfunc) {
      WriteKfunc(slot);
      continue;
    }
    if (TakesProgram(slot)) {
      ExecInsn load{.op = Op::kLdImm64, .dst = 3};
      load.set_wide(reinterpret_cast<uintptr_t>(out_->handle.get()));
      Emit(slot, load, InsnFact{.reached = true});
    }
    ExecInsn insn;
    insn.op = code_[slot].op;
    insn.dst = code_[slot].dst;
    insn.src = code_[slot].src;
    insn.off = code_[slot].off;
    insn.imm = code_[slot].imm;
    SKEP_TRY_VOID(Resolve(slot, insn));
    Emit(slot, insn, facts_ != nullptr ? facts_->insns[slot] : InsnFact{});
  }
  if (out_->insns.empty()) return Refuse(ErrorCode::kInvalidArgument, 0, "nothing is reached");
  return {};
}

void Lowering::Emit(size_t slot, const ExecInsn& insn, const InsnFact& fact) {
  out_->insns.push_back(insn);
  out_->origin.push_back(static_cast<uint32_t>(slot));
  if (facts_ != nullptr) out_->facts.push_back(fact);
}

void Lowering::WritePacketLoad(size_t slot) {
  const DecodedInsn& from = code_[slot];
  const OpInfo& info = Info(from.op);
  const InsnFact plain{.reached = true};
  const auto emit = [&](Op op, uint8_t dst, uint8_t src, int32_t imm, uint32_t target = 0) {
    Emit(slot, ExecInsn{.op = op, .dst = dst, .src = src, .imm = imm, .target = target}, plain);
  };
  if (info.kind == OpKind::kLoadPacketInd) {
    emit(Op::kMov64Reg, 2, from.src, 0);
    emit(Op::kAdd32Imm, 2, 0, from.imm);
  } else {
    emit(Op::kMov64Imm, 2, 0, 0);
    emit(Op::kAdd32Imm, 2, 0, from.imm);
  }
  emit(Op::kMov64Reg, 1, 6, 0);
  const size_t helper =
      input_.environment->helpers.size() + static_cast<size_t>(__builtin_ctz(info.width / 8u));
  emit(Op::kCallHelper, 0, 0, static_cast<int32_t>(helper * sizeof(model::HelperEntry)));
  const auto next = place_[slot] + kPacketLoadSize;
  emit(Op::kJSGe64Imm, 0, 0, 0, next);
  emit(Op::kMov32Imm, 0, 0, 0);
  emit(Op::kExit, 0, 0, 0);
}

void Lowering::WriteGuardedLoad(size_t slot) {
  const size_t helper = GuardedLoadStart() + GuardedLoadIndex(Info(code_[slot].op).width);
  const auto stack = static_cast<int16_t>(-static_cast<int32_t>(OwnStack(SubprogramOf(slot))));
  const auto entry = static_cast<int32_t>(helper * sizeof(model::HelperEntry));
  for (const ExecInsn& insn : GuardedLoad(code_[slot], stack, entry)) {
    const OpClass kind = ClassOf(insn.op);
    const bool memory = kind == OpClass::kLoad || kind == OpClass::kStore;
    Emit(slot, insn,
         InsnFact{.reached = true, .access = memory ? AccessKind::kStack : AccessKind::kNone});
  }
}

void Lowering::WriteKfunc(size_t slot) {
  const model::KfuncSpec& spec = *KfuncAt(slot);
  const InsnFact& fact = *FactAt(slot);
  if (IsCast(spec)) {
    Emit(slot, ExecInsn{.op = Op::kMov64Reg, .dst = 0, .src = 1}, fact);
    return;
  }
  if (const int reg = spec.InfoRegister(); reg != 0) {
    auto info = std::make_unique<model::KfuncCallInfo>();
    info->program = out_.get();
    info->btf = program_.data().btf;
    info->object_type = fact.object_type == model::kMixedType ? 0 : fact.object_type;
    if (info->object_type != 0 && info->btf != nullptr) {
      info->type = ReadObjectType(*info->btf, info->object_type);
    }
    ExecInsn load{.op = Op::kLdImm64, .dst = static_cast<uint8_t>(reg)};
    load.set_wide(reinterpret_cast<uintptr_t>(info.get()));
    Emit(slot, load, InsnFact{.reached = true});
    out_->kfunc_calls.push_back(std::move(info));
  }
  const size_t helper = InlinedLoopIndex() + 1 + *FindRunningKfunc(spec.id);
  Emit(slot,
       ExecInsn{.op = Op::kCallHelper,
                .imm = static_cast<int32_t>(helper * sizeof(model::HelperEntry))},
       fact);
}

Result<void> Lowering::Resolve(size_t slot, ExecInsn& insn) {
  const DecodedInsn& from = code_[slot];
  const OpInfo& info = Info(from.op);
  if (AlwaysTaken(slot)) {
    insn = ExecInsn{};
    insn.op = Op::kJa;
    insn.target = place_[static_cast<size_t>(TargetOf(from, slot))];
    return {};
  }
  if (info.kind == OpKind::kCallLocal) {
    insn.target = EntryAt(static_cast<size_t>(TargetOf(from, slot)));
    insn.off = 0;
    return {};
  }
  if (info.Has(kBranches)) {
    insn.target = place_[static_cast<size_t>(TargetOf(from, slot))];
    insn.off = 0;
    if (info.kind == OpKind::kMayGoto && trust_ == Trust::kVerified) {
      insn.off = CountOffset(SubprogramOf(slot));
    }
    if (from.op == Op::kJa32) {
      insn.op = Op::kJa;
      insn.imm = 0;
    }
    return {};
  }
  if (info.kind == OpKind::kCallHelper) return ResolveHelper(slot, insn);
  if (ClassOf(from.op) == OpClass::kWideLoad) return ResolveWide(slot, insn);
  if (info.kind == OpKind::kAddrSpaceCast) return ResolveCast(insn);
  if (FactAt(slot) == nullptr) return {};
  if (FactAt(slot)->access == AccessKind::kArena) {
    // Linux computes with 32 bits, as pointers into the arena have no more.
    const bool computes = ClassOf(from.op) == OpClass::kAlu;
    if (computes && info.width == 64) {
      insn.op = FindOp(info.kind, 32, info.operands);
      SKEP_CHECK(insn.op != Op::kInvalid);
    }
    if (!computes) insn.in_arena = 1;
    return {};
  }
  if (FactAt(slot)->access == AccessKind::kContext) return ResolveContext(insn);
  if (FactAt(slot)->access == AccessKind::kKernel) {
    return Refuse(ErrorCode::kUnsupported, slot,
                  "a socket or the like of the kernel is accessed, which can be verified but not "
                  "run here");
  }
  if (FactAt(slot)->access == AccessKind::kObject) {
    return Refuse(ErrorCode::kUnsupported, slot,
                  "an object of the kernel is written, which can be verified but not run here");
  }
  return {};
}

Result<void> Lowering::ResolveCast(ExecInsn& insn) const {
  constexpr int32_t kToPointer = 1;
  insn.off = 0;
  if (insn.imm == kToPointer || out_->arena->keeps_low_pointers) {
    insn.op = Op::kMov32Reg;
    insn.imm = 0;
  } else {
    insn.set_wide(out_->arena->upper);
  }
  return {};
}

Result<void> Lowering::ResolveHelper(size_t slot, ExecInsn& insn) const {
  const auto id = static_cast<uint32_t>(insn.imm);
  const HelperSpec* spec =
      FindHelper(input_.environment->helpers, id,
                 ProgramClassOf(program_.type(), program_.data().expected_attach_type));
  if (spec == nullptr) {
    return Refuse(ErrorCode::kInvalidArgument, slot,
                  fmt::format("program of this type cannot use helper {}", id));
  }
  if (const InsnFact* fact = FactAt(slot); fact != nullptr && fact->callback != 0) {
    insn.target = EntryAt(program_.subprograms()[fact->callback].start);
    insn.imm = static_cast<int32_t>(InlinedLoopIndex() * sizeof(model::HelperEntry));
    return {};
  }
  const auto index = static_cast<size_t>(spec - input_.environment->helpers.data());
  if ((spec->flags & kHelperForbidden) != 0) {
    return Refuse(ErrorCode::kInvalidArgument, slot,
                  fmt::format("helper {}#{} is forbidden by the host", spec->name, id));
  }
  if (input_.helpers[index].function == nullptr && id != model::kHelperTailCall) {
    return Refuse(
        ErrorCode::kUnsupported, slot,
        fmt::format("helper {}#{} can be verified but this build cannot run it", spec->name, id));
  }
  if (trust_ == Trust::kChecked && (spec->flags & kHelperAnyMemory) != 0) {
    return Refuse(ErrorCode::kUnsupported, slot,
                  fmt::format("helper {}#{} reaches any memory of the host, which unverified "
                              "code may not",
                              spec->name, id));
  }
  if (trust_ == Trust::kChecked && TakesMadeObject(*spec)) {
    return Refuse(ErrorCode::kUnsupported, slot,
                  fmt::format("helper {}#{} takes what only a verified program can be trusted "
                              "with: a lock, a timer, a dynptr or an owned object",
                              spec->name, id));
  }
  insn.imm = static_cast<int32_t>(index * sizeof(model::HelperEntry));
  return {};
}

bool Lowering::TakesMadeObject(const HelperSpec& spec) {
  return std::any_of(spec.args.begin(), spec.args.end(), [](const ArgSpec& arg) {
    return arg.kind == ArgKind::kSpinLock || arg.kind == ArgKind::kTimer ||
           arg.kind == ArgKind::kKptr || arg.kind == ArgKind::kDynptr ||
           arg.kind == ArgKind::kPercpuBtfId;
  });
}

Result<void> Lowering::ResolveWide(size_t slot, ExecInsn& insn) const {
  const DecodedInsn& from = code_[slot];
  const OpKind kind = Info(from.op).kind;
  insn.src = 0;
  insn.op = Op::kLdImm64;
  if (kind == OpKind::kLoadImm) {
    insn.set_wide(static_cast<uint64_t>(from.imm64));
    return {};
  }
  if (kind == OpKind::kLoadFunc) {
    // Engines make the value that their ExecutionContext::Call takes.
    insn.op = from.op;
    insn.imm = 0;
    insn.target = EntryAt(static_cast<size_t>(TargetOf(from, slot)));
    return {};
  }
  const bool map = kind == OpKind::kLoadMapFd || kind == OpKind::kLoadMapIdx;
  const bool value = kind == OpKind::kLoadMapValue || kind == OpKind::kLoadMapIdxValue;
  if (!map && !value) {
    return Refuse(ErrorCode::kUnsupported, slot,
                  fmt::format("{} cannot be run by this build", Info(from.op).name));
  }
  const auto index = static_cast<uint32_t>(from.imm);
  if (index >= input_.maps.size()) {
    return Refuse(ErrorCode::kInvalidArgument, slot,
                  fmt::format("map index {}, the program has {} maps", index, input_.maps.size()));
  }
  Map* instance = input_.maps[index].get();
  if (map) {
    insn.set_wide(reinterpret_cast<uintptr_t>(instance));  // programs hold it as a number
    return {};
  }
  if (const model::ArenaView* arena = instance->arena(); arena != nullptr) {
    insn.set_wide(arena->start + from.imm_high());
    return {};
  }
  const DirectView view = instance->direct_view();
  if (view.base == nullptr || view.cpu_stride != 0 ||
      from.imm_high() >= uint64_t{instance->spec().value_size}) {
    return Refuse(
        ErrorCode::kInvalidArgument, slot,
        fmt::format("map '{}' has no value at offset {}", instance->spec().name, from.imm_high()));
  }
  insn.set_wide(reinterpret_cast<uintptr_t>(view.base) + from.imm_high());
  return {};
}

Result<void> Lowering::ResolveContext(ExecInsn& insn) const {
  const ProgramType& type = *out_->program_type;
  if (type.fields.empty()) return {};
  const OpInfo& info = Info(insn.op);
  const uint32_t bytes = info.width / 8u;
  const HostAccess host = LowerContextAccess(type, static_cast<uint16_t>(insn.off), bytes);
  insn.off = static_cast<int16_t>(host.offset);
  if (host.bytes != bytes) {
    insn.op = FindOp(info.kind, host.bytes * 8, info.operands);
    SKEP_CHECK(insn.op != Op::kInvalid);
  }
  return {};
}

void Lowering::WriteSubprograms() {
  const auto subprograms = program_.subprograms();
  for (size_t i = 0; i < subprograms.size(); ++i) {
    model::ExecSubprogram sub;
    sub.name = subprograms[i].name;
    sub.start = EntryAt(subprograms[i].start);
    sub.end = subprograms[i].end == code_.size() ? place_.back() : EntryAt(subprograms[i].end);
    if (sub.start == sub.end) continue;
    if (facts_ != nullptr) {
      sub.stack_depth = OwnStack(i) + (counts_rounds_[i] ? model::kMayGotoBytes : 0);
      sub.tail_call_reachable = facts_->subprograms[i].tail_call_reachable;
    } else {
      sub.stack_depth = model::kFrameBytes;
      sub.tail_call_reachable = true;
    }
    out_->subprograms.push_back(std::move(sub));
  }
  if (facts_ != nullptr && facts_->exception_callback != 0) {
    out_->exception_callback = EntryAt(subprograms[facts_->exception_callback].start);
  }
}

}  // namespace skep
