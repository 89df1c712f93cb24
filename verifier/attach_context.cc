// SPDX-License-Identifier: Apache-2.0
// Contexts that hold the arguments of what the program attaches to: 8 bytes each,
// then the result where the program runs after the function. BTF says what they
// are; Linux's own tables say which may be null.

#include <array>

#include "verifier/attach_rules.h"
#include "verifier/helper_rules.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

using btf::Btf;
using btf::Kind;

constexpr int64_t kSlot = 8;
constexpr int64_t kMaxArguments = 12;
constexpr std::string_view kTracePrefix = "btf_trace_";

uint64_t SlotBytes(const Btf& btf, uint32_t type) {
  const uint32_t id = btf.SkipModifiers(type);
  if (btf.kind(id) == Kind::kPtr) return kSlot;
  return (uint64_t{btf.SizeOf(id).value_or(0)} + kSlot - 1) / kSlot * kSlot;
}

// The number of the argument at byte `off` of the context; vlen for the result.
uint32_t ArgumentAt(const Btf& btf, uint32_t proto, int64_t off) {
  const btf::Type t = btf.type(proto);
  uint64_t end = 0;
  for (uint32_t i = 0; i < t.vlen; ++i) {
    end += SlotBytes(btf, btf.parameter(proto, i).type);
    if (static_cast<uint64_t>(off) < end) return i;
  }
  end += SlotBytes(btf, t.size_or_type);
  return static_cast<uint64_t>(off) < end ? t.vlen : t.vlen + 1;
}

// Linux passes it as a number.
bool IsNumber(const Btf& btf, uint32_t id) {
  switch (btf.kind(id)) {
    case Kind::kInt:
      return btf.SizeOf(id).value_or(0) <= 8;
    case Kind::kEnum:
    case Kind::kEnum64:
    case Kind::kStruct:
      return true;
    default:
      return false;
  }
}

