// SPDX-License-Identifier: Apache-2.0
// Pointers that maps and objects hold (kptrs): loads and stores of the field, and
// bpf_kptr_xchg, which moves ownership in and out.

#include <algorithm>

#include "btf/btf.h"
#include "verifier/btf_walk.h"
#include "verifier/helper_rules.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

// Kernel types that are freed an RCU grace period late.
constexpr std::string_view kRcuFreed[] = {"prog_test_ref_kfunc", "cgroup", "bpf_cpumask",
                                          "task_struct", "bpf_crypto_ctx"};

}  // namespace

std::string Verifier::PointeeName(uint32_t btf, uint32_t id) const {
  const btf::Btf* types = BtfOf(btf);
  return types != nullptr && id < types->type_count() ? std::string(types->name(id)) : "";
}

// What a load of the field gives.
//
// Sound because: a pointer that can be freed any time is untrusted, so that loads
// through it are guarded and no call takes it; one that is freed late is valid
// while the RCU section lasts.
Register Verifier::LoadedKptr(const SpecialField& field) {
  Register r = Register::Pointer(RegKind::kBtfId, kMaybeNull);
  r.btf = field.btf;
  r.btf_id = field.type;
  r.id = NewId();
  const bool percpu = field.kind == SpecialKind::kKptrPercpu;
  const std::string name = PointeeName(field.btf, field.type);
  const bool freed_late =
      field.btf == kProgramBtf ||
      std::find(std::begin(kRcuFreed), std::end(kRcuFreed), name) != std::end(kRcuFreed);
  const bool safe = percpu || (field.kind == SpecialKind::kKptr && freed_late);
  if (!safe || !InRcuSection()) {
    r.flags |= kUntrusted;
    return r;
  }
  r.flags |= kRcu;
  if (percpu) {
    r.flags |= kPercpu;
  } else if (field.btf == kProgramBtf) {
    r.flags |= kAlloc;
  }
  const FieldRecord* record = field.btf == kProgramBtf ? local_records().Find(field.type) : nullptr;
  if (record != nullptr && record->Has(kGraphNodes)) r.flags |= kNonOwning;
  return r;
}

// Whether the pointer in register `number` may be stored in the field.
bool Verifier::KptrMatches(const SpecialField& field, int number) {
  const Register& r = reg(number);
  std::string name;
  const bool percpu = field.kind == SpecialKind::kKptrPercpu;
  bool ok = r.kind == RegKind::kBtfId;
  if (ok) {
    uint16_t allowed = kMaybeNull;
    if (r.btf == kTargetBtf) {
      allowed |= kTrusted | kRcu;
      if (field.kind == SpecialKind::kKptrUntrusted) allowed |= kUntrusted;
    } else {
      allowed |= kAlloc;
      if (percpu) allowed |= kPercpu;
    }
    ok = (r.flags & ~allowed) == 0 && percpu == ((r.flags & kPercpu) != 0);
  }
  if (ok) {
    name = PointeeName(r.btf, r.btf_id);
    if (!CheckPointerOffset(r, number, true)) return false;
    const btf::Btf* types = BtfOf(r.btf);
    ok = types != nullptr && r.btf == field.btf &&
         StructMatches(*types, r.btf_id, static_cast<uint32_t>(r.off), field.type,
                       field.kind != SpecialKind::kKptrUntrusted, (r.flags & kAlloc) == 0);
  }
  if (ok) return true;
  const std::string wanted = PointeeName(field.btf, field.type);
  std::string expected = "ptr_" + wanted;
  if (field.kind == SpecialKind::kKptrUntrusted) expected += " or untrusted_ptr_" + wanted;
  return Reject(FindingCode::kKptrType, {number, KindName(r), name, expected});
}

