// SPDX-License-Identifier: Apache-2.0
// Calls of kernel functions (kfuncs): may this program call it, do the arguments
// fit (kfunc_arguments.cc), what does it return. The order of the checks is
// Linux's.

#include <algorithm>
#include <limits>

#include "btf/btf.h"
#include "verifier/kfunc_call.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr uint64_t kMaxPercpuObject = 512;

}  // namespace

const KfuncPrototype* Verifier::KfuncPrototypeOf(uint32_t id) {
  std::unique_ptr<KfuncPrototype>& slot = kfuncs_[id];
  if (slot == nullptr) {
    slot = std::make_unique<KfuncPrototype>(
        ReadKfuncPrototype(*program_.data().target_btf, id, program_.type()));
  }
  return slot.get();
}

bool Verifier::CheckKfuncAllowed(const KfuncPrototype& prototype) {
  const KfuncSpec* spec = prototype.spec;
  if (spec == nullptr || !MayCall(*spec, program_.type(), program_.data().expected_attach_type)) {
    return Reject(FindingCode::kKfuncNotAllowed, {prototype.name});
  }
  if (spec->Has(kfunc::kUnmodelled)) return Reject(FindingCode::kKfuncUnmodelled, {spec->name});
  if (spec->id == Kfunc::__bpf_trap) return Reject(FindingCode::kKfuncTrap, {});
  if (spec->Has(kfunc::kSleepable) && !state().sleepable) {
    return Reject(FindingCode::kKfuncNeedsSleepable, {spec->name});
  }
  return true;
}

bool Verifier::CallKfunc(const DecodedInsn& insn, bool* path_ends) {
  if (program_.data().target_btf == nullptr || insn.off != 0) {
    return Reject(FindingCode::kKfuncNoTargetBtf, {});
  }
  const KfuncPrototype& prototype = *KfuncPrototypeOf(static_cast<uint32_t>(insn.imm));
  if (state().locks != 0 && (prototype.spec == nullptr || !MayRunUnderLock(*prototype.spec))) {
    return Reject(FindingCode::kCallUnderLock, {});
  }
  if (!CheckKfuncAllowed(prototype)) return false;
  KfuncCall call;
  call.prototype = &prototype;
  if (!ForkFailedLock(call) || !CheckKfuncArguments(call)) return false;
  if (!CallLess(call)) return false;
  if (call.Is(Kfunc::bpf_wq_set_callback_impl) &&
      !CallBackLater(reg(1), call.callback, true, 0, 0)) {
    return false;
  }
  NoteObject(call);
  if (!EnterOrLeaveSections(call)) return false;
  if (!ReleaseKfuncArgument(call)) return false;
  if (call.Is(Kfunc::bpf_throw)) {
    *path_ends = true;
    return Throw();
  }
  ClearCallerSaved();
  if (!SetKfuncResult(call)) return false;
  if (call.Has(kfunc::kMovesPacket)) InvalidatePackets();
  return !call.Has(kfunc::kIterNext) || StepIterator(call);
}

// What lowering hands to functions that make objects or take them.
void Verifier::NoteObject(const KfuncCall& call) {
  const bool makes = call.Is(Kfunc::bpf_obj_new_impl) || call.Is(Kfunc::bpf_percpu_obj_new_impl);
  uint32_t type = call.object_btf == kProgramBtf ? call.object_type : 0;
  if (makes) type = static_cast<uint32_t>(std::min<uint64_t>(call.constant, model::kMixedType));
  if (type == 0) return;
  uint32_t& noted = notes_[insn_].fact.object_type;
  noted = noted == 0 || noted == type ? type : model::kMixedType;
}

// RCU and non-preemptible sections, and what may not be called inside them.
bool Verifier::EnterOrLeaveSections(const KfuncCall& call) {
  State& s = state();
  const KfuncSpec& spec = call.spec();
  const bool sleepable = call.Has(kfunc::kSleepable);
  const bool lock = call.Is(Kfunc::bpf_rcu_read_lock);
  const bool unlock = call.Is(Kfunc::bpf_rcu_read_unlock);
  if (s.rcu_sections != 0) {
    if ((lock || unlock) && InGraphCallback()) {
      return Reject(FindingCode::kKfuncRcuInRbtreeCallback, {});
    }
    if (lock) return Reject(FindingCode::kKfuncRcuNested, {spec.name});
    if (unlock) {
      LeaveRcuSection();
    } else if (sleepable) {
      return Reject(FindingCode::kKfuncSleepsInRcu, {spec.name});
    }
  } else if (lock) {
    s.rcu_sections = 1;
  } else if (unlock) {
    return Reject(FindingCode::kKfuncRcuUnmatched, {spec.name});
  }

  const bool disable = call.Is(Kfunc::bpf_preempt_disable);
  const bool enable = call.Is(Kfunc::bpf_preempt_enable);
  if (disable) {
    ++s.preempt_sections;
  } else if (s.preempt_sections == 0) {
    if (enable) return Reject(FindingCode::kKfuncPreemptUnmatched, {spec.name});
  } else if (enable) {
    --s.preempt_sections;
  } else if (sleepable) {
    return Reject(FindingCode::kKfuncSleepsUnpreemptible, {spec.name});
  }

  if (s.irq_id != 0 && sleepable) return Reject(FindingCode::kKfuncSleepsInIrq, {spec.name});
  if (call.Has(kfunc::kRcuProtected) && !InRcuSection()) {
    return Reject(FindingCode::kKfuncNeedsRcu, {spec.name});
  }
  return true;
}

