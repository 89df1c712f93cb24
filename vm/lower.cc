// SPDX-License-Identifier: Apache-2.0
// Lowering walks the instructions once to place them (dropping what is never
// reached), and once more to write them with resolved targets.
#include "vm/lower.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "skep/helper_control.h"

#include "base/check.h"
#include "btf/btf.h"
#include "helpers/helper_table.h"
#include "helpers/kfunc_table.h"
#include "isa/decode.h"
#include "isa/op.h"
#include "model/execution_layout.h"
#include "model/facts.h"
#include "model/kfuncs.h"
#include "model/may_goto.h"
#include "model/value_type.h"
#include "vm/packet_load.h"
#include "vm/program_types.h"
#include "vm/value_types.h"

namespace skep {
namespace {

using model::AccessKind;
using model::ExecInsn;
using model::ExecProgram;
using model::InsnFact;

constexpr uint32_t kDropped = 0xffffffff;
constexpr uint32_t kPacketLoadSize = 7;  // instructions of WritePacketLoad

enum class Trust : uint8_t { kVerified, kChecked, kVouched };

class Lowering {
 public:
  // `memory_size`: what the verifier took for granted of a kMemory program.
  Lowering(const Program& program, const LowerInput& input, const model::Facts* facts, Trust trust,
           uint32_t memory_size = 0, Rights rights = Rights::kBpf)
      : program_(program),
        input_(input),
        facts_(facts),
        trust_(trust),
        memory_size_(memory_size),
        rights_(rights) {}

  Result<ExecPtr> Run() {
    out_ = std::make_shared<ExecProgram>();
    SKEP_TRY_VOID(Prepare());
    SKEP_TRY_VOID(CheckFlow());
    Place();
    SKEP_TRY_VOID(Write());
    WriteSubprograms();
    return ExecPtr(std::move(out_));
  }

 private:
  const InsnFact* FactAt(size_t slot) const {
    return facts_ != nullptr ? &facts_->insns[slot] : nullptr;
  }
  bool Reached(size_t slot) const { return facts_ == nullptr || facts_->insns[slot].reached; }
  bool IsSecondSlot(size_t slot) const { return code_[slot].op == Op::kInvalid; }

  Error Refuse(ErrorCode code, size_t slot, std::string message) const {
    return Error{code, fmt::format("{}: instruction {}: {}", program_.name(), slot, message), 22};
  }

  Result<void> Prepare() {
    DecodedProgram decoded = DecodeProgram(program_.insns());
    if (!decoded) {
      return Refuse(ErrorCode::kInvalidArgument, decoded.error.at, Message(decoded.error));
    }
    code_ = std::move(decoded.insns);
    if (facts_ != nullptr) SKEP_CHECK(facts_->insns.size() == code_.size());
    SKEP_CHECK(input_.maps.size() == program_.maps().size());
    out_->name = program_.name();
    out_->type = program_.type();
    out_->program_type =
        input_.environment->FindProgramType(program_.type(), program_.data().expected_attach_type);
    if (out_->program_type == nullptr) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("{}: program type {} is not one of this build", program_.name(),
                               static_cast<uint32_t>(program_.type())),
                   22};
    }
    if (out_->program_type->host == HostContext::kNone) {
      return Error{
          ErrorCode::kUnsupported,
          fmt::format("{}: nothing in a process runs programs of type {}; they can only be "
                      "verified",
                      program_.name(), out_->program_type->name),
          95};
    }
    out_->verified = trust_ != Trust::kChecked;
    out_->maps.assign(input_.maps.begin(), input_.maps.end());
    SKEP_TRY_VOID(CheckMapTypes());
    out_->handle = std::make_unique<model::ProgramHandle>();
    for (const std::shared_ptr<Map>& map : input_.maps) {
      if (map->arena() != nullptr) out_->arena = map->arena();
    }
    out_->call_base = input_.helpers.data();
    out_->helper_count = static_cast<uint32_t>(input_.helpers.size());
    out_->context_bytes = facts_ != nullptr ? std::max(facts_->context_bytes, memory_size_) : 0;
    return {};
  }