// A load or store of a whole field; value_reg as for CheckMemory.
bool Verifier::AccessKptr(const SpecialField& field, Access access, int value_reg) {
  const DecodedInsn& insn = info(insn_).insn;
  const OpInfo& op = Info(insn.op);
  if (op.kind != OpKind::kLoad && op.kind != OpKind::kStore) {
    return Reject(FindingCode::kKptrMode, {});
  }
  if (access == Access::kRead) {
    if (field.kind != SpecialKind::kUptr) {
      reg(value_reg) = LoadedKptr(field);
      return true;
    }
    const btf::Btf* types = BtfOf(field.btf);
    Register r = Register::Pointer(RegKind::kMemory, kMaybeNull);
    r.size = types != nullptr ? types->SizeOf(field.type).value_or(0) : 0;
    r.id = NewId();
    reg(value_reg) = r;
    return true;
  }
  if (field.kind == SpecialKind::kKptr || field.kind == SpecialKind::kKptrPercpu) {
    return Reject(FindingCode::kKptrStore, {});
  }
  if (field.kind == SpecialKind::kUptr) return Reject(FindingCode::kUptrStore, {});
  if (value_reg < 0) {
    return insn.imm == 0 || Reject(FindingCode::kKptrStoreNumber, {field.offset});
  }
  // That the number is 0 is what makes the store valid.
  if (reg(value_reg).IsNullConstant()) return MarkPrecise(value_reg);
  return KptrMatches(field, value_reg);
}

// The first argument of bpf_kptr_xchg: a field that owns what it points to.
bool Verifier::CheckKptrField(int number, CallInfo& call) {
  const Register& r = reg(number);
  if (r.kind == RegKind::kMapValue &&
      (BtfOf(kProgramBtf) == nullptr || map(r.map).btf_value_type_id == 0)) {
    return Reject(FindingCode::kFieldWithoutBtf, {map(r.map).name, "bpf_kptr_xchg"});
  }
  if (!r.HasConstOffset()) {
    return Reject(FindingCode::kFieldOffsetUnknown, {number, "kptr", "kptr"});
  }
  const FieldRecord* record = RecordOf(r);
  if (record == nullptr || !record->Has(kKernelPointers)) {
    return Reject(FindingCode::kNoKptr, {number});
  }
  const int64_t at = r.off + static_cast<int64_t>(r.var.bits.value);
  const SpecialField* field =
      at >= 0 ? record->At(static_cast<uint32_t>(at), kKernelPointers) : nullptr;
  if (field == nullptr) return Reject(FindingCode::kKptrOffset, {at});
  if (field->kind == SpecialKind::kKptrUntrusted) {
    return Reject(FindingCode::kKptrNotOwned, {at});
  }
  call.field = *field;
  return true;
}

// The second argument: null, or an object that the field may own.
bool Verifier::CheckKptrObject(int number, const CallInfo& call) {
  const Register& r = reg(number);
  if (r.MaybeNull()) {
    return Reject(
        (r.flags & kAlloc) != 0 ? FindingCode::kObjectMaybeNull : FindingCode::kHelperMaybeNull,
        {number});
  }
  return KptrMatches(call.field, number);
}

// The field owns the object from now on.
bool Verifier::MoveIntoKptr(uint32_t ref_id) {
  if (!DropReference(ref_id)) return false;
  const bool rcu = InRcuSection();
  const auto is_copy = [&](const Register& r) { return r.ref_id == ref_id; };
  ChangeRegisters(state(), is_copy, [&](Register& r) {
    if (rcu && (r.flags & kAlloc) != 0 && (r.flags & kPercpu) != 0) {
      r.ref_id = 0;
      r.flags = static_cast<uint16_t>((r.flags & ~kAlloc) | kRcu);
    } else {
      Invalidate(r);
    }
  });
  return true;
}

// What the field owned before; a reference.
Register Verifier::TakenFromKptr(const SpecialField& field) const {
  Register r = Register::Pointer(RegKind::kBtfId, kMaybeNull);
  r.btf = field.btf;
  r.btf_id = field.type;
  if (field.btf == kProgramBtf) {
    r.flags |= kAlloc;
    if (field.kind == SpecialKind::kKptrPercpu) r.flags |= kPercpu;
  }
  return r;
}

}  // namespace skep::verifier
