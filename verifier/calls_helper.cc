// SPDX-License-Identifier: Apache-2.0
// Helper calls: may this program call it, do the arguments fit its prototype,
// what does it return. The order of the checks is Linux's.

#include <algorithm>
#include <cerrno>
#include <optional>

#include "skep/helper_control.h"

#include "btf/btf.h"
#include "model/map_type_info.h"
#include "verifier/helper_rules.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr int64_t kMaxErrno = 4095;

}  // namespace

void Verifier::ClearCallerSaved() {
  for (int i = 0; i <= 5; ++i) reg(i) = Register{};
  changes_.regs |= 0x3f;
}

bool Verifier::CheckHelperAllowed(const DecodedInsn& insn, const HelperSpec** found) {
  const auto id = static_cast<uint32_t>(insn.imm);
  const HelperSpec* any = FindAnyHelper(environment_, id);
  if (any == nullptr) return Reject(FindingCode::kUnknownHelper, {"unknown", insn.imm});
  const HelperSpec* helper = FindCallableHelper(id);
  const bool capable = any->capability == HelperCapability::kNone || allow_ptr_leaks() ||
                       (any->capability == HelperCapability::kBpf && bpf_capable());
  if (helper == nullptr || !capable || (helper->flags & kHelperForbidden) != 0) {
    Reject(FindingCode::kHelperProgramType, {HelperName(*any), id});
    const bool forbidden = helper != nullptr && (helper->flags & kHelperForbidden) != 0;
    if (forbidden) findings_.back().advice = "the host forbids it to all programs";
    return false;
  }
  *found = helper;
  if ((helper->flags & kHelperGplOnly) != 0 && !IsGplCompatible(program_.data().license)) {
    return Reject(FindingCode::kGplOnly, {});
  }
  if (!TargetAllowsHelper(*helper)) return Reject(FindingCode::kHelperInProbe, {});
  return CheckHelperMaySleep(*helper);
}

bool Verifier::CheckHelperMaySleep(const HelperSpec& helper) {
  const State& s = state();
  if ((helper.flags & kHelperMightSleep) == 0) return true;
  if (!s.sleepable) return Reject(FindingCode::kSleepableHelper, {});
  const char* section = nullptr;
  if (s.irq_id != 0) section = "IRQ-disabled";
  if (s.preempt_sections != 0) section = "non-preemptible";
  if (s.rcu_sections != 0) section = "rcu_read_lock";
  if (section == nullptr) return true;
  return Reject(FindingCode::kSleepInSection, {HelperName(helper), helper.id, section});
}

bool Verifier::CallHelper(const DecodedInsn& insn) {
  const HelperSpec* helper = nullptr;
  if (!CheckHelperAllowed(insn, &helper)) return false;
  CallInfo call;
  call.helper = helper;
  for (int i = 0; i < 5; ++i) {
    if (!CheckArgument(*helper, i, call)) return false;
  }
  if (!CheckHelperRules(*helper, call)) return false;
  // What the helper may have written is initialised now.
  if (call.raw_register >= 0) {
    const Register pointer = reg(call.raw_register);
    Frame& frame = state().MutableFrame(pointer.frame);
    const int64_t low = pointer.off + static_cast<int64_t>(pointer.var.bits.value);
    for (int64_t i = low; i < low + call.raw_size; ++i) {
      StackSlot& slot = frame.stack.Mutable(static_cast<size_t>(SlotOf(i)));
      slot.Scrub();
      slot.bytes[ByteOf(i)] = StackByte::kMisc;
      TouchSlot(pointer.frame, i);
    }
  }
  if (call.release_register >= 0) {
    const Register& released = reg(call.release_register);
    bool ok = released.IsNullConstant();
    if (call.releases_dynptr) {
      ok = ReleaseDynptr(call.release_register);
    } else if (!ok) {
      ok =
          helper->id == kKptrXchg ? MoveIntoKptr(call.reference) : ReleaseReference(call.reference);
    }
    if (!ok) {
      return Reject(FindingCode::kNotAcquired, {HelperName(*helper), helper->id});
    }
    changes_.references = true;
  }
  if ((helper->flags & kHelperCallsBack) != 0 && !CallBack(*helper, call)) return false;
  if (helper->id == kTimerSetCallback && !CallBackLater(reg(1), call.callback, false, 0, 0)) {
    return false;
  }
  if (!CheckMapHelper(*helper, call)) return false;
  if (!SetHelperResult(*helper, call)) return false;
  NoteCall(*helper, call);
  if ((helper->flags & kHelperChangesPacket) != 0 || call.moves_packet) InvalidatePackets();
  if (helper->id == kTailCall) return ReturnByTailCall();
  return true;
}

