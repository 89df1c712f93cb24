// SPDX-License-Identifier: Apache-2.0
// Functions of the program that others call: what they get, and those that run
// later, each verified as an entry point of its own.

#include "btf/btf.h"
#include "verifier/helper_rules.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

bool ListsItsElements(MapType type) {
  return OneOf(type, {MapType::kHash, MapType::kArray, MapType::kPercpuHash, MapType::kPercpuArray,
                      MapType::kLruHash, MapType::kLruPercpuHash});
}

Register OfMap(RegKind kind, const Register& map) {
  Register r = Register::Pointer(kind);
  r.map = map.map;
  r.map_uid = map.map_uid;
  return r;
}

}  // namespace

// What `helper` passes to the function it calls; `from` is the frame that calls
// the helper.
bool Verifier::SetCallbackArguments(const HelperSpec& helper, const Frame& from, Frame& callee) {
  switch (helper.id) {
    case kLoop:
      callee[1] = Register::Unknown();
      callee[2] = from[3];
      return true;
    case kForEachMapElem:
      if (!ListsItsElements(map(from[1].map).type)) {
        return Reject(FindingCode::kNoCallbackForMap, {});
      }
      callee[1] = from[1];
      callee[2] = OfMap(RegKind::kMapKey, from[1]);
      callee[3] = OfMap(RegKind::kMapValue, from[1]);
      callee[4] = from[3];
      return true;
    case kUserRingbufDrain:
      callee[1] = Register::Pointer(RegKind::kDynptr, kDynptrLocal);
      callee[1].id = NewId();
      callee[2] = from[3];
      return true;
    case kFindVma: {
      const btf::Btf* btf = BtfOf(kTargetBtf);
      const uint32_t vma = btf != nullptr ? btf->Find("vm_area_struct", btf::Kind::kStruct) : 0;
      if (vma == 0) return Reject(FindingCode::kUnsupportedCallback, {HelperName(helper)});
      callee[1] = from[1];
      callee[2] = Register::Pointer(RegKind::kBtfId);
      callee[2].btf = kTargetBtf;
      callee[2].btf_id = vma;
      callee[3] = from[4];
      return true;
    }
    default:
      return Reject(FindingCode::kUnsupportedCallback, {HelperName(helper)});
  }
}

// A path that starts `subprogram` with nothing but its own frame, as it runs
// later, whatever the caller's state is then. Null if refused. The caller fills
// in its arguments.
State* Verifier::PushLater(uint32_t subprogram, bool sleepable) {
  structure_.subprograms[subprogram].is_callback = true;
  structure_.subprograms[subprogram].is_async_callback = true;
  const uint32_t start = structure_.subprograms[subprogram].start;
  State* other = PushFresh(start);
  if (other == nullptr) return nullptr;
  other->sleepable = sleepable;
  Frame& frame = other->frame();
  frame.subprogram = subprogram;
  frame.regs[10] = Register::Pointer(RegKind::kStack);
  frame.in_async_callback = true;
  frame.async_entries = state().frame().async_entries + 1;
  return other;
}

// A function that gets the map, a key and a value, once the timer, work queue or
// task work in the value that `field` points to is due.
bool Verifier::CallBackLater(const Register& field, uint32_t subprogram, bool sleepable,
                             int32_t low, int32_t high) {
  State* other = PushLater(subprogram, sleepable);
  if (other == nullptr) return false;
  Frame& callee = other->frame();
  callee[1] = OfMap(RegKind::kMapPointer, field);
  callee[2] = OfMap(RegKind::kMapKey, field);
  callee[3] = OfMap(RegKind::kMapValue, field);
  callee.callback_min = low;
  callee.callback_max = high;
  return true;
}

}  // namespace skep::verifier
