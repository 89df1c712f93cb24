// SPDX-License-Identifier: Apache-2.0
// Lists and trees of the program's own objects.
//
// A root lies in a map's value or an object, beside the lock that guards it. An
// object that is put in belongs to the graph from then on: the program's
// reference becomes a non-owning one, which is valid while the lock is held.

#include <algorithm>

#include "btf/btf.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

bool IsOwnedObject(const Register& r) { return r.kind == RegKind::kBtfId && r.flags == kAlloc; }

bool IsNonOwning(const Register& r) {
  constexpr uint16_t kBoth = kAlloc | kNonOwning;
  return r.kind == RegKind::kBtfId && (r.flags & kBoth) == kBoth;
}

bool IsInsertion(const KfuncCall& call) {
  return call.Is(Kfunc::bpf_list_push_front_impl) || call.Is(Kfunc::bpf_list_push_back_impl) ||
         call.Is(Kfunc::bpf_rbtree_add_impl);
}

}  // namespace

// In the callback that orders a tree, or in what it calls.
bool Verifier::InGraphCallback() const {
  const State& s = *current_;
  for (uint32_t f = s.depth; f > 0; --f) {
    if (!s.frames[f]->in_callback) continue;
    const KfuncSpec* spec = structure_.KfuncOf(s.frames[f]->callsite);
    if (spec != nullptr && spec->name.starts_with("bpf_rbtree_")) return true;
  }
  return false;
}

// The lock of what `r` points into is held.
bool Verifier::IsLockHeldFor(const Register& r) {
  const State& s = state();
  if (s.locks == 0) return false;
  const uint64_t holder = LockHolderOf(r);
  for (const Reference& held : s.refs) {
    const bool is_lock = held.kind == ReferenceKind::kSpinLock ||
                         held.kind == ReferenceKind::kResilientLock ||
                         held.kind == ReferenceKind::kResilientIrqLock;
    if (is_lock && held.id == r.id && held.lock == holder) return true;
  }
  Note(FindingCode::kGraphLockOther, {});
  return false;
}

bool Verifier::CheckGraphRoot(uint32_t index, SpecialKind kind, KfuncCall& call) {
  const int number = static_cast<int>(index) + 1;
  const Register& r = reg(number);
  const std::string_view name = NameOf(kind);
  const bool in_map = r.kind == RegKind::kMapValue && r.flags == 0;
  if (!in_map && !IsOwnedObject(r)) return Reject(FindingCode::kGraphRootMemory, {index});
  if (!in_map && r.ref_id == 0) return Reject(FindingCode::kKfuncObjectNotReferenced, {});
  if (!r.HasConstOffset()) return Reject(FindingCode::kGraphVarOffset, {number, name});
  const int64_t at = r.off + static_cast<int64_t>(r.var.bits.value);
  const FieldRecord* record = RecordOf(r);
  const SpecialField* field =
      record != nullptr && at >= 0 ? record->At(static_cast<uint32_t>(at), MaskOf(kind)) : nullptr;
  if (field == nullptr) return Reject(FindingCode::kGraphFieldMissing, {name, at});
  if (!IsLockHeldFor(r)) {
    const SpecialField* lock = record->Find(MaskOf(SpecialKind::kSpinLock));
    constexpr int64_t kNone = -22;
    return Reject(FindingCode::kGraphLockNotHeld,
                  {lock != nullptr ? int64_t{lock->offset} : kNone, name});
  }
  call.root = *field;
  call.has_root = true;
  return true;
}

