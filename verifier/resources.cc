// SPDX-License-Identifier: Apache-2.0
// What a program holds and must give back: references, locks, and the sections
// it has entered.

#include <algorithm>

#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

bool IsLock(const Reference& r) {
  return r.kind == ReferenceKind::kSpinLock || r.kind == ReferenceKind::kResilientLock ||
         r.kind == ReferenceKind::kResilientIrqLock;
}

}  // namespace

uint32_t Verifier::AcquireReference() {
  const uint32_t id = NewId();
  state().refs.push_back({id, insn_});
  changes_.references = true;
  return id;
}

// Nothing may be done any more with what this register pointed to.
void Verifier::Invalidate(Register& r) const {
  r = allow_ptr_leaks() ? Register::Unknown() : Register{};
}

bool Verifier::DropReference(uint32_t ref_id) {
  auto& refs = state().refs;
  const auto it = std::find_if(refs.begin(), refs.end(), [&](const Reference& r) {
    return r.kind == ReferenceKind::kObject && r.id == ref_id;
  });
  if (it == refs.end()) return false;
  refs.erase(it);
  changes_.references = true;
  return true;
}

bool Verifier::ReleaseReference(uint32_t ref_id) {
  if (!DropReference(ref_id)) return false;
  ChangeRegisters(
      state(), [&](const Register& r) { return r.ref_id == ref_id; },
      [&](Register& r) { Invalidate(r); });
  return true;
}

// Pointers into lists and trees are valid while their lock is held.
void Verifier::InvalidateNonOwning() {
  ChangeRegisters(
      state(), [](const Register& r) { return (r.flags & kNonOwning) != 0; },
      [&](Register& r) { Invalidate(r); });
}

void Verifier::InvalidatePackets() {
  constexpr uint16_t kOfPacket = kDynptrSkb | kDynptrXdp | kDynptrSkbMeta;
  const auto points_into_packet = [](const Register& r) {
    return r.IsPacketAny() || (r.kind == RegKind::kMemory && (r.flags & kOfPacket) != 0);
  };
  ChangeRegisters(state(), points_into_packet, [&](Register& r) { Invalidate(r); });
}

// References are looked at where the outermost function ends; a function that
// is called hands what it acquired to its caller.
bool Verifier::CheckNoReferences(bool exception) {
  if (!exception && state().depth > 0) return true;
  bool lingering = false;
  for (const Reference& r : state().refs) {
    if (r.kind != ReferenceKind::kObject) continue;
    Note(FindingCode::kUnreleasedReference, {r.id, r.insn});
    lingering = true;
  }
  return !lingering;
}

// `where` would leave what is held behind. Sections are not looked at unless
// `sections`; `exception`: all frames end here.
bool Verifier::CheckNothingHeld(const char* where, bool sections, bool exception) {
  const State& s = state();
  const auto refuse = [&](const char* region) {
    return Reject(FindingCode::kInsideRegion, {where, region});
  };
  if (sections && s.locks != 0) return refuse("bpf_spin_lock");
  if (!CheckNoReferences(exception)) return Reject(FindingCode::kReferenceLeak, {where});
  if (!sections) return true;
  if (s.irq_id != 0) return refuse("bpf_local_irq_save");
  if (s.rcu_sections != 0) return refuse("bpf_rcu_read_lock");
  if (s.preempt_sections != 0) return refuse("bpf_preempt_disable");
  return true;
}

// Whether pointers that are valid in RCU sections are valid here.
bool Verifier::InRcuSection() const {
  return current_->rcu_sections != 0 || current_->locks != 0 || !current_->sleepable;
}

const FieldRecord* Verifier::RecordOf(const Register& r) {
  if (r.kind == RegKind::kMapValue) return &records_[r.map];
  if (r.kind == RegKind::kBtfId && (r.flags & kAlloc) != 0 && r.btf == kProgramBtf) {
    return local_records().Find(r.btf_id);
  }
  return nullptr;
}

// Copies of such a pointer keep their id when it is known not to be null: it
// tells the lock inside apart from those of other values.
bool Verifier::MayPointToLock(const Register& r) {
  const FieldRecord* record = RecordOf(r);
  return record != nullptr && record->Has(kLocks);
}

// The field of `kind` that register `number` points to, for a call that works
// on it. Null if it was refused.
const SpecialField* Verifier::FieldAt(int number, SpecialKind kind) {
  const Register& r = reg(number);
  const std::string_view name = NameOf(kind);
  if (!r.HasConstOffset()) {
    Reject(FindingCode::kFieldOffsetUnknown, {number, name, name});
    return nullptr;
  }
  const bool in_map = r.kind == RegKind::kMapValue;
  if (in_map && (BtfOf(kProgramBtf) == nullptr || map(r.map).btf_value_type_id == 0)) {
    Reject(FindingCode::kFieldWithoutBtf, {map(r.map).name, name});
    return nullptr;
  }
  const FieldRecord* record = RecordOf(r);
  const SpecialField* field = record != nullptr ? record->Find(MaskOf(kind)) : nullptr;
  if (field == nullptr) {
    Reject(FindingCode::kNoSuchField,
           {in_map ? "map" : "local", in_map ? std::string_view(map(r.map).name) : "kptr", name});
    return nullptr;
  }
  const int64_t at = r.off + static_cast<int64_t>(r.var.bits.value);
  if (at != field->offset) {
    Reject(FindingCode::kFieldOffset, {at, name, field->offset});
    return nullptr;
  }
  return field;
}

uint64_t Verifier::LockHolderOf(const Register& r) {
  return r.kind == RegKind::kMapValue ? uint64_t{r.map} + 1 : uint64_t{1} << 32 | r.btf;
}

// Takes or gives back the lock that register `number` points to.
//
// Sound because: the id of the pointer and what it points into (a map, the
// program's objects) name one lock; two pointers with one id are copies.
bool Verifier::ProcessLock(int number, ReferenceKind kind, bool take) {
  State& s = state();
  const bool resilient = kind != ReferenceKind::kSpinLock;
  const std::string_view name = resilient ? "bpf_res_spin" : "bpf_spin";
  if (FieldAt(number, resilient ? SpecialKind::kResSpinLock : SpecialKind::kSpinLock) == nullptr) {
    return false;
  }
  const Register& r = reg(number);
  const uint64_t holder = LockHolderOf(r);
  const auto same = [&](const Reference& held) { return held.id == r.id && held.lock == holder; };
  if (take) {
    for (const Reference& held : s.refs) {
      if (!resilient && held.kind == ReferenceKind::kSpinLock) {
        return Reject(FindingCode::kTwoLocks, {});
      }
      const bool held_resilient = IsLock(held) && held.kind != ReferenceKind::kSpinLock;
      if (resilient && held_resilient && same(held)) return Reject(FindingCode::kSameLock, {});
    }
    s.refs.push_back({r.id, insn_, kind, holder});
    ++s.locks;
    return true;
  }
  if (s.locks == 0) return Reject(FindingCode::kUnlockWithoutLock, {name});
  const auto held = std::find_if(s.refs.begin(), s.refs.end(), [&](const Reference& ref) {
    return ref.kind == kind && same(ref);
  });
  if (held == s.refs.end()) return Reject(FindingCode::kUnlockOther, {name});
  const auto innermost = std::find_if(s.refs.rbegin(), s.refs.rend(), IsLock);
  if (!same(*innermost)) return Reject(FindingCode::kUnlockOrder, {name});
  s.refs.erase(held);
  --s.locks;
  InvalidateNonOwning();
  return true;
}

}  // namespace skep::verifier