// Rules of single helpers, after their arguments were checked.
bool Verifier::CheckHelperRules(const HelperSpec& helper, CallInfo& call) {
  const uint32_t id = helper.id;
  if (id == kTailCall) {
    if (call.has_map && map(call.map).type != MapType::kProgArray) {
      return Reject(FindingCode::kTailCallMap, {});
    }
    for (uint32_t f = 0; f <= state().depth; ++f) {
      if (state().frames[f]->in_callback) {
        return Reject(FindingCode::kUnsupportedCallback, {HelperName(helper)});
      }
    }
    if (!CheckNothingHeld("tail_call", true, false)) return false;
    if (reg(3).IsScalar() && reg(3).var.bits.IsConst() && !MarkPrecise(3)) return false;
  }
  if (call.has_map && ReadOnlyForPrograms(map(call.map)) &&
      OneOf<uint32_t>(id, {kMapUpdateElem, kMapDeleteElem, kMapPushElem, kMapPopElem})) {
    return Reject(FindingCode::kReadOnlyMapHelper, {});
  }
  if (id == kGetLocalStorage && !reg(2).IsNullConstant()) {
    return Reject(FindingCode::kStorageFlags, {});
  }
  if (id == kDynptrFromMem && reg(1).kind != RegKind::kMapValue) {
    return Reject(FindingCode::kDynptrMemory, {KindName(reg(1))});
  }
  if (id == kDynptrData) {
    const Register* dynptr = DynptrAt(1);
    if (dynptr == nullptr) return Reject(FindingCode::kDynptrNotInitialised, {0});
    call.dynptr = dynptr->id;
    call.dynptr_ref = dynptr->ref_id;
  }
  if (id == kDynptrWrite) {
    const Register* dynptr = DynptrAt(1);
    call.moves_packet = dynptr != nullptr && (dynptr->flags & (kDynptrSkb | kDynptrSkbMeta)) != 0;
  }
  if (id == kSnprintf) return CheckSnprintf();
  return true;
}

bool Verifier::CheckMapHelper(const HelperSpec& helper, const CallInfo& call) {
  // A map whose values have timers may have them.
  if (!call.has_map || helper.args[0].kind == ArgKind::kTimer) return true;
  const MapType type = map(call.map).type;
  const model::MapTypeInfo* info = model::FindMapType(type);
  const bool sockets = type == MapType::kSockmap || type == MapType::kSockhash;
  const bool taken = info != nullptr && info->TakenBy(helper.id);
  if (taken && (!sockets || MayUpdateSocketMap(helper.id))) return true;
  return Reject(FindingCode::kMapHelperMismatch,
                {static_cast<uint32_t>(type), HelperName(helper), helper.id});
}

// What lowering wants to know about the call, if it is the same on all paths.
void Verifier::NoteCall(const HelperSpec& helper, const CallInfo& call) {
  InsnNotes& notes = notes_[insn_];
  if (call.has_map) {
    const uint32_t index = call.map < program_.maps().size() ? call.map : model::kNoMap;
    if (!notes.has_map) {
      notes.fact.map = index;
    } else if (notes.fact.map != index) {
      notes.fact.map = model::kNoMap;
    }
    notes.has_map = true;
  }
  if (helper.id == kTailCall) {
    if (!notes.has_index) {
      notes.fact.constant_index = call.tail_call_index;
    } else if (notes.fact.constant_index != call.tail_call_index) {
      notes.fact.constant_index = model::kUnknownIndex;
    }
    notes.has_index = true;
  }
}

