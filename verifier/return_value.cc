// SPDX-License-Identifier: Apache-2.0
// What a program may return, by its type and by what it attaches to.

#include <string_view>

#include "btf/btf.h"
#include "verifier/attach_rules.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

constexpr int64_t kMaxErrno = 4095;

}  // namespace

// The BTF_KIND_FUNC_PROTO, in the target BTF, of the function or of the member
// that the program attaches to; 0 if it attaches to none.
uint32_t Verifier::AttachPrototype() const {
  const ProgramData& data = program_.data();
  const btf::Btf* btf = BtfOf(kTargetBtf);
  if (btf == nullptr || data.attach_btf_id == 0 || data.attach_btf_id >= btf->type_count()) {
    return 0;
  }
  const btf::Type target = btf->type(data.attach_btf_id);
  uint32_t proto = 0;
  if (target.kind == btf::Kind::kFunc) {
    proto = target.size_or_type;
  } else if (target.kind == btf::Kind::kStruct && data.expected_attach_type < target.vlen) {
    const uint32_t member =
        btf->SkipModifiers(btf->member(data.attach_btf_id, data.expected_attach_type).type);
    if (btf->kind(member) == btf::Kind::kPtr) {
      proto = btf->SkipModifiers(btf->type(member).size_or_type);
    }
  }
  return btf->kind(proto) == btf::Kind::kFuncProto ? proto : 0;
}

// Whether the value in register `number`, with which the outermost function
// ends, is one that it may end with. For exit it is r0; for bpf_throw without a
// callback r1, the cookie.
bool Verifier::CheckReturnValue(int number) {
  const Frame& outermost = *state().frames[0];
  const bool is_main = outermost.subprogram == 0 || outermost.in_exception_callback;
  ReturnRange range = type_->returns;
  bool low_half = false;
  if (is_main && range.by_target) {
    bool decided = false;
    if (!RangeOfTarget(number, &range, &low_half, &decided)) return false;
    if (decided) return true;
  }
  if (!CheckSource(number)) return false;
  if (LeaksPointer(number)) return Reject(FindingCode::kPointerReturned, {number});
  if (outermost.in_async_callback) {
    const ReturnRange range_of_callback{
        .checked = true, .min = outermost.callback_min, .max = outermost.callback_max};
    return CheckValueRange(number, "At async callback return", range_of_callback, false);
  }
  if (!is_main) {
    if (reg(number).IsScalar()) return true;
    return Reject(FindingCode::kGlobalNotScalar, {number, KindName(reg(number))});
  }
  if (!range.checked) return true;
  return CheckValueRange(number, "At program exit", range, low_half);
}

// Fills in the range that the attach target asks for. *decided: nothing is left
// to check, because the target returns nothing or takes the pointer in r0.
bool Verifier::RangeOfTarget(int number, ReturnRange* range, bool* low_half, bool* decided) {
  const uint32_t proto = AttachPrototype();
  if (proto == 0) return Reject(FindingCode::kNoAttachTarget, {});
  const btf::Btf& btf = *BtfOf(kTargetBtf);
  const uint32_t result = btf.type(proto).size_or_type;
  if (type_->id == ProgramTypeId::kLsm) {
    if (program_.data().expected_attach_type == kAttachLsmCgroup) {
      const int64_t low = result == 0 ? 1 : 0;  // a hook without a result must not change it
      *range = {.checked = true, .min = low, .max = 1};
      return true;
    }
    if (result == 0) {
      *decided = true;
      return true;
    }
    const std::string_view hook = btf.name(program_.data().attach_btf_id);
    const bool boolean = IsBooleanHook(hook);
    *range = {.checked = true, .min = boolean ? 0 : -kMaxErrno, .max = boolean ? 1 : 0};
    *low_half = true;
    return true;
  }
  // A member of a struct_ops map.
  if (result == 0) {
    *decided = true;
    return true;
  }
  const uint32_t pointer = btf.SkipModifiers(result);
  if (btf.kind(pointer) != btf::Kind::kPtr) return true;
  // An object may be handed over as it was acquired; or null.
  const Register& r = reg(number);
  const uint32_t object = btf.SkipModifiers(btf.type(pointer).size_or_type);
  const bool same = r.kind == RegKind::kBtfId && r.btf == kTargetBtf && r.btf_id == object;
  if (same && r.ref_id != 0 && !state().frames[0]->in_exception_callback) {
    *decided = true;
    return CheckPointerOffset(r, number, false);
  }
  *range = {.checked = true, .min = 0, .max = 0};
  return true;
}

// `where`: Linux's words for the place, e.g. "At program exit". `low_half`: only
// the lower 32 bits count, as a signed number.
bool Verifier::CheckValueRange(int number, std::string_view where, const ReturnRange& range,
                               bool low_half) {
  if (!reg(number).IsScalar()) {
    return Reject(FindingCode::kReturnNotKnown, {where, number, KindName(reg(number))});
  }
  if (!MarkPrecise(number)) return false;
  const Scalar& value = reg(number).var;
  const int64_t low = low_half ? int64_t{value.low.smin} : value.wide.smin;
  const int64_t high = low_half ? int64_t{value.low.smax} : value.wide.smax;
  if (low >= range.min && high <= range.max) return true;
  Reject(FindingCode::kReturnRange, {where, number, BoundsText(value), range.min, range.max});
  if (type_->id == ProgramTypeId::kLsm && range.min == 1) Note(FindingCode::kVoidHookResult, {});
  return false;
}

}  // namespace skep::verifier
