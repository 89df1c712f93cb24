// SPDX-License-Identifier: Apache-2.0
// The arguments of a call of a kernel function against its prototype, left to
// right.

#include <limits>

#include "btf/btf.h"
#include "verifier/kfunc_call.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr uint32_t kMaxArguments = 5;

// As Linux names a type in these messages: its kind in capitals.
std::string KindText(const btf::Btf& btf, uint32_t id) {
  if (id == 0) return "UNKNOWN";
  std::string text(btf::KindName(btf.kind(id)));
  for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return text;
}

// Kinds that stand for one of the kernel's structs.
bool IsKernelObject(const Register& r) {
  return r.kind == RegKind::kBtfId || r.kind == RegKind::kSocket ||
         r.kind == RegKind::kSockCommon || r.kind == RegKind::kTcpSock ||
         r.kind == RegKind::kMapPointer;
}

constexpr uint16_t kTrustedFlags = kAlloc | kTrusted | kNonOwning;

// Linux: is_trusted_reg.
bool CountsAsTrusted(const Register& r) {
  if (r.ref_id != 0) return true;
  const bool unsafe = (r.flags & ~kTrustedFlags) != 0;
  if (IsKernelObject(r) && r.kind != RegKind::kBtfId) return !unsafe;
  return (r.flags & kTrustedFlags) != 0 && !unsafe;
}

bool IsOwnedObject(const Register& r) { return r.kind == RegKind::kBtfId && r.flags == kAlloc; }

}  // namespace

bool Verifier::CheckKfuncArguments(KfuncCall& call) {
  const KfuncPrototype& prototype = *call.prototype;
  if (prototype.argument_count > kMaxArguments) {
    return Reject(FindingCode::kKfuncTooManyArgs,
                  {prototype.name, prototype.argument_count, kMaxArguments});
  }
  for (uint32_t i = 0; i < prototype.argument_count; ++i) {
    const KfuncArg& arg = prototype.arguments[i];
    if (arg.kind == KfuncArg::Kind::kIgnored) continue;
    changes_.regs = static_cast<uint16_t>(changes_.regs | 2u << i);
    if (arg.kind == KfuncArg::Kind::kScalar) {
      if (!CheckKfuncScalar(i, arg, call)) return false;
      continue;
    }
    if (arg.kind == KfuncArg::Kind::kOther) {
      return Reject(FindingCode::kKfuncArgType,
                    {i, KindText(*program_.data().target_btf, arg.type)});
    }
    bool with_size = false;
    if (!CheckKfuncPointer(i, arg, call, &with_size)) return false;
    if (with_size) ++i;
  }
  if (call.Has(kfunc::kRelease) && call.release_register < 0) {
    return Reject(FindingCode::kKfuncNothingReleased, {prototype.name});
  }
  return true;
}

bool Verifier::CheckKfuncScalar(uint32_t index, const KfuncArg& arg, KfuncCall& call) {
  const int number = static_cast<int>(index) + 1;
  const Register& r = reg(number);
  if (!r.IsScalar()) return Reject(FindingCode::kKfuncNotScalar, {number});
  if (arg.constant) {
    if (!r.var.bits.IsConst()) return Reject(FindingCode::kKfuncNotConstant, {number});
    call.has_constant = true;
    call.constant = r.var.value();
    return MarkPrecise(number);
  }
  if (!arg.read_only_size && !arg.read_write_size) return true;
  if (call.result_size != 0) return Reject(FindingCode::kKfuncTwoResultSizes, {});
  if (!r.var.bits.IsConst()) return Reject(FindingCode::kKfuncResultSizeNotConst, {number});
  if (r.var.value() > std::numeric_limits<uint32_t>::max()) {
    return Reject(FindingCode::kKfuncResultSizeRange, {number});
  }
  call.result_size = static_cast<uint32_t>(r.var.value());
  call.result_read_only = arg.read_only_size;
  return MarkPrecise(number);
}