// What this CPU, or the CPU asked for, has of a variable or object of each CPU.
bool Verifier::SetPercpuResult(const HelperSpec& helper, const CallInfo& call) {
  Register& r0 = reg(0);
  const btf::Btf* types = BtfOf(call.pointee_btf);
  if (types == nullptr || call.pointee == 0) {
    return Reject(FindingCode::kUnsupportedReturn, {HelperName(helper)});
  }
  uint16_t maybe_null = 0;
  if ((helper.flags & kHelperReturnMaybeNull) != 0) maybe_null = kMaybeNull;
  const uint32_t type = types->SkipModifiers(call.pointee);
  if (types->kind(type) == btf::Kind::kStruct || types->kind(type) == btf::Kind::kUnion) {
    r0 = Register::Pointer(RegKind::kBtfId, maybe_null);
    if (call.pointee_allocated) r0.flags = kAlloc | kRcu;
    r0.btf = call.pointee_btf;
    r0.btf_id = call.pointee;
    return true;
  }
  const std::optional<uint32_t> size = types->SizeOf(type);
  if (!size.has_value()) {
    return Reject(FindingCode::kTypeWithoutSize, {types->name(type), -EINVAL});
  }
  r0 = Register::Pointer(RegKind::kMemory, maybe_null);
  if ((helper.flags & kHelperReturnReadOnly) != 0) r0.flags |= kReadOnly;
  r0.size = *size;
  return true;
}

bool Verifier::SetHelperResult(const HelperSpec& helper, const CallInfo& call) {
  const auto reserved = [&](uint64_t limit) { return call.memory_size <= limit; };
  const bool maybe_null = (helper.flags & kHelperReturnMaybeNull) != 0;
  ClearCallerSaved();
  Register& r0 = reg(0);
  switch (helper.returns) {
    case ReturnKind::kVoid:
      return true;
    case ReturnKind::kInteger:
      r0 = Register::Unknown();
      break;
    case ReturnKind::kMapValue: {
      if (!call.has_map) return Reject(FindingCode::kUnsupportedReturn, {HelperName(helper)});
      const MapSpec& m = map(call.map);
      const bool of_maps = OneOf(m.type, {MapType::kArrayOfMaps, MapType::kHashOfMaps});
      if (of_maps && m.inner == nullptr) {
        return Reject(FindingCode::kUnknownInnerMap, {m.name});
      }
      r0 = Register::Pointer(RegKind::kMapValue);
      r0.map = call.map;
      r0.map_uid = call.map_uid;
      notes_[insn_].looked_up = true;
      const bool there = call.key_is_constant && call.key < m.max_entries;
      if (maybe_null && !there) {
        r0.flags |= kMaybeNull;
        notes_[insn_].maybe_null_seen = true;
      } else if (MayPointToLock(r0)) {
        r0.id = NewId();
      }
      break;
    }
    case ReturnKind::kMem:
      if (!reserved(~uint32_t{0})) return Reject(FindingCode::kSizeNotConstant, {2});
      r0 = Register::Pointer(RegKind::kMemory, maybe_null ? kMaybeNull : 0);
      r0.size = static_cast<uint32_t>(call.memory_size);
      if ((helper.flags & kHelperReturnRingbuf) != 0) r0.flags |= kRingbuf;
      if ((helper.flags & kHelperReturnReadOnly) != 0) r0.flags |= kReadOnly;
      r0.dynptr = call.dynptr;
      r0.ref_id = call.dynptr_ref;
      break;
    case ReturnKind::kMemOrBtfId:
      if (!SetPercpuResult(helper, call)) return false;
      break;
    case ReturnKind::kSocket:
    case ReturnKind::kSockCommon:
    case ReturnKind::kTcpSock:
    case ReturnKind::kBtfId: {
      if (helper.id == kKptrXchg) {
        r0 = TakenFromKptr(call.field);
        break;
      }
      bool handled = false;
      if (!SetKernelResult(helper, &handled)) return false;
      if (!handled) return Reject(FindingCode::kUnsupportedReturn, {HelperName(helper)});
      break;
    }
  }
  if (r0.MaybeNull()) r0.id = NewId();
  SetResultReference(helper, call);
  switch (helper.id) {
    case kGetStack:
    case kGetTaskStack:
    case kProbeReadStr:
    case kProbeReadKernelStr:
    case kProbeReadUserStr:
      r0.var = Scalar::FromSignedRange(-kMaxErrno, static_cast<int64_t>(call.size_max));
      break;
    case kGetSmpProcessorId:
      r0.var = Scalar::FromRange(0, environment_.cpu_slots - 1);
      break;
    default:
      break;
  }
  return true;
}

}  // namespace skep::verifier