std::string_view Upper(Kind kind) {
  switch (kind) {
    case Kind::kVoid:
      return "UNKNOWN";
    case Kind::kInt:
      return "INT";
    case Kind::kPtr:
      return "PTR";
    case Kind::kArray:
      return "ARRAY";
    case Kind::kStruct:
      return "STRUCT";
    case Kind::kUnion:
      return "UNION";
    case Kind::kEnum:
      return "ENUM";
    case Kind::kFwd:
      return "FWD";
    case Kind::kTypedef:
      return "TYPEDEF";
    case Kind::kVolatile:
      return "VOLATILE";
    case Kind::kConst:
      return "CONST";
    case Kind::kRestrict:
      return "RESTRICT";
    case Kind::kFunc:
      return "FUNC";
    case Kind::kFuncProto:
      return "FUNC_PROTO";
    case Kind::kVar:
      return "VAR";
    case Kind::kDatasec:
      return "DATASEC";
    case Kind::kFloat:
      return "FLOAT";
    case Kind::kDeclTag:
      return "DECL_TAG";
    case Kind::kTypeTag:
      return "TYPE_TAG";
    case Kind::kEnum64:
      return "ENUM64";
  }
  return "UNKNOWN";
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

// Finds what the program attaches to. Refuses targets that Linux refuses, and
// those of which only the running kernel knows whether it does.
bool Verifier::CheckAttachTarget() {
  const ProgramData& data = program_.data();
  const btf::Btf* btf = BtfOf(kTargetBtf);
  if (data.type == ProgramTypeId::kExt) return Reject(FindingCode::kUnsupportedTarget, {});
  if (data.type != ProgramTypeId::kTracing && data.type != ProgramTypeId::kLsm &&
      data.type != ProgramTypeId::kStructOps) {
    return true;
  }
  if (data.type == ProgramTypeId::kStructOps && !IsGplCompatible(data.license)) {
    return Reject(FindingCode::kStructOpsLicense, {});
  }
  // A program that no structure of the object names as a member.
  if (data.type == ProgramTypeId::kStructOps && btf != nullptr && data.attach_btf_id == 0) {
    return Reject(FindingCode::kNotStructOps, {0});
  }
  if (btf == nullptr || data.attach_btf_id == 0) return Reject(FindingCode::kNoAttachTarget, {});
  if (data.attach_btf_id >= btf->type_count()) {
    return Reject(FindingCode::kAttachIdInvalid, {data.attach_btf_id});
  }
  if (data.type == ProgramTypeId::kStructOps) return CheckStructOpsTarget(*btf);
  const btf::Type t = btf->type(data.attach_btf_id);
  target_.name = t.name;
  if (data.expected_attach_type == kAttachRawTp) return CheckTracepointTarget(*btf, t);
  if (t.kind != Kind::kFunc) return Reject(FindingCode::kAttachNotFunction, {data.attach_btf_id});
  target_.proto = t.size_or_type;
  if (data.expected_attach_type == kAttachIter) return CheckIteratorTarget();
  if (data.type == ProgramTypeId::kLsm) return CheckHookTarget();
  return CheckFunctionTarget();
}

bool Verifier::CheckTracepointTarget(const btf::Btf& btf, const btf::Type& t) {
  const uint32_t id = program_.data().attach_btf_id;
  if (t.kind != Kind::kTypedef) return Reject(FindingCode::kAttachNotTypedef, {id});
  if (t.name.substr(0, kTracePrefix.size()) != kTracePrefix) {
    return Reject(FindingCode::kAttachWrongName, {id, t.name});
  }
  target_.name = t.name.substr(kTracePrefix.size());
  target_.first_argument = 1;  // void *__data
  // The function behind it has names for its parameters, where there is one.
  const uint32_t function = btf.Find("__bpf_trace_" + std::string(target_.name), Kind::kFunc);
  if (function != 0) {
    target_.proto = btf.type(function).size_or_type;
    return true;
  }
  const uint32_t pointer = btf.SkipModifiers(t.size_or_type);
  if (btf.kind(pointer) == Kind::kPtr) {
    target_.proto = btf.SkipModifiers(btf.type(pointer).size_or_type);
  }
  if (btf.kind(target_.proto) == Kind::kFuncProto) return true;
  return Reject(FindingCode::kUnsupportedTarget, {});
}

bool Verifier::CheckIteratorTarget() {
  if (IsIteratorTarget(target_.name)) return true;
  return Reject(FindingCode::kUnsupportedIterator, {target_.name});
}

bool Verifier::CheckHookTarget() {
  const ProgramData& data = program_.data();
  if (data.sleepable && !IsSleepableHook(target_.name)) {
    return Reject(FindingCode::kTargetNotSleepable, {target_.name});
  }
  if (!IsGplCompatible(data.license)) return Reject(FindingCode::kLsmLicense, {});
  if (IsDisabledHook(target_.name)) {
    return Reject(FindingCode::kHookDisabled, {data.attach_btf_id, target_.name});
  }
  if (!IsHook(target_.name)) {
    return Reject(FindingCode::kAttachWrongName, {data.attach_btf_id, target_.name});
  }
  return true;
}

// fentry, fexit, fmod_ret. Whether the function can be traced, and whether it may
// fail or sleep, is in lists of the running kernel.
bool Verifier::CheckFunctionTarget() {
  const ProgramData& data = program_.data();
  const uint32_t attach = data.expected_attach_type;
  if (attach != kAttachFentry && attach != kAttachFexit && attach != kAttachModifyReturn) {
    return Reject(FindingCode::kUnsupportedTarget, {});
  }
  // Only these may be given another result on every kernel; who may sleep, and
  // what else may fail, is in its list of error injection.
  constexpr std::string_view kSecurity = "security_";
  const bool security = target_.name.substr(0, kSecurity.size()) == kSecurity;
  if (data.sleepable || (attach == kAttachModifyReturn && !security)) {
    return Reject(FindingCode::kUnsupportedSleepTarget, {target_.name});
  }
  if (IsNeverTraced(target_.name)) {
    return Reject(FindingCode::kTargetNeverTraced, {target_.name});
  }
  if (attach != kAttachFentry && NeverReturns(target_.name)) {
    return Reject(FindingCode::kTargetNeverReturns, {});
  }
  return true;
}

bool Verifier::CheckStructOpsTarget(const btf::Btf& btf) {
  const ProgramData& data = program_.data();
  const btf::Type t = btf.type(data.attach_btf_id);
  const std::string name(t.name);
  if (t.kind != Kind::kStruct || TargetStruct("bpf_struct_ops_" + name) == 0) {
    return Reject(FindingCode::kNotStructOps, {data.attach_btf_id});
  }
  const uint32_t index = data.expected_attach_type;
  if (index >= t.vlen) return Reject(FindingCode::kStructOpsIndex, {index, name});
  const btf::Member member = btf.member(data.attach_btf_id, index);
  target_.name = member.name;
  target_.structure = t.name;
  const uint32_t pointer = btf.SkipModifiers(member.type);
  if (btf.kind(pointer) == Kind::kPtr) {
    target_.proto = btf.SkipModifiers(btf.type(pointer).size_or_type);
  }
  if (btf.kind(target_.proto) != Kind::kFuncProto) {
    return Reject(FindingCode::kStructOpsMember, {member.name, index, name});
  }
  switch (StructOpsMemberRule(t.name, member.name, data.sleepable)) {
    case MemberRule::kTakesPrograms:
      break;
    case MemberRule::kRefused:
      return Reject(FindingCode::kStructOpsUnsupportedMember, {member.name, name});
    case MemberRule::kUnknown:
      return Reject(FindingCode::kUnsupportedStructOps, {name});
  }
  // The kernel's own stub of the member says which arguments may be null.
  target_.stub = btf.Find(name + "__" + std::string(member.name), Kind::kFunc);
  if (target_.stub != 0) target_.stub = btf.type(target_.stub).size_or_type;
  return true;
}

// A load from (a store to) such a context.
bool Verifier::AccessTargetContext(int64_t off, int size, Access access, int value_reg,
                                   bool sign_extend) {
  const ProgramTypeId type = program_.type();
  const auto refuse = [&] { return Reject(FindingCode::kContextAccess, {off, size}); };
  if (type != ProgramTypeId::kLsm) {
    if (off < 0 || off >= kMaxArguments * kSlot || access == Access::kWrite || off % size != 0) {
      return refuse();
    }
  } else if (access == Access::kWrite || off < 0) {
    return Reject(FindingCode::kUnsupportedTarget, {});
  }
  Register value = Register::Unknown();
  if (!ReadTargetArgument(off, size, &value)) return refuse();
  if (value.IsPointer() && sign_extend) return refuse();
  context_bytes_ = std::max(context_bytes_, static_cast<uint32_t>(off + size));
  if (value_reg < 0) return true;
  if (value.MaybeNull()) value.id = NewId();
  reg(value_reg) = value;
  changes_.regs = static_cast<uint16_t>(changes_.regs | 1u << value_reg);
  return true;
}

// What is at byte `off`; false, with the reason in the log, if nothing is there.
bool Verifier::ReadTargetArgument(int64_t off, int size, Register* value) {
  const Btf& btf = *BtfOf(kTargetBtf);
  const std::string_view name = target_.name;
  const uint32_t proto = target_.proto;
  const btf::Type t = btf.type(proto);
  if (off % kSlot != 0) {
    Note(FindingCode::kArgumentOffset, {name, off});
    return false;
  }
  const uint32_t number = ArgumentAt(btf, proto, off);
  const uint32_t count = t.vlen - std::min(t.vlen, target_.first_argument);
  if (number >= count) return ReadTargetResult(number, count, size, value);
  const btf::Parameter parameter = btf.parameter(proto, number + target_.first_argument);
  const uint32_t type = btf.SkipModifiers(parameter.type);
  if (IsNumber(btf, type)) return true;
  return ReadTargetPointer(number, off, parameter.type, parameter.name, size, value);
}

bool Verifier::ReadTargetResult(uint32_t number, uint32_t count, int size, Register* value) {
  const Btf& btf = *BtfOf(kTargetBtf);
  const uint32_t attach = program_.data().expected_attach_type;
  const bool has_result = program_.type() != ProgramTypeId::kStructOps &&
                          (attach == kAttachFexit || attach == kAttachModifyReturn ||
                           attach == kAttachLsmMac || attach == kAttachLsmCgroup);
  if (number > count || !has_result) {
    Note(FindingCode::kNoSuchArgument, {target_.name, number + 1});
    return false;
  }
  const uint32_t declared = btf.type(target_.proto).size_or_type;
  const uint32_t type = btf.SkipModifiers(declared);
  if (attach == kAttachModifyReturn && (btf.kind(type) != Kind::kInt || !IsNumber(btf, type))) {
    Note(FindingCode::kModifyReturnType, {Upper(btf.kind(type))});
    return false;
  }
  if (IsNumber(btf, type)) {
    // What the hook may have returned so far.
    if (attach == kAttachLsmMac) {
      const bool boolean = IsBooleanHook(target_.name);
      constexpr int64_t kMaxErrno = 4095;
      value->var = Scalar::FromSignedRange(boolean ? 0 : -kMaxErrno, boolean ? 1 : 0);
    }
    return true;
  }
  return ReadTargetPointer(number, -1, declared, {}, size, value);
}

bool Verifier::ReadTargetPointer(uint32_t number, int64_t off, uint32_t declared,
                                 std::string_view parameter, int size, Register* value) {
  const Btf& btf = *BtfOf(kTargetBtf);
  const std::string_view name = target_.name;
  const uint32_t type = btf.SkipModifiers(declared);
  if (btf.kind(type) != Kind::kPtr) {
    Note(FindingCode::kArgumentKindName, {name, number, btf.name(type), Upper(btf.kind(type))});
    return false;
  }
  if (size != kSlot) {
    Note(FindingCode::kArgumentSize, {name, size});
    return false;
  }
  const ProgramTypeId program = program_.type();
  const uint32_t attach = program_.data().expected_attach_type;
  const IteratorArgument* fixed =
      program == ProgramTypeId::kTracing && attach == kAttachIter && off >= 0
          ? FindIteratorArgument(name, static_cast<uint32_t>(off / kSlot))
          : nullptr;
  if (fixed != nullptr && fixed->is_buffer) {
    *value = Register::Pointer(RegKind::kBuffer, fixed->flags);
    return true;
  }
  const uint32_t pointee = btf.type(type).size_or_type;
  const uint32_t target = btf.SkipModifiers(pointee);
  const bool to_number = btf.kind(target) == Kind::kVoid || btf.kind(target) == Kind::kInt;
  if (to_number) return true;  // as good as a number: it is not followed
  uint16_t flags = 0;
  const bool traced = program == ProgramTypeId::kTracing && attach == kAttachRawTp;
  if (traced || program == ProgramTypeId::kStructOps ||
      (program == ProgramTypeId::kTracing && attach == kAttachIter) ||
      (program == ProgramTypeId::kLsm && IsTrustedHook(name))) {
    flags |= kTrusted;
  }
  if (fixed != nullptr) {
    flags = fixed->flags;
  } else {
    if (EndsWith(StubParameter(number, parameter), "__nullable")) flags |= kMaybeNull;
    flags = static_cast<uint16_t>(flags | (PointerTag(btf, pointee) & (kUser | kPercpu)));
  }
  bool may_be_error = false;
  if (traced) {
    const TracepointArgument rule = RuleOfTracepoint(name, number);
    if (rule == TracepointArgument::kMaybeNull) flags |= kMaybeNull;
    may_be_error = rule == TracepointArgument::kMaybeError;
  }
  if (!IsStruct(btf, target)) {
    Note(FindingCode::kArgumentNotStruct, {name, number, Upper(btf.kind(target))});
    return false;
  }
  Note(FindingCode::kArgumentType,
       {name, number, target, Upper(btf.kind(target)), btf.name(target)});
  if (may_be_error) return true;  // an error number in a pointer's place
  *value = Register::Pointer(RegKind::kBtfId, flags);
  value->btf = kTargetBtf;
  value->btf_id = target;
  // Congestion control works on TCP sockets alone.
  if (target_.structure == "tcp_congestion_ops" && btf.name(target) == "sock" &&
      (flags & ~kTrusted) == 0) {
    value->btf_id = TargetStruct("tcp_sock");
    if (value->btf_id == 0) return false;
  }
  return true;
}

// The name of the parameter in the kernel's stub of a struct_ops member, where
// there is one, else as it is.
std::string_view Verifier::StubParameter(uint32_t number, std::string_view own) const {
  const Btf& btf = *BtfOf(kTargetBtf);
  const bool stub = target_.stub != 0 && btf.kind(target_.stub) == Kind::kFuncProto &&
                    number < btf.type(target_.stub).vlen;
  return stub ? btf.parameter(target_.stub, number).name : own;
}

}  // namespace skep::verifier