// Trust, null and offset: what is asked of all pointers, before their kind.
bool Verifier::CheckKfuncPointer(uint32_t index, const KfuncArg& arg, KfuncCall& call,
                                 bool* with_size) {
  const int number = static_cast<int>(index) + 1;
  const Register& r = reg(number);
  const bool demanding = call.Has(kfunc::kTrustedArgs | kfunc::kRcuArgs);
  if (demanding && (r.IsNullConstant() || r.MaybeNull()) && !arg.nullable) {
    return Reject(FindingCode::kKfuncMaybeNull, {index});
  }
  if (r.ref_id != 0) {
    call.reference = r.ref_id;
    if (call.Has(kfunc::kRelease)) call.release_register = number;
  }
  if (arg.nullable && r.IsNullConstant()) return true;
  using Kind = KfuncArg::Kind;
  Kind kind = arg.kind;
  if (kind == Kind::kPointer && !IsKernelObject(r)) {
    return CheckKfuncMemory(index, call, with_size);
  }
  if (kind == Kind::kMap && r.kind != RegKind::kMapPointer) {
    return Reject(FindingCode::kKfuncNotMap, {number});
  }
  if (demanding && (kind == Kind::kMap || kind == Kind::kAllocated || kind == Kind::kPointer) &&
      !CountsAsTrusted(r)) {
    if (!call.Has(kfunc::kRcuArgs)) return Reject(FindingCode::kKfuncNotTrusted, {number});
    if ((r.flags & kRcu) == 0) return Reject(FindingCode::kKfuncNotRcu, {number});
  }
  if (!CheckKfuncOffset(number, call.Has(kfunc::kRelease) && r.ref_id != 0)) return false;
  return CheckKfuncPointee(index, arg, call);
}

bool Verifier::CheckKfuncOffset(int number, bool releases) {
  const Register& r = reg(number);
  if (releases) {
    if (r.off != 0) return Reject(FindingCode::kReleaseOffset, {number});
    return CheckPointerOffset(r, number, false);
  }
  switch (r.kind) {
    case RegKind::kStack:
    case RegKind::kPacket:
    case RegKind::kPacketMeta:
    case RegKind::kMapKey:
    case RegKind::kMapValue:
    case RegKind::kMemory:
    case RegKind::kBuffer:
    case RegKind::kScalar:
    case RegKind::kNotInit:
    case RegKind::kDynptr:
    case RegKind::kArena:
      return true;
    case RegKind::kBtfId:
      return CheckPointerOffset(r, number, true);
    default:
      return CheckPointerOffset(r, number, false);
  }
}

bool Verifier::CheckKfuncPointee(uint32_t index, const KfuncArg& arg, KfuncCall& call) {
  const int number = static_cast<int>(index) + 1;
  const Register& r = reg(number);
  const btf::Btf& btf = *program_.data().target_btf;
  switch (arg.kind) {
    case KfuncArg::Kind::kScalar:
    case KfuncArg::Kind::kIgnored:
    case KfuncArg::Kind::kOther:
      return true;
    case KfuncArg::Kind::kContext:
      if (r.kind != RegKind::kContext) {
        return Reject(FindingCode::kKfuncNotContext, {index, KindName(r)});
      }
      if (call.Is(Kfunc::bpf_cast_to_kern_ctx)) {
        call.context_type = KernelContextOf(program_.type(), btf);
        if (call.context_type == 0) {
          return Reject(FindingCode::kKfuncUnmodelled, {call.spec().name});
        }
      }
      return true;
    case KfuncArg::Kind::kAllocated:
      return CheckKfuncDrop(index, call);
    case KfuncArg::Kind::kIterator:
      return CheckKfuncIterator(index, arg, call);
    case KfuncArg::Kind::kFunction:
      if (r.kind != RegKind::kFunction) return Reject(FindingCode::kKfuncNotFunction, {index});
      call.callback = r.subprogram;
      return true;
    case KfuncArg::Kind::kConstString:
      if (r.kind != RegKind::kMapValue) {
        return Reject(FindingCode::kKfuncNotConstString, {index});
      }
      return CheckConstString(number, nullptr, nullptr);
    case KfuncArg::Kind::kMap:
      call.has_map = true;
      call.map = r.map;
      call.map_uid = r.map_uid;
      return true;
    case KfuncArg::Kind::kPointer:
    case KfuncArg::Kind::kRefcounted:
    case KfuncArg::Kind::kDynptr:
    case KfuncArg::Kind::kListHead:
    case KfuncArg::Kind::kListNode:
    case KfuncArg::Kind::kRbRoot:
    case KfuncArg::Kind::kRbNode:
    case KfuncArg::Kind::kWorkqueue:
    case KfuncArg::Kind::kTimer:
    case KfuncArg::Kind::kTaskWork:
    case KfuncArg::Kind::kIrqFlag:
    case KfuncArg::Kind::kResSpinLock:
      return Reject(FindingCode::kKfuncArgUnmodelled, {index, call.spec().name});
  }
  return true;
}

