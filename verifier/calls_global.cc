// SPDX-License-Identifier: Apache-2.0
// Global functions: what their callers must pass, and with what they are
// verified.

#include "btf/btf.h"
#include "verifier/btf_walk.h"
#include "verifier/verifier.h"

namespace skep::verifier {

bool Verifier::CallGlobal(uint32_t target) {
  const GlobalPrototype& prototype = *PrototypeOf(target);
  const std::string& name = program_.subprograms()[target].name;
  const State& s = state();
  if (s.locks != 0) return Reject(FindingCode::kGlobalUnderLock, {});
  SubprogramInfo& callee = structure_.subprograms[target];
  if (callee.might_sleep &&
      (s.rcu_sections != 0 || s.preempt_sections != 0 || s.irq_id != 0 || !s.sleepable)) {
    Reject(FindingCode::kGlobalMightSleep, {});
    if (log_.Any()) {
      log_.Append(
          "i.e., in a RCU/IRQ/preempt-disabled section, or in\n"
          "a non-sleepable BPF program context\n");
    }
    return false;
  }
  if (prototype.failed != FindingCode::kNone) {
    if (RowOf(prototype.failed).kind == FindingKind::kUnsupported) {
      return RejectWithText(prototype.failed, prototype.message);
    }
    if (log_.Any()) log_.Append(prototype.message + "\n");
    return Reject(FindingCode::kInvalidGlobalArgs, {target, name});
  }
  if (!CheckGlobalArguments(prototype)) {
    // The reason was noted; the verdict is Linux's sentence about the call.
    findings_.clear();
    return Reject(FindingCode::kInvalidGlobalArgs, {target, name});
  }
  callee.called = true;
  if (log_.Paths()) {
    log_.Append("Func#" + std::to_string(target) + " ('" + name +
                "') is global and assumed valid.\n");
  }
  ClearCallerSaved();
  reg(0) = Register::Unknown();
  if (callee.changes_packet || callee.calls_tail_call) InvalidatePackets();
  return true;
}

bool Verifier::CheckGlobalArguments(const GlobalPrototype& prototype) {
  for (size_t i = 0; i < prototype.arguments.size(); ++i) {
    changes_.regs = static_cast<uint16_t>(changes_.regs | 2u << i);
    if (!CheckGlobalArgument(prototype.arguments[i], i)) return false;
  }
  return true;
}

bool Verifier::CheckGlobalArgument(const GlobalArgument& argument, size_t index) {
  using Kind = GlobalArgument::Kind;
  const int number = static_cast<int>(index) + 1;
  const Register& r = reg(number);
  switch (argument.kind) {
    case Kind::kScalar:
      if (r.IsScalar()) return true;
      Note(FindingCode::kArgNotScalar, {number});
      return false;
    case Kind::kContext:
      if (!CheckArgumentOffset(r, number, {})) return false;
      if (r.kind == RegKind::kContext) return true;
      Note(FindingCode::kArgNotContext, {index});
      return false;
    case Kind::kMemory: {
      const bool null = r.IsNullConstant();
      if (null) {
        // The callee is verified for null too; that it is null matters then.
        if (!MarkPrecise(number)) return false;
      } else if (!CheckGlobalMemory(number, argument.size)) {
        return false;
      }
      if (argument.maybe_null || !(null || r.MaybeNull())) return true;
      Note(FindingCode::kArgMaybeNull, {index});
      return false;
    }
    case Kind::kUntrustedMemory:
    case Kind::kUntrustedObject:
      return true;  // loads are guarded
    case Kind::kArena:
      if (r.kind == RegKind::kArena || r.IsScalar()) return true;
      Note(FindingCode::kGlobalArgNotArena, {number});
      return false;
    case Kind::kDynptr:
      if (!CheckArgumentOffset(r, number, {.kind = ArgKind::kDynptr})) return false;
      if (r.kind != RegKind::kDynptr && r.kind != RegKind::kStack) {
        Note(FindingCode::kGlobalArgNotDynptr, {index});
        return false;
      }
      return UseDynptr(number, static_cast<uint32_t>(index), 0, true);
    case Kind::kObject:
      return CheckObjectArgument(argument, number);
  }
  return false;
}

// A pointer that the kernel vouches for, to the struct that the prototype names.
bool Verifier::CheckObjectArgument(const GlobalArgument& argument, int number) {
  const Register& r = reg(number);
  if (r.IsNullConstant() && argument.maybe_null) return MarkPrecise(number);
  const uint16_t folded = argument.maybe_null ? kMaybeNull : 0;
  const int flags = r.flags & ~folded;
  if (r.kind != RegKind::kBtfId || (flags != 0 && flags != kTrusted && flags != kRcu)) {
    return Reject(FindingCode::kArgumentKind,
                  {number, KindName(r), "ptr_, trusted_ptr_, rcu_ptr_"});
  }
  const btf::Btf* btf = BtfOf(kTargetBtf);
  const bool matches =
      r.off >= 0 && r.btf == kTargetBtf && btf != nullptr &&
      StructMatches(*btf, r.btf_id, static_cast<uint32_t>(r.off), argument.btf_id, false, true);
  if (!matches) {
    const btf::Btf* own = BtfOf(r.btf);
    return Reject(FindingCode::kWrongObject, {number, own != nullptr ? own->name(r.btf_id) : "",
                                              btf != nullptr ? btf->name(argument.btf_id) : ""});
  }
  return CheckArgumentOffset(r, number, {});
}

// A context that accesses do not rewrite may be passed on as memory.
bool Verifier::CheckContextAsMemory(int number, uint32_t size) {
  const bool rewritten = !type_->fields.empty() && type_->id != ProgramTypeId::kNetfilter &&
                         type_->id != ProgramTypeId::kLircMode2 &&
                         type_->id != ProgramTypeId::kRawTracepointWritable;
  if (!CheckArgumentOffset(reg(number), number, {})) return false;
  if (rewritten) return CheckHelperMemory(number, size, Access::kRead, true, nullptr);
  if (size == 0) return true;
  const int64_t last = int64_t{size} - 1;
  return AccessContext(number, last, 1, Access::kRead, -1, false) &&
         AccessContext(number, last, 1, Access::kWrite, -1, false);
}

// The function may read and write the memory it is given.
bool Verifier::CheckGlobalMemory(int number, uint32_t size) {
  Register& r = reg(number);
  const Register saved = r;
  r.flags = static_cast<uint16_t>(r.flags & ~kMaybeNull);
  switch (r.kind) {
    case RegKind::kStack:
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
    case RegKind::kMapKey:
    case RegKind::kMapValue:
    case RegKind::kMemory:
      break;
    case RegKind::kContext:
      return CheckContextAsMemory(number, size);
    default:
      return CheckPointerOffset(r, number, false) &&
             CheckHelperMemory(number, size, Access::kRead, true, nullptr);
  }
  if (r.IsPacket() && !PacketIsWritable(type_->packet)) {
    return Reject(FindingCode::kPacketWrite, {});
  }
  const bool ok = CheckHelperMemory(number, size, Access::kRead, true, nullptr) &&
                  CheckHelperMemory(number, size, Access::kWrite, true, nullptr);
  reg(number) = saved;
  return ok;
}

void Verifier::SetUpGlobalArguments(const GlobalPrototype& prototype) {
  for (size_t i = 0; i < prototype.arguments.size(); ++i) {
    SetUpGlobalArgument(prototype.arguments[i], state().reg(i + 1));
  }
}

void Verifier::SetUpGlobalArgument(const GlobalArgument& argument, Register& r) {
  using Kind = GlobalArgument::Kind;
  const uint16_t maybe_null = argument.maybe_null ? kMaybeNull : 0;
  switch (argument.kind) {
    case Kind::kScalar:
    case Kind::kArena:
      r = Register::Unknown();
      return;
    case Kind::kContext:
      r = Register::Pointer(RegKind::kContext);
      return;
    case Kind::kMemory:
      r = Register::Pointer(RegKind::kMemory, maybe_null);
      r.size = argument.size;
      break;
    case Kind::kUntrustedMemory:
      r = Register::Pointer(RegKind::kMemory, kReadOnly | kUntrusted);
      break;
    case Kind::kDynptr:
      r = Register::Pointer(RegKind::kDynptr, kDynptrLocal);
      r.first_slot = true;
      break;
    case Kind::kObject:
    case Kind::kUntrustedObject: {
      r = Register::Pointer(RegKind::kBtfId, kUntrusted);
      if (argument.kind == Kind::kObject) r.flags = static_cast<uint16_t>(kTrusted | maybe_null);
      r.btf = kTargetBtf;
      r.btf_id = argument.btf_id;
      break;
    }
  }
  r.id = NewId();
}

}  // namespace skep::verifier
