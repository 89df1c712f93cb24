// SPDX-License-Identifier: Apache-2.0
// The arguments of a call of a kernel function against its prototype, left to
// right.

#include <limits>

#include "btf/btf.h"
#include "verifier/btf_walk.h"
#include "verifier/kfunc_call.h"
#include "verifier/log.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr uint32_t kMaxArguments = 5;

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
                    {i, BtfKindText(*program_.data().target_btf, arg.type)});
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
  const bool demanding = call.Has(kfunc::kTrustedArgs | kfunc::kRcuArgs | kfunc::kRelease);
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
  // Functions that need no map of the program's own take the kernel's pointers too.
  const bool of_kernel = r.kind == RegKind::kBtfId && demanding;
  if (kind == Kind::kMap && r.kind != RegKind::kMapPointer && !of_kernel) {
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
      return CheckPointerOffset(r, number, (r.flags & ~(kTrustedFlags | kRcu)) == 0);
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
      if (r.kind == RegKind::kBtfId) return CheckKfuncObject(index, arg, call);
      return CheckKfuncMap(index, call);
    case KfuncArg::Kind::kDynptr:
      return CheckKfuncDynptr(index, arg, call);
    case KfuncArg::Kind::kWorkqueue:
      return CheckKfuncWorkqueue(index, call);
    case KfuncArg::Kind::kListHead:
      return CheckGraphRoot(index, SpecialKind::kListHead, call);
    case KfuncArg::Kind::kListNode:
      return CheckGraphNode(index, SpecialKind::kListNode, call);
    case KfuncArg::Kind::kRbRoot:
      return CheckGraphRoot(index, SpecialKind::kRbRoot, call);
    case KfuncArg::Kind::kRbNode:
      return CheckGraphNode(index, SpecialKind::kRbNode, call);
    case KfuncArg::Kind::kRefcounted:
      return CheckRefcounted(index, call);
    case KfuncArg::Kind::kPointer:
      return CheckKfuncObject(index, arg, call);
    case KfuncArg::Kind::kIrqFlag:
      return CheckIrqFlag(index, call);
    case KfuncArg::Kind::kResSpinLock:
      return CheckResilientLock(index, call);
    case KfuncArg::Kind::kTimer:
    case KfuncArg::Kind::kTaskWork:
      return Reject(FindingCode::kKfuncArgUnmodelled, {index, call.spec().name});
  }
  return true;
}

bool Verifier::CheckKfuncMap(uint32_t index, KfuncCall& call) {
  const Register& r = reg(static_cast<int>(index) + 1);
  const bool other = call.map != r.map || call.map_uid != r.map_uid;
  if (call.has_map && records_[r.map].Has(MaskOf(SpecialKind::kWorkqueue)) && other) {
    return Reject(FindingCode::kKfuncOtherMap, {call.map_uid, r.map_uid});
  }
  call.has_map = true;
  call.map = r.map;
  call.map_uid = r.map_uid;
  return true;
}

bool Verifier::CheckKfuncWorkqueue(uint32_t index, KfuncCall& call) {
  const int number = static_cast<int>(index) + 1;
  const Register& r = reg(number);
  if (r.kind != RegKind::kMapValue || r.flags != 0) {
    return Reject(FindingCode::kKfuncNotMapValue, {index});
  }
  if (FieldAt(number, SpecialKind::kWorkqueue) == nullptr) return false;
  call.has_map = true;
  call.map = r.map;
  call.map_uid = r.map_uid;
  return true;
}