// An object of the program's own that is given back.
bool Verifier::CheckKfuncDrop(uint32_t index, KfuncCall& call) {
  const Register& r = reg(static_cast<int>(index) + 1);
  if (r.kind != RegKind::kBtfId || (r.flags & ~kPercpu) != kAlloc) {
    return Reject(FindingCode::kKfuncNotAllocated, {index});
  }
  if (IsOwnedObject(r) && !call.Is(Kfunc::bpf_obj_drop_impl)) {
    return Reject(FindingCode::kKfuncDrop, {index});
  }
  if ((r.flags & kPercpu) != 0 && !call.Is(Kfunc::bpf_percpu_obj_drop_impl)) {
    return Reject(FindingCode::kKfuncDropPercpu, {index});
  }
  if (r.ref_id == 0) return Reject(FindingCode::kKfuncObjectNotReferenced, {});
  call.object_btf = r.btf;
  call.object_type = r.btf_id;
  return true;
}

// Memory of a size that the pointee's type or the next argument tells.
bool Verifier::CheckKfuncMemory(uint32_t index, KfuncCall& call, bool* with_size) {
  const KfuncPrototype& prototype = *call.prototype;
  const KfuncArg& arg = prototype.arguments[index];
  const btf::Btf& btf = *program_.data().target_btf;
  const int number = static_cast<int>(index) + 1;
  const KfuncArg* size = index + 1 < prototype.argument_count && index + 1 < kMaxArguments
                             ? &prototype.arguments[index + 1]
                             : nullptr;
  const bool sized = size != nullptr && (size->size_of_before || size->constant_size_of_before) &&
                     reg(number + 1).IsScalar();
  const bool bytes = (arg.pointee != 0 && IsScalarType(btf, arg.pointee)) ||
                     IsScalarStruct(btf, arg.pointee) || (sized && arg.pointee == 0);
  if (!bytes) {
    return Reject(FindingCode::kKfuncMemoryType, {index, KindText(btf, arg.pointee),
                                                  btf.name(arg.pointee), sized ? "void, " : ""});
  }
  if (!CheckKfuncOffset(number, call.Has(kfunc::kRelease) && reg(number).ref_id != 0)) return false;
  if (!sized) {
    if (reg(number).IsNullConstant()) return true;
    return CheckGlobalMemory(number, btf.SizeOf(arg.pointee).value_or(0));
  }
  *with_size = true;
  if (!reg(number).IsNullConstant() || !arg.optional) {
    if (!CheckKfuncSizedMemory(number)) {
      // Linux adds a line behind the reason.
      return false;
    }
  }
  if (size->constant_size_of_before) {
    const Register& value = reg(number + 1);
    if (!value.var.bits.IsConst()) return Reject(FindingCode::kKfuncNotConstant, {number + 1});
    call.has_constant = true;
    call.constant = value.var.value();
  }
  return true;
}

// The memory in register `number`, as long as the register behind it says, is
// read and written.
bool Verifier::CheckKfuncSizedMemory(int number) {
  const Register saved = reg(number);
  reg(number).flags = static_cast<uint16_t>(saved.flags & ~kMaybeNull);
  CallInfo info;
  const bool ok = CheckSizeArgument(number + 1, Access::kRead, true, info) &&
                  CheckSizeArgument(number + 1, Access::kWrite, true, info);
  reg(number) = saved;
  return ok;
}

}  // namespace skep::verifier