bool Verifier::CheckGraphNode(uint32_t index, SpecialKind kind, KfuncCall& call) {
  const int number = static_cast<int>(index) + 1;
  const Register& r = reg(number);
  const std::string_view name = NameOf(kind);
  if (kind == SpecialKind::kListNode || call.Is(Kfunc::bpf_rbtree_add_impl)) {
    if (!IsOwnedObject(r)) return Reject(FindingCode::kKfuncNotAllocated, {index});
    if (r.ref_id == 0) return Reject(FindingCode::kKfuncObjectNotReferenced, {});
  } else {
    if (!IsNonOwning(r) && r.ref_id == 0) {
      return Reject(FindingCode::kGraphRemoveOwned, {call.spec().name});
    }
    if (InGraphCallback()) return Reject(FindingCode::kGraphInCallback, {call.spec().name});
  }
  if (!r.HasConstOffset()) return Reject(FindingCode::kGraphVarOffset, {number, name});
  const int64_t at = r.off + static_cast<int64_t>(r.var.bits.value);
  const FieldRecord* record = RecordOf(r);
  const SpecialField* field =
      record != nullptr && at >= 0 ? record->At(static_cast<uint32_t>(at), MaskOf(kind)) : nullptr;
  if (field == nullptr) return Reject(FindingCode::kGraphFieldMissing, {name, at});
  // The root comes first in every prototype.
  if (!call.has_root) return Reject(FindingCode::kKfuncUnmodelled, {call.spec().name});
  const btf::Btf& btf = *program_.data().btf;
  const SpecialField& root = call.root;
  if (r.btf != kProgramBtf || r.btf_id != root.type) {
    return Reject(FindingCode::kGraphNodeType, {NameOf(root.kind), name, root.node_offset,
                                                btf.name(root.type), at, btf.name(r.btf_id)});
  }
  if (at != root.node_offset) {
    return Reject(FindingCode::kGraphNodeOffset, {at, name, root.node_offset, btf.name(root.type)});
  }
  return true;
}

bool Verifier::CheckRefcounted(uint32_t index, KfuncCall& call) {
  const Register& r = reg(static_cast<int>(index) + 1);
  if (r.kind != RegKind::kBtfId || (r.flags & kAlloc) == 0) {
    return Reject(FindingCode::kKfuncNotRefcountedRef, {index});
  }
  call.owning = !IsNonOwning(r) && r.ref_id != 0;
  const FieldRecord* record = RecordOf(r);
  if (record == nullptr || !record->Has(MaskOf(SpecialKind::kRefcount))) {
    return Reject(FindingCode::kKfuncNoRefcount, {index});
  }
  call.object_btf = r.btf;
  call.object_type = r.btf_id;
  return true;
}

// A node of the graph with this root, as the graph gives it.
Register Verifier::NodeOf(const SpecialField& root) {
  Register r = Register::Pointer(RegKind::kBtfId, kAlloc);
  r.btf = kProgramBtf;
  r.btf_id = root.type;
  r.off = static_cast<int32_t>(root.node_offset);
  return r;
}

// In a graph: with a reference count it stays memory as long as RCU wants it.
void Verifier::MarkNonOwning(Register& r) {
  r.flags |= kNonOwning;
  const FieldRecord* record = RecordOf(r);
  if (record != nullptr && record->Has(MaskOf(SpecialKind::kRefcount))) r.flags |= kRcu;
}

// An object that is put into a graph is no longer the program's to release.
//
// Sound because: every copy of the owning reference becomes non-owning, and those
// are forgotten when the lock is given back.
bool Verifier::GiveToGraph(const KfuncCall& call) {
  if (!IsInsertion(call)) return true;
  const uint32_t ref_id = reg(2).ref_id;
  ChangeRegisters(
      state(), [&](const Register& r) { return r.ref_id == ref_id; },
      [&](Register& r) {
        r.ref_id = 0;
        MarkNonOwning(r);
      });
  if (!DropReference(ref_id)) {
    return Reject(FindingCode::kKfuncNotAcquired, {call.spec().name, call.prototype->id});
  }
  return true;
}

// bpf_rbtree_add: the function that compares two nodes runs any number of times.
bool Verifier::CallLess(const KfuncCall& call) {
  if (!call.Is(Kfunc::bpf_rbtree_add_impl)) return true;
  Frame& caller = state().frame();
  if (state().depth + 1 >= kMaxFrames) {
    return Reject(FindingCode::kCallDepth, {state().depth + 2});
  }
  structure_.subprograms[call.callback].is_callback = true;
  State* other = PushPath(structure_.subprograms[call.callback].start, insn_);
  if (other == nullptr) return false;
  ++other->callback_depth;
  ++other->frame().callback_depth;
  PushFrame(*other, call.callback);
  Frame& callee = other->frame();
  callee.in_callback = true;
  callee.callback_min = 0;
  callee.callback_max = 1;
  for (size_t i = 1; i <= 2; ++i) {
    callee[i] = NodeOf(call.root);
    MarkNonOwning(callee[i]);
  }
  caller.callback_depth = 0;
  return true;
}

}  // namespace skep::verifier