  // Locks, timers and owned objects are where the program's own types say: the
  // map must have been made with the same types.
  Result<void> CheckMapTypes() const {
    if (trust_ != Trust::kVerified) return {};
    for (size_t i = 0; i < input_.maps.size(); ++i) {
      const auto wanted = ReadValueType(program_.data().btf.get(), program_.maps()[i]);
      if (model::SameFields(wanted.get(), input_.maps[i]->value_type())) continue;
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("{}: map '{}' was not made with the types that the program has for "
                               "its values; make it from the program's object",
                               program_.name(), program_.maps()[i].name),
                   22};
    }
    return {};
  }

  // Every operation must be one that engines run; and nothing of unverified code
  // may run off the end of a subprogram.
  Result<void> CheckFlow() const {
    for (size_t slot = 0; slot < code_.size(); ++slot) {
      if (IsSecondSlot(slot) || !Reached(slot)) continue;
      SKEP_TRY_VOID(CheckOperation(slot));
    }
    if (facts_ != nullptr) return {};
    for (const Subprogram& sub : program_.subprograms()) {
      size_t last = sub.end - 1;
      if (last > sub.start && IsSecondSlot(last)) --last;
      const OpInfo& info = Info(code_[last].op);
      if (!info.Has(kEndsPath)) {
        return Refuse(ErrorCode::kInvalidArgument, last,
                      "last insn is not an exit or jmp, control would fall off the end");
      }
    }
    return {};
  }

  Result<void> CheckOperation(size_t slot) const {
    const DecodedInsn& insn = code_[slot];
    const OpInfo& info = Info(insn.op);
    if (info.Has(kWritesDst) && insn.dst == kFramePointer) {
      return Refuse(ErrorCode::kInvalidArgument, slot, "frame pointer is read only");
    }
    switch (info.kind) {
      case OpKind::kLoadFunc:
        if (trust_ != Trust::kVouched) return {};
        return Refuse(ErrorCode::kUnsupported, slot, "functions as values need a verified program");
      case OpKind::kMayGoto:
        if (trust_ != Trust::kVouched) return {};
        return Refuse(ErrorCode::kUnsupported, slot, "may_goto needs a verified program");
      case OpKind::kCallKfunc:
        return CheckKfunc(slot);
      case OpKind::kAddrSpaceCast:
        if (trust_ == Trust::kVerified && out_->arena != nullptr) return {};
        return Refuse(ErrorCode::kUnsupported, slot, "addr_space_cast needs a verified program");
      case OpKind::kLoadBtfId:
        return Refuse(ErrorCode::kUnsupported, slot,
                      fmt::format("{} cannot be run by this build", info.name));
      case OpKind::kLoadPacketAbs:
      case OpKind::kLoadPacketInd:
        if (out_->program_type->ld_abs) return {};
        return Refuse(ErrorCode::kInvalidArgument, slot,
                      "BPF_LD_[ABS|IND] instructions not allowed for this program type");
      default:
        return {};
    }
  }

  size_t InlinedLoopIndex() const {
    return input_.environment->helpers.size() + PacketLoadHelpers().size();
  }

  const model::KfuncSpec* KfuncAt(size_t slot) const {
    const btf::Btf* btf = program_.data().target_btf.get();
    const auto id = static_cast<uint32_t>(code_[slot].imm);
    if (btf == nullptr || id == 0 || id >= btf->type_count()) return nullptr;
    return model::FindKfunc(btf->name(id));
  }

  // Functions that give back their argument; what the result points to is no
  // memory of this process, and accesses of it are refused one by one.
  static bool IsCast(const model::KfuncSpec& spec) {
    return spec.id == model::Kfunc::bpf_cast_to_kern_ctx ||
           spec.id == model::Kfunc::bpf_rdonly_cast;
  }

  Result<void> CheckKfunc(size_t slot) const {
    const model::KfuncSpec* spec = KfuncAt(slot);
    if (trust_ != Trust::kVerified || spec == nullptr) {
      return Refuse(ErrorCode::kUnsupported, slot,
                    "calls of kernel functions need a verified program");
    }
    const bool makes = spec->id == model::Kfunc::bpf_obj_new_impl ||
                       spec->id == model::Kfunc::bpf_percpu_obj_new_impl;
    if (makes && FactAt(slot)->object_type == model::kMixedType) {
      return Refuse(ErrorCode::kUnsupported, slot,
                    "one call makes objects of several types, which cannot be run by this build");
    }
    if (spec->Has(model::kfunc::kReadsMemory) && rights_ != Rights::kRoot) {
      return Refuse(ErrorCode::kUnsupported, slot,
                    fmt::format("kernel function {} reads memory at any address, which this "
                                "program has no rights to",
                                spec->name));
    }
    if (FindRunningKfunc(spec->id) || IsCast(*spec)) return {};
    return Refuse(
        ErrorCode::kUnsupported, slot,
        fmt::format("kernel function {} can be verified but this build cannot run it", spec->name));
  }

  // Whether the jump at `slot` is known to go one way.
  bool NeverTaken(size_t slot) const {
    const InsnFact* fact = FactAt(slot);
    return fact != nullptr && fact->never_taken && ClassOf(code_[slot].op) == OpClass::kBranch;
  }
  bool AlwaysTaken(size_t slot) const {
    const InsnFact* fact = FactAt(slot);
    return fact != nullptr && fact->never_falls_through &&
           ClassOf(code_[slot].op) == OpClass::kBranch;
  }

  // Linux's verifier hands the program to this helper, too.
  bool TakesProgram(size_t slot) const {
    return Info(code_[slot].op).kind == OpKind::kCallHelper &&
           code_[slot].imm == model::kHelperTimerSetCallback;
  }

  bool IsPacketLoad(size_t slot) const { return ClassOf(code_[slot].op) == OpClass::kPacketLoad; }

  // Which functions count rounds of may_goto. The checked engine counts by itself.
  void FindMayGotos() {
    const auto subprograms = program_.subprograms();
    counts_rounds_.assign(subprograms.size(), false);
    if (trust_ != Trust::kVerified) return;
    for (size_t s = 0; s < subprograms.size(); ++s) {
      for (size_t slot = subprograms[s].start; slot < subprograms[s].end; ++slot) {
        if (IsSecondSlot(slot) || !Reached(slot)) continue;
        if (ClassOf(code_[slot].op) == OpClass::kMayGoto) counts_rounds_[s] = true;
      }
    }
  }

  // Functions that are passed to a helper which never calls them (bpf_loop of no
  // rounds): a few instructions stand for them.
  void FindUncalled() {
    const auto subprograms = program_.subprograms();
    uncalled_.assign(subprograms.size(), false);
    if (facts_ == nullptr) return;
    for (size_t slot = 0; slot < code_.size(); ++slot) {
      if (IsSecondSlot(slot) || !Reached(slot)) continue;
      if (Info(code_[slot].op).kind != OpKind::kLoadFunc) continue;
      const auto start = static_cast<size_t>(TargetOf(code_[slot], slot));
      if (!Reached(start)) uncalled_[SubprogramOf(start)] = true;
    }
  }
  bool StandsForUncalled(size_t slot) const {
    const size_t s = SubprogramOf(slot);
    return uncalled_[s] && program_.subprograms()[s].start == slot;
  }

  size_t SubprogramOf(size_t slot) const {
    const auto subprograms = program_.subprograms();
    const auto after =
        std::upper_bound(subprograms.begin(), subprograms.end(), slot,
                         [](size_t at, const Subprogram& sub) { return at < sub.start; });
    return static_cast<size_t>(after - subprograms.begin()) - 1;
  }
  // Where calls of the function that starts at `slot` go.
  uint32_t EntryAt(size_t slot) const {
    return place_[slot] - (counts_rounds_[SubprogramOf(slot)] ? 1 : 0);
  }
  // From r10.
  int16_t CountOffset(size_t subprogram) const {
    const uint32_t depth = facts_->subprograms[subprogram].stack_depth + model::kMayGotoBytes;
    return static_cast<int16_t>(-static_cast<int32_t>(depth));
  }
  bool StartsCount(size_t slot) const {
    const size_t s = SubprogramOf(slot);
    return counts_rounds_[s] && program_.subprograms()[s].start == slot;
  }

  // Instructions that the one at `slot` becomes.
  uint32_t SizeOf(size_t slot) const {
    if (IsPacketLoad(slot)) return kPacketLoadSize;
    if (Info(code_[slot].op).kind == OpKind::kCallKfunc && KfuncAt(slot)->InfoRegister() != 0) {
      return 2;
    }
    return TakesProgram(slot) ? 2 : 1;
  }

  void Place() {
    FindMayGotos();
    FindUncalled();
    place_.assign(code_.size() + 1, kDropped);
    uint32_t next = 0;
    for (size_t slot = 0; slot < code_.size(); ++slot) {
      if (IsSecondSlot(slot)) continue;
      if (StartsCount(slot)) ++next;
      place_[slot] = next;
      if (StandsForUncalled(slot)) next += 2;
      if (!Reached(slot) || NeverTaken(slot)) continue;
      next += SizeOf(slot);
    }
    place_[code_.size()] = next;
    out_->insns.reserve(next);
    out_->origin.reserve(next);
  }

  Result<void> Write() {
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

  void Emit(size_t slot, const ExecInsn& insn, const InsnFact& fact) {
    out_->insns.push_back(insn);
    out_->origin.push_back(static_cast<uint32_t>(slot));
    if (facts_ != nullptr) out_->facts.push_back(fact);
  }

  // LD_ABS and LD_IND: a call with r6 as context and the offset, then the way
  // out with r0 = 0 if it lies outside the packet. Linux makes the same sequence
  // (the load clobbers r1 .. r5 by definition).
  void WritePacketLoad(size_t slot) {
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

  // A call of a kernel function: a helper call, after a load of what Linux's
  // verifier fills in.
  void WriteKfunc(size_t slot) {
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

  Result<void> Resolve(size_t slot, ExecInsn& insn) {
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
                    "an object of the kernel is accessed, which can be verified but not run here");
    }
    return {};
  }

  // 1 makes a pointer that accesses take, 1 << 16 one that user space takes.
  Result<void> ResolveCast(ExecInsn& insn) const {
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

  Result<void> ResolveHelper(size_t slot, ExecInsn& insn) const {
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

  static bool TakesMadeObject(const HelperSpec& spec) {
    return std::any_of(spec.args.begin(), spec.args.end(), [](const ArgSpec& arg) {
      return arg.kind == ArgKind::kSpinLock || arg.kind == ArgKind::kTimer ||
             arg.kind == ArgKind::kKptr || arg.kind == ArgKind::kDynptr ||
             arg.kind == ArgKind::kPercpuBtfId;
    });
  }

  Result<void> ResolveWide(size_t slot, ExecInsn& insn) const {
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
      return Refuse(
          ErrorCode::kInvalidArgument, slot,
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
      return Refuse(ErrorCode::kInvalidArgument, slot,
                    fmt::format("map '{}' has no value at offset {}", instance->spec().name,
                                from.imm_high()));
    }
    insn.set_wide(reinterpret_cast<uintptr_t>(view.base) + from.imm_high());
    return {};
  }

  Result<void> ResolveContext(ExecInsn& insn) const {
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

  void WriteSubprograms() {
    const auto subprograms = program_.subprograms();
    for (size_t i = 0; i < subprograms.size(); ++i) {
      model::ExecSubprogram sub;
      sub.name = subprograms[i].name;
      sub.start = EntryAt(subprograms[i].start);
      sub.end = subprograms[i].end == code_.size() ? place_.back() : EntryAt(subprograms[i].end);
      if (sub.start == sub.end) continue;
      if (facts_ != nullptr) {
        sub.stack_depth =
            facts_->subprograms[i].stack_depth + (counts_rounds_[i] ? model::kMayGotoBytes : 0);
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

  const Program& program_;
  const LowerInput& input_;
  const model::Facts* facts_;
  const Trust trust_;
  const uint32_t memory_size_;
  const Rights rights_;
  std::shared_ptr<ExecProgram> out_;
  std::vector<DecodedInsn> code_;
  std::vector<bool> counts_rounds_;  // by subprogram
  std::vector<bool> uncalled_;       // by subprogram
  std::vector<uint32_t> place_;      // by slot: index in out_->insns
};

}  // namespace

Result<ExecPtr> Lower(const VerifiedProgram& program, const LowerInput& input) {
  const bool memory = program.program().type() == ProgramTypeId::kMemory;
  return Lowering(program.program(), input, &program.facts(), Trust::kVerified,
                  memory ? program.options().memory_size : 0, program.options().rights)
      .Run();
}

Result<ExecPtr> LowerUnverified(const Program& program, const LowerInput& input) {
  return Lowering(program, input, nullptr, Trust::kChecked).Run();
}

Result<ExecPtr> LowerVouched(const Program& program, const LowerInput& input) {
  if (program.type() != ProgramTypeId::kMemory) {
    return Error{ErrorCode::kInvalidArgument,
                 program.name() + ": only plain memory programs can be vouched for", 22};
  }
  return Lowering(program, input, nullptr, Trust::kVouched).Run();
}

}  // namespace skep
