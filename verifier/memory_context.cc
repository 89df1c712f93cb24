// SPDX-License-Identifier: Apache-2.0
// Loads and stores of the context, by the program type's table.

#include <algorithm>

#include "btf/btf.h"
#include "verifier/verifier.h"

namespace skep::verifier {
namespace {

int Log2(int size) { return size == 8 ? 3 : size >> 1; }

// The field through which the access goes; null if none allows it.
const ContextField* FindField(const ProgramType& type, int64_t off, int size, Access access,
                              Rights rights) {
  for (const ContextField& field : type.fields) {
    const int64_t at = off - field.offset;
    if (at < 0 || at >= field.size || at > 7) continue;
    const uint32_t allowed = access == Access::kRead ? field.loads : field.stores;
    if ((allowed & FieldAccessBit(Log2(size), static_cast<int>(at))) == 0) continue;
    const Rights needed = access == Access::kRead ? field.load_rights : field.store_rights;
    return rights >= needed ? &field : nullptr;
  }
  return nullptr;
}

}  // namespace

bool Verifier::AccessContext(int number, int64_t off, int size, Access access, int value_reg,
                             bool sign_extend) {
  const Register pointer = reg(number);
  if (access == Access::kWrite && value_reg >= 0 && LeaksPointer(value_reg)) {
    return Reject(FindingCode::kLeakIntoContext, {value_reg});
  }
  if (!CheckPointerOffset(pointer, number, false)) return false;
  if (type_->context_by_target) {
    return AccessTargetContext(off, size, access, value_reg, sign_extend);
  }
  const auto refuse = [&] { return Reject(FindingCode::kContextAccess, {off, size}); };
  if (off < 0 || off + size > int64_t{type_->context_size}) return refuse();
  context_bytes_ = std::max(context_bytes_, static_cast<uint32_t>(off + size));
  const bool loads = access == Access::kRead && value_reg >= 0;
  if (type_->fields.empty()) {
    if (off < type_->context_start || off % size != 0) return refuse();
    if (access == Access::kWrite && !type_->context_writable) return refuse();
    if (loads) SetUnknown(value_reg);
    return true;
  }
  const ContextField* field = FindField(*type_, off, size, access, options_.rights);
  if (field == nullptr || (field->kind != FieldKind::kScalar && sign_extend)) return refuse();
  return !loads || LoadContextPointer(*field, value_reg);
}

// What a load of the field gives; a number if it holds no pointer.
bool Verifier::LoadContextPointer(const ContextField& field, int value_reg) {
  SetUnknown(value_reg);
  Register& value = reg(value_reg);
  const auto give = [&](RegKind kind, uint16_t flags = 0) {
    value = Register::Pointer(kind, flags);
    if (value.MaybeNull()) value.id = NewId();
    return true;
  };
  switch (field.kind) {
    case FieldKind::kScalar:
      return true;
    case FieldKind::kPacketData:
      return give(RegKind::kPacket);
    case FieldKind::kPacketEnd:
      return give(RegKind::kPacketEnd);
    case FieldKind::kPacketMeta:
      return give(RegKind::kPacketMeta);
    case FieldKind::kSocket:
      return give(RegKind::kSocket);
    case FieldKind::kSocketOrNull:
      return give(RegKind::kSocket, kMaybeNull);
    case FieldKind::kSockCommonOrNull:
      return give(RegKind::kSockCommon, kMaybeNull);
    case FieldKind::kFlowKeys:
      return give(RegKind::kFlowKeys);
    case FieldKind::kTracepointBuffer:
      return give(RegKind::kTracingBuffer);
    case FieldKind::kKernelObject: {
      const btf::Btf* btf = BtfOf(kTargetBtf);
      const uint32_t id = btf != nullptr ? btf->Find(field.structure, btf::Kind::kStruct) : 0;
      if (id == 0) return Reject(FindingCode::kNoKernelType, {field.structure});
      give(RegKind::kBtfId, kTrusted);
      value.btf = kTargetBtf;
      value.btf_id = id;
      return true;
    }
  }
  return true;
}

}  // namespace skep::verifier