bool Verifier::CheckKfuncDynptr(uint32_t index, const KfuncArg& arg, KfuncCall& call) {
  const int number = static_cast<int>(index) + 1;
  const Register& r = reg(number);
  if (r.kind != RegKind::kStack && r.kind != RegKind::kDynptr) {
    return Reject(FindingCode::kKfuncNotDynptr, {index});
  }
  if (!arg.uninitialised) {
    if (!UseDynptr(number, index, 0, true)) return false;
    const Register& dynptr = *DynptrAt(number);
    call.dynptr = dynptr.id;
    call.dynptr_ref = dynptr.ref_id;
    call.dynptr_flags = dynptr.flags & kDynptrTypes;
    return true;
  }
  switch (call.spec().id) {
    case Kfunc::bpf_dynptr_from_skb:
      return InitDynptr(number, kDynptrSkb, 0);
    case Kfunc::bpf_dynptr_from_skb_meta:
      return InitDynptr(number, kDynptrSkbMeta, 0);
    case Kfunc::bpf_dynptr_from_xdp:
      return InitDynptr(number, kDynptrXdp, 0);
    case Kfunc::bpf_dynptr_clone:
      return InitDynptr(number, call.dynptr_flags, call.dynptr_ref);
    default:
      return Reject(FindingCode::kKfuncUnmodelled, {call.spec().name});
  }
}

// A pointer to one of the kernel's structs.
bool Verifier::CheckKfuncObject(uint32_t index, const KfuncArg& arg, const KfuncCall& call) {
  const int number = static_cast<int>(index) + 1;
  const Register& r = reg(number);
  const btf::Btf& btf = *program_.data().target_btf;
  if (!IsStruct(btf, arg.pointee)) {
    return Reject(FindingCode::kKfuncPointerType,
                  {call.spec().name, index, BtfKindText(btf, arg.pointee), btf.name(arg.pointee)});
  }
  const bool unsafe = (r.flags & ~kTrustedFlags) != 0 && (r.flags & kRcu) == 0;
  if (r.kind == RegKind::kBtfId && unsafe) {
    Register plain = r;
    plain.flags &= kTrustedFlags;
    return Reject(FindingCode::kKfuncObjectExpected, {index, KindName(r), KindName(plain)});
  }
  const uint32_t have = KernelTypeOf(r);
  const btf::Btf* of = r.kind == RegKind::kBtfId ? BtfOf(r.btf) : &btf;
  if (have == 0 || of == nullptr) return Reject(FindingCode::kKfuncNoTargetBtf, {});
  const std::string_view have_name = of->name(have);
  const std::string_view need_name = btf.name(arg.pointee);
  // Linux: btf_is_projection_of and btf_type_ids_nocast_alias.
  const bool projection = (need_name == "__sk_buff" && have_name == "sk_buff") ||
                          (need_name == "xdp_md" && have_name == "xdp_buff");
  const auto alias = [](std::string_view a, std::string_view b) {
    constexpr std::string_view kInit = "___init";
    return a.size() == b.size() + kInit.size() && a.starts_with(b) && a.ends_with(kInit);
  };
  const bool strict = (call.Has(kfunc::kRelease) && r.ref_id != 0) ||
                      (of == &btf && (alias(have_name, need_name) || alias(need_name, have_name)));
  const bool same = of == &btf && StructMatches(btf, have, static_cast<uint32_t>(r.off),
                                                arg.pointee, strict, (r.flags & kAlloc) == 0);
  if (same || projection) return true;
  return Reject(FindingCode::kKfuncObjectType,
                {call.spec().name, index, BtfKindText(btf, arg.pointee), need_name, number,
                 BtfKindText(*of, have), have_name});
}

// The kernel's struct behind a register that stands for one; 0 if unknown.
uint32_t Verifier::KernelTypeOf(const Register& r) {
  switch (r.kind) {
    case RegKind::kBtfId:
      return r.btf_id;
    case RegKind::kSocket:
      return TargetStruct("sock");
    case RegKind::kSockCommon:
      return TargetStruct("sock_common");
    case RegKind::kTcpSock:
      return TargetStruct("tcp_sock");
    case RegKind::kMapPointer:
      return TargetStruct("bpf_map");
    default:
      return 0;
  }
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
    return Reject(FindingCode::kKfuncMemoryType, {index, BtfKindText(btf, arg.pointee),
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
