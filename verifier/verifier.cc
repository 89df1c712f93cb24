// SPDX-License-Identifier: Apache-2.0
#include "verifier/verifier.h"

#include <algorithm>

#include "isa/disasm.h"
#include "model/program_type_name.h"
#include "verifier/divisors.h"
#include "verifier/kfunc_prototype.h"

namespace skep::verifier {
namespace {

bool IsTracing(ProgramTypeId type) {
  return type == ProgramTypeId::kKprobe || type == ProgramTypeId::kTracepoint ||
         type == ProgramTypeId::kPerfEvent || type == ProgramTypeId::kRawTracepoint ||
         type == ProgramTypeId::kRawTracepointWritable;
}

bool WorksInSleepable(MapType type) {
  switch (type) {
    case MapType::kHash:
    case MapType::kLruHash:
    case MapType::kArray:
    case MapType::kPercpuHash:
    case MapType::kPercpuArray:
    case MapType::kLruPercpuHash:
    case MapType::kArrayOfMaps:
    case MapType::kHashOfMaps:
    case MapType::kRingbuf:
    case MapType::kUserRingbuf:
    case MapType::kInodeStorage:
    case MapType::kSkStorage:
    case MapType::kTaskStorage:
    case MapType::kCgrpStorage:
    case MapType::kQueue:
    case MapType::kStack:
    case MapType::kArena:
    case MapType::kInsnArray:
      return true;
    default:
      return false;
  }
}

// Whether a function's result is an int or an enum of at most 8 bytes.
bool ReturnsNumber(const btf::Btf& btf, uint32_t function) {
  const uint32_t proto = btf.type(function).size_or_type;
  if (btf.kind(proto) != btf::Kind::kFuncProto) return false;
  const uint32_t result = btf.SkipModifiers(btf.type(proto).size_or_type);
  return IsScalarType(btf, result) && btf.type(result).size_or_type <= sizeof(uint64_t);
}

// The call of a helper that does not exist may be where a CO-RE relocation found
// nothing.
void ExplainUnresolved(const ProgramData& program, uint32_t insn, Finding& finding) {
  const auto& unresolved = program.unresolved_relocations;
  const auto it = std::lower_bound(
      unresolved.begin(), unresolved.end(), insn,
      [](const UnresolvedRelocation& entry, uint32_t at) { return entry.insn < at; });
  if (it == unresolved.end() || it->insn != insn) return;
  finding.advice = "the target's BTF has nothing for the CO-RE relocation " + it->what +
                   "; ask bpf_core_field_exists, bpf_core_type_exists or "
                   "bpf_core_enum_value_exists first, or name the BTF of the kernel it is for";
}

}  // namespace

Verifier::Verifier(const Program& program, const Environment& environment,
                   const VerifyOptions& options)
    : program_(program),
      environment_(environment),
      options_(options),
      strict_alignment_(options.strict_alignment ||
                        (program.data().flags & kProgStrictAlignment) != 0),
      keep_all_states_((program.data().flags & kProgTestStateFreq) != 0),
      log_(options.log_level, options.log_limit) {}

Verifier::~Verifier() { RetireKept(); }

bool Verifier::Reject(FindingCode code, Args args) {
  return RejectWithText(code, FillIn(RowOf(code).text, args));
}

bool Verifier::RejectWithText(FindingCode code, std::string message) {
  const FindingRow& row = RowOf(code);
  Finding finding;
  finding.code = code;
  finding.sys_errno = row.sys_errno;
  finding.unsupported = row.kind == FindingKind::kUnsupported;
  finding.insn = insn_;
  finding.message = std::move(message);
  finding.advice = row.advice;
  if (code == FindingCode::kUnknownHelper) ExplainUnresolved(program_.data(), insn_, finding);
  if (insn_ < structure_.insns.size() && info(insn_).insn.op != Op::kInvalid) {
    finding.instruction = Disassemble(info(insn_).insn);
  }
  finding.source = SourceText(insn_);
  finding.involved = InvolvedRegisters();
  DescribePath(finding);
  if (current_ != nullptr) {
    finding.registers = FrameText(state(), state().depth, referents(), nullptr);
    if (!finding.registers.empty()) finding.registers.erase(0, 1);
  }
  if (log_.Any()) log_.Append(finding.message + "\n");
  findings_.push_back(std::move(finding));
  return false;
}

void Verifier::Note(FindingCode code, Args args) {
  if (log_.Any()) log_.Append(FillIn(RowOf(code).text, args) + "\n");
}

uint32_t Verifier::MapIndexOf(const MapSpec& spec) {
  const auto it = std::find(maps_.begin(), maps_.end(), &spec);
  if (it != maps_.end()) return static_cast<uint32_t>(it - maps_.begin());
  maps_.push_back(&spec);
  records_.push_back(ReadMapRecord(BtfOf(kProgramBtf), spec, BtfOf(kTargetBtf)));
  return static_cast<uint32_t>(maps_.size() - 1);
}

const LocalRecords& Verifier::local_records() {
  if (local_records_ == nullptr) {
    const btf::Btf* btf = BtfOf(kProgramBtf);
    local_records_ = btf != nullptr ? std::make_unique<LocalRecords>(*btf, BtfOf(kTargetBtf))
                                    : std::make_unique<LocalRecords>();
  }
  return *local_records_;
}

bool Verifier::CheckMap(const MapSpec& m, const FieldRecord& record) {
  const ProgramTypeId type = program_.type();
  for (const SpecialField& field : record.fields) {
    if (!MapTakes(m.type, field.kind)) {
      return Reject(FindingCode::kMapFieldType,
                    {m.name, NameOf(field.kind), static_cast<uint32_t>(m.type)});
    }
  }
  if (!record.fields.empty() && (m.flags & (kMapRdonlyProg | kMapWronlyProg)) != 0) {
    return Reject(FindingCode::kMapFieldFlags, {m.name, NameOf(record.fields[0].kind)});
  }
  if (record.needs_target) return Reject(FindingCode::kFieldNeedsBtf, {m.name});
  if (IsTracing(type) && record.Has(kGraphRoots)) {
    return Reject(FindingCode::kTracingMapField, {"bpf_{list_head,rb_root}"});
  }
  if (record.Has(kLocks)) {
    if (type == ProgramTypeId::kSocketFilter) return Reject(FindingCode::kSocketFilterSpinLock, {});
    if (IsTracing(type)) return Reject(FindingCode::kTracingMapField, {"bpf_spin_lock"});
  }
  if (IsTracing(type) && record.Has(MaskOf(SpecialKind::kTimer))) {
    return Reject(FindingCode::kTracingMapField, {"bpf_timer"});
  }
  if (IsTracing(type) && record.Has(MaskOf(SpecialKind::kWorkqueue))) {
    return Reject(FindingCode::kTracingMapField, {"bpf_wq"});
  }
  if (program_.data().sleepable && !WorksInSleepable(m.type)) {
    return Reject(FindingCode::kMapTypeInSleepable, {});
  }
  if (m.type == MapType::kArena) return CheckArena(m);
  return true;
}

// Maps that the program loads must suit its type.
bool Verifier::CheckMaps() {
  for (const MapSpec& m : program_.maps()) MapIndexOf(m);
  for (const InsnInfo& slot : structure_.insns) {
    if (slot.insn.op == Op::kInvalid) continue;
    const OpKind kind = Info(slot.insn.op).kind;
    if (kind != OpKind::kLoadMapFd && kind != OpKind::kLoadMapIdx &&
        kind != OpKind::kLoadMapValue && kind != OpKind::kLoadMapIdxValue) {
      continue;
    }
    const auto index = static_cast<uint32_t>(slot.insn.imm);
    insn_ = static_cast<uint32_t>(&slot - structure_.insns.data());
    if (!CheckMap(map(index), records_[index])) return false;
  }
  return true;
}

bool Verifier::SetUpEntry(uint32_t subprogram) {
  current_ = pool_.NewState();
  State& s = state();
  Frame& frame = s.PushFrame();
  s.sleepable = program_.data().sleepable;
  frame.subprogram = subprogram;
  frame.regs[10] = Register::Pointer(RegKind::kStack);
  s.first_insn = structure_.subprograms[subprogram].start;
  history_.assign(1, {});
  visits_.resize(1);
  last_kept_jumps_ = jumps_;
  last_kept_processed_ = processed_;
  if (subprogram != 0) {
    const GlobalPrototype& prototype = *PrototypeOf(subprogram);
    if (prototype.failed != FindingCode::kNone) {
      insn_ = s.first_insn;
      return RejectWithText(prototype.failed, prototype.message);
    }
    if (subprogram == structure_.exception_callback) {
      const bool one_number = prototype.arguments.size() == 1 &&
                              prototype.arguments[0].kind == GlobalArgument::Kind::kScalar;
      insn_ = s.first_insn;
      if (!one_number) return Reject(FindingCode::kExceptionCallbackArgs, {});
      frame.in_exception_callback = true;
    }
    SetUpGlobalArguments(prototype);
    return true;
  }
  // Linux says what it makes of the main program's prototype, and goes on.
  if (const GlobalPrototype& prototype = *PrototypeOf(0);
      log_.Any() && prototype.failed != FindingCode::kNone &&
      prototype.failed != FindingCode::kUnsupportedGlobal) {
    log_.Append(prototype.message + "\n");
  }
  if (type_->id == ProgramTypeId::kMemory) {
    constexpr uint64_t kMaxMemory = uint64_t{1} << 29;
    frame.regs[1] = Register::Pointer(RegKind::kMemory);
    frame.regs[1].size = options_.memory_size;
    frame.regs[2] = Register::Unknown();
    frame.regs[2].var = Scalar::FromRange(options_.memory_size,
                                          std::max<uint64_t>(kMaxMemory, options_.memory_size));
  } else {
    frame.regs[1] = Register::Pointer(RegKind::kContext);
  }
  return true;
}

bool Verifier::Run() {
  insn_ = static_cast<uint32_t>(program_.insns().size());
  const ProgramData& data = program_.data();
  type_ = environment_.FindProgramType(data.type, data.expected_attach_type);
  if (!CheckProgramType()) return false;
  structure_ = Examine(program_, environment_, options_, scratch_);
  if (structure_.failed != FindingCode::kNone) {
    insn_ = structure_.failed_at;
    return RejectWithText(structure_.failed, structure_.message);
  }
  prototypes_.resize(structure_.subprograms.size());
  notes_.resize(structure_.insns.size());
  kept_.resize(structure_.insns.size());
  fixed_memory_ = FixedMemory();
  if (!CheckAttachTarget() || !CheckMaps() || !CheckSubprogramRules()) return false;
  if (!Explore(0)) return false;
  if (const uint32_t exception = structure_.exception_callback; exception != 0) {
    structure_.subprograms[exception].called = true;
    structure_.subprograms[exception].is_callback = true;
  }
  // Global functions that verified paths call; these may call others.
  for (bool more = true; more;) {
    more = false;
    for (uint32_t s = 1; s < structure_.subprograms.size(); ++s) {
      SubprogramInfo& sub = structure_.subprograms[s];
      if (!sub.is_global || !sub.called || sub.verified) continue;
      sub.verified = more = true;
      if (log_.Paths()) {
        log_.Append("Validating " + program_.subprograms()[s].name + "() func#" +
                    std::to_string(s) + "...\n");
      }
      if (!Explore(s)) return false;
      if (log_.Paths()) {
        log_.Append("Func#" + std::to_string(s) + " ('" + program_.subprograms()[s].name +
                    "') is safe for any args that match its prototype\n");
      }
    }
  }
  return CheckStackDepths() && CheckAddressesTaken();
}

// Linux removes functions that no path reaches. Where a path takes the address of
// one, that then stands for the function behind it; if there is none, and others
// are left in front of it, the program is refused.
bool Verifier::CheckAddressesTaken() {
  size_t last = 0;  // start of the last function that is left
  for (const SubprogramInfo& sub : structure_.subprograms) {
    if (notes_[sub.start].fact.reached) last = sub.start;
  }
  if (last == 0) return true;
  for (uint32_t i = 0; i < structure_.insns.size(); ++i) {
    const DecodedInsn& insn = info(i).insn;
    if (insn.op == Op::kInvalid || Info(insn.op).kind != OpKind::kLoadFunc) continue;
    if (!notes_[i].fact.reached || TargetOf(insn, i) <= static_cast<int64_t>(last)) continue;
    insn_ = i;
    return Reject(FindingCode::kCallbackNeverRuns, {i});
  }
  return true;
}

// Who may load a program of this type, for which attach types, and how it runs.
bool Verifier::CheckProgramType() {
  const ProgramData& data = program_.data();
  if (type_ == nullptr) {
    const bool known =
        std::any_of(environment_.program_types.begin(), environment_.program_types.end(),
                    [&](const ProgramType& t) { return t.id == data.type; });
    if (!known) {
      return Reject(FindingCode::kUnknownProgramType, {static_cast<uint32_t>(data.type)});
    }
    return Reject(FindingCode::kAttachType,
                  {data.expected_attach_type, ProgramTypeName(data.type)});
  }
  if (options_.rights < type_->rights) {
    const bool bpf = type_->rights == Rights::kBpf;
    return Reject(FindingCode::kProgramRights, {type_->name, bpf ? "CAP_BPF" : "CAP_PERFMON"});
  }
  switch (type_->sleeping) {
    case Sleeping::kNever:
      if (data.sleepable) return Reject(FindingCode::kCannotSleep, {});
      break;
    case Sleeping::kMay:
      break;
    case Sleeping::kMust:
      if (!data.sleepable) return Reject(FindingCode::kSleepableOnly, {});
      break;
  }
  return true;
}

// Tail calls and packet loads end a function in a way that only an int result
// and BTF make sound.
bool Verifier::CheckSubprogramRules() {
  for (uint32_t s = 1; s < structure_.subprograms.size(); ++s) {
    const SubprogramInfo& sub = structure_.subprograms[s];
    insn_ = sub.start;
    const bool has_btf =
        program_.data().btf != nullptr && program_.subprograms()[s].btf_type_id != 0;
    const bool is_int =
        has_btf && ReturnsNumber(*program_.data().btf, program_.subprograms()[s].btf_type_id);
    if (sub.has_ld_abs && has_btf && !is_int) return Reject(FindingCode::kLdAbsNotInt, {});
    if (sub.has_tail_call && has_btf && !is_int) return Reject(FindingCode::kTailCallNotInt, {});
    if (sub.has_tail_call && !has_btf) return Reject(FindingCode::kTailCallWithoutBtf, {});
    if (sub.has_ld_abs && !has_btf) return Reject(FindingCode::kLdAbsWithoutBtf, {});
  }
  return true;
}

VerifierStatistics Verifier::statistics() const {
  VerifierStatistics out;
  out.processed = processed_;
  out.total_states = total_states_;
  out.peak_states = peak_states_;
  out.max_states_per_insn = max_states_per_insn_;
  out.stack_depth = stack_depth_;
  out.peak_memory = peak_memory_;
  return out;
}

std::shared_ptr<const model::Facts> Verifier::MakeFacts() const {
  auto facts = std::make_shared<model::Facts>();
  facts->insns.resize(notes_.size());
  const std::vector<bool> nonzero = NonzeroDivisors(structure_);
  for (size_t i = 0; i < notes_.size(); ++i) {
    const InsnNotes& notes = notes_[i];
    model::InsnFact& fact = facts->insns[i];
    fact = notes.fact;
    const DecodedInsn& insn = structure_.insns[i].insn;
    if (insn.op == Op::kInvalid) {
      fact.reached = i > 0 && notes_[i - 1].fact.reached;
      continue;
    }
    const OpInfo& op = Info(insn.op);
    if (ClassOf(op.kind) == OpClass::kBranch && fact.reached) {
      fact.never_taken = !notes.taken;
      fact.never_falls_through = !notes.fell_through;
    }
    fact.nonzero_divisor = fact.reached && nonzero[i];
    fact.lookup_not_null = notes.has_map && !notes.maybe_null_seen && notes.looked_up;
  }
  facts->subprograms.resize(structure_.subprograms.size());
  for (size_t i = 0; i < structure_.subprograms.size(); ++i) {
    const SubprogramInfo& sub = structure_.subprograms[i];
    facts->subprograms[i] = {sub.stack_depth, sub.has_tail_call, sub.calls_tail_call,
                             sub.is_callback};
  }
  facts->exception_callback = structure_.exception_callback;
  facts->max_stack_depth = stack_depth_;
  facts->context_bytes = context_bytes_;
  return facts;
}

}  // namespace skep::verifier
