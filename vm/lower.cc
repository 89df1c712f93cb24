// SPDX-License-Identifier: Apache-2.0
// What is lowered, and what is refused before any instruction is written.
#include "vm/lower.h"

#include <utility>

#include "base/check.h"
#include "btf/btf.h"
#include "helpers/kfunc_table.h"
#include "model/value_type.h"
#include "vm/lowering.h"
#include "vm/value_types.h"

namespace skep {

Result<ExecPtr> Lowering::Run() {
  out_ = std::make_shared<ExecProgram>();
  SKEP_TRY_VOID(Prepare());
  SKEP_TRY_VOID(CheckFlow());
  SKEP_TRY_VOID(FindGuardedLoads());
  Place();
  SKEP_TRY_VOID(Write());
  WriteSubprograms();
  return ExecPtr(std::move(out_));
}

Result<void> Lowering::Prepare() {
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
    return Error{ErrorCode::kUnsupported,
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

Result<void> Lowering::CheckMapTypes() const {
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

Result<void> Lowering::CheckFlow() const {
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

Result<void> Lowering::CheckOperation(size_t slot) const {
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

bool Lowering::MayReachOwnStructures() const {
  if (out_->program_type->host != HostContext::kBytes) return true;
  if (program_.type() == ProgramTypeId::kNetfilter) return true;
  for (size_t slot = 0; slot < code_.size(); ++slot) {
    if (IsSecondSlot(slot) || !Reached(slot)) continue;
    if (Info(code_[slot].op).kind != OpKind::kCallKfunc) continue;
    const model::KfuncSpec* spec = KfuncAt(slot);
    if (spec != nullptr && spec->id == model::Kfunc::bpf_cast_to_kern_ctx) return true;
  }
  return false;
}

Result<void> Lowering::FindGuardedLoads() {
  has_guarded_loads_.assign(program_.subprograms().size(), false);
  for (size_t slot = 0; slot < code_.size(); ++slot) {
    if (IsSecondSlot(slot) || !Reached(slot) || !IsGuardedLoad(slot)) continue;
    if (MayReachOwnStructures()) {
      return Refuse(ErrorCode::kUnsupported, slot,
                    "an object of the kernel is accessed, which can be verified but not run here");
    }
    if (rights_ != Rights::kRoot) {
      return Refuse(ErrorCode::kUnsupported, slot,
                    "an object of the host is followed to wherever its pointers lead, which this "
                    "program has no rights to");
    }
    const size_t s = SubprogramOf(slot);
    has_guarded_loads_[s] = true;
    if (OwnStack(s) <= model::kFrameBytes) continue;
    return Refuse(ErrorCode::kUnsupported, slot,
                  fmt::format("loads from objects take {} bytes of stack, which function '{}' does "
                              "not leave",
                              kGuardedLoadBytes, program_.subprograms()[s].name));
  }
  return {};
}

const model::KfuncSpec* Lowering::KfuncAt(size_t slot) const {
  const btf::Btf* btf = program_.data().target_btf.get();
  const auto id = static_cast<uint32_t>(code_[slot].imm);
  if (btf == nullptr || id == 0 || id >= btf->type_count()) return nullptr;
  return model::FindKfunc(btf->name(id));
}

Result<void> Lowering::CheckKfunc(size_t slot) const {
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