// What the section protected may be gone: its pointers are addresses, no more.
void Verifier::LeaveRcuSection() {
  State& s = state();
  s.rcu_sections = 0;
  const auto is_rcu = [](const Register& r) { return (r.flags & kRcu) != 0; };
  const auto forget = [](Register& r) {
    r.flags = static_cast<uint16_t>((r.flags & ~(kRcu | kMaybeNull)) | kUntrusted);
  };
  ChangeRegisters(s, is_rcu, forget);
  for (uint32_t f = 0; f <= s.depth; ++f) {
    for (size_t i = 0; i < s.frames[f]->stack.size(); ++i) {
      const StackSlot& slot = s.frames[f]->stack[i];
      if (slot.bytes[0] != StackByte::kIterator || !is_rcu(slot.reg)) continue;
      forget(s.MutableFrame(f).stack.Mutable(i).reg);
    }
  }
}

bool Verifier::ReleaseKfuncArgument(KfuncCall& call) {
  if (call.release_register >= 0) {
    if (!ReleaseReference(reg(call.release_register).ref_id)) {
      return Reject(FindingCode::kKfuncNotAcquired, {call.spec().name, call.prototype->id});
    }
  }
  return GiveToGraph(call);
}

bool Verifier::SetKfuncResult(KfuncCall& call) {
  const btf::Btf& btf = *program_.data().target_btf;
  const KfuncSpec& spec = call.spec();
  const uint32_t type = call.prototype->returns;
  Register& r0 = reg(0);
  if (type == 0) return true;
  if (IsScalarType(btf, type)) {
    const bool locked =
        call.Is(Kfunc::bpf_res_spin_lock) || call.Is(Kfunc::bpf_res_spin_lock_irqsave);
    r0 = locked ? Register::Number(0) : Register::Unknown();
    return true;
  }
  if (btf.kind(type) != btf::Kind::kPtr) {
    return Reject(FindingCode::kKfuncUnmodelled, {spec.name});
  }
  const uint32_t pointee = btf.SkipModifiers(btf.type(type).size_or_type);
  if (!SetPointerResult(call, pointee)) return false;
  const bool maybe_null =
      call.Has(kfunc::kRetNull) && !(call.Is(Kfunc::bpf_refcount_acquire_impl) && call.owning);
  if (maybe_null) {
    r0.flags |= kMaybeNull;
    r0.id = NewId();
  }
  if (call.Has(kfunc::kAcquire)) {
    const uint32_t id = AcquireReference();
    if (maybe_null) r0.id = id;
    r0.ref_id = id;
  } else if (call.has_root) {
    MarkNonOwning(r0);
  }
  if (r0.id == 0 && MayPointToLock(r0)) r0.id = NewId();
  return true;
}

bool Verifier::SetPointerResult(KfuncCall& call, uint32_t pointee) {
  const btf::Btf& btf = *program_.data().target_btf;
  const KfuncSpec& spec = call.spec();
  Register& r0 = reg(0);
  bool handled = false;
  if (!SetSpecialResult(call, &handled)) return false;
  if (handled) return true;
  const btf::Kind kind = btf.kind(pointee);
  const bool is_struct = kind == btf::Kind::kStruct;
  if (call.Has(kfunc::kAcquire) && !is_struct) {
    return Reject(FindingCode::kKfuncAcquireNoObject, {});
  }
  if (pointee == 0) {
    r0 = Register::Unknown();
    return true;
  }
  if (is_struct) {
    r0 = Register::Pointer(RegKind::kBtfId);
    r0.btf = kTargetBtf;
    r0.btf_id = pointee;
    if (call.Is(Kfunc::bpf_get_kmem_cache)) {
      r0.flags |= kUntrusted;
    } else if (call.Has(kfunc::kRcuProtected)) {
      r0.flags |= kRcu;
    }
    if (call.Has(kfunc::kIterNext)) {
      r0.flags |= (IteratorOf(state(), call).flags & kRcu) != 0 ? kRcu : kTrusted;
    }
    return true;
  }
  if (call.result_size == 0) {
    call.result_size = btf.SizeOf(pointee).value_or(0);
    call.result_read_only = call.result_size != 0;
  }
  if (call.Is(Kfunc::bpf_session_cookie)) {
    call.result_size = sizeof(uint64_t);
    call.result_read_only = false;
  }
  if (call.result_size == 0) {
    return Reject(FindingCode::kKfuncReturnType,
                  {spec.name, btf::KindName(kind), btf.name(pointee)});
  }
  r0 = Register::Pointer(RegKind::kMemory, call.result_read_only ? kReadOnly : 0);
  r0.size = call.result_size;
  // Not to be used after the object was released.
  r0.ref_id = call.reference;
  if (call.Has(kfunc::kRcuProtected)) r0.flags |= kRcu;
  return true;
}

// Results whose type the prototype does not tell.
bool Verifier::SetSpecialResult(KfuncCall& call, bool* handled) {
  *handled = true;
  Register& r0 = reg(0);
  switch (call.spec().id) {
    case Kfunc::bpf_obj_new_impl:
    case Kfunc::bpf_percpu_obj_new_impl:
      return SetNewObject(call);
    case Kfunc::bpf_refcount_acquire_impl:
      r0 = Register::Pointer(RegKind::kBtfId, kAlloc);
      r0.btf = call.object_btf;
      r0.btf_id = call.object_type;
      return true;
    case Kfunc::bpf_list_pop_front:
    case Kfunc::bpf_list_pop_back:
    case Kfunc::bpf_list_front:
    case Kfunc::bpf_list_back:
    case Kfunc::bpf_rbtree_remove:
    case Kfunc::bpf_rbtree_first:
    case Kfunc::bpf_rbtree_root:
    case Kfunc::bpf_rbtree_left:
    case Kfunc::bpf_rbtree_right:
      r0 = NodeOf(call.root);
      return true;
    case Kfunc::bpf_cast_to_kern_ctx:
      r0 = Register::Pointer(RegKind::kBtfId, kTrusted);
      r0.btf = kTargetBtf;
      r0.btf_id = call.context_type;
      return true;
    case Kfunc::bpf_dynptr_slice:
    case Kfunc::bpf_dynptr_slice_rdwr:
      return SetSlice(call);
    case Kfunc::bpf_rdonly_cast:
      return SetCast(call);
    default:
      *handled = false;
      return true;
  }
}

// Memory of a dynptr. That of a ring buffer's record ends with the record.
bool Verifier::SetSlice(const KfuncCall& call) {
  const bool read_only = call.Is(Kfunc::bpf_dynptr_slice);
  if (!read_only && !PacketIsWritable(type_->packet)) {
    return Reject(FindingCode::kKfuncPacketReadOnly, {});
  }
  if (!call.has_constant || call.constant > std::numeric_limits<uint32_t>::max()) {
    return Reject(FindingCode::kKfuncUnmodelled, {call.spec().name});
  }
  Register& r0 = reg(0);
  r0 = Register::Pointer(RegKind::kMemory, call.dynptr_flags);
  if (read_only) r0.flags |= kReadOnly;
  r0.size = static_cast<uint32_t>(call.constant);
  r0.dynptr = call.dynptr;
  r0.ref_id = call.dynptr_ref;
  return true;
}

bool Verifier::SetCast(const KfuncCall& call) {
  const btf::Btf& btf = *program_.data().target_btf;
  Register& r0 = reg(0);
  if (call.constant >= btf.type_count()) {
    return Reject(FindingCode::kKfuncCastUnknown, {call.constant});
  }
  const auto type = static_cast<uint32_t>(call.constant);
  const btf::Kind kind = btf.kind(type);
  if (kind == btf::Kind::kStruct || kind == btf::Kind::kUnion) {
    r0 = Register::Pointer(RegKind::kBtfId, kUntrusted);
    r0.btf = kTargetBtf;
    r0.btf_id = type;
    return true;
  }
  if (kind != btf::Kind::kVoid) return Reject(FindingCode::kKfuncCastNotStruct, {});
  r0 = Register::Pointer(RegKind::kMemory, kReadOnly | kUntrusted);
  r0.size = 0;
  return true;
}

bool Verifier::SetNewObject(const KfuncCall& call) {
  const bool percpu = call.Is(Kfunc::bpf_percpu_obj_new_impl);
  if (call.constant > std::numeric_limits<uint32_t>::max()) {
    return Reject(FindingCode::kKfuncLocalTypeRange, {});
  }
  const btf::Btf* btf = program_.data().btf.get();
  if (btf == nullptr) return Reject(FindingCode::kKfuncLocalNeedsBtf, {});
  const auto type = static_cast<uint32_t>(call.constant);
  if (type >= btf->type_count() || btf->kind(type) != btf::Kind::kStruct) {
    return Reject(FindingCode::kKfuncLocalNotStruct, {});
  }
  const uint32_t size = btf->SizeOf(type).value_or(0);
  if (percpu) {
    if (size > kMaxPercpuObject) {
      return Reject(FindingCode::kKfuncPercpuSize, {size, kMaxPercpuObject});
    }
    if (!IsScalarStruct(*btf, type)) return Reject(FindingCode::kKfuncPercpuNotScalar, {});
    if (local_records().Find(type) != nullptr) {
      return Reject(FindingCode::kKfuncPercpuSpecial, {});
    }
  }
  Register& r0 = reg(0);
  r0 = Register::Pointer(RegKind::kBtfId, percpu ? kAlloc | kPercpu : kAlloc);
  r0.btf = kProgramBtf;
  r0.btf_id = type;
  return true;
}

}  // namespace skep::verifier
