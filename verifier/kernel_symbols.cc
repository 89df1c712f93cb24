// SPDX-License-Identifier: Apache-2.0
// The addresses of the kernel's own variables and functions in a program.

#include "verifier/verifier.h"

namespace skep::verifier {

// Whether the variable has an instance for each CPU.
bool Verifier::IsPercpuVariable(const btf::Btf& btf, uint32_t id) const {
  const uint32_t section = btf.Find(".data..percpu", btf::Kind::kDatasec);
  if (section == 0) return false;
  const uint32_t count = btf.type(section).vlen;
  for (uint32_t i = 0; i < count; ++i) {
    if (btf.section_variable(section, i).type == id) return true;
  }
  return false;
}

// A two-slot load of the address of what `id` names in the target BTF.
bool Verifier::LoadKernelSymbol(const DecodedInsn& insn) {
  const btf::Btf* btf = BtfOf(kTargetBtf);
  if (btf == nullptr || insn.imm_high() != 0) return Reject(FindingCode::kNoTargetBtf, {});
  const auto id = static_cast<uint32_t>(insn.imm);
  if (id == 0 || id >= btf->type_count()) {
    return Reject(FindingCode::kSymbolId, {static_cast<int32_t>(id)});
  }
  const btf::Type t = btf->type(id);
  Register& dst = reg(insn.dst);
  if (t.kind == btf::Kind::kFunc) {
    dst = Register::Pointer(RegKind::kMemory, kReadOnly);
    return true;
  }
  if (t.kind != btf::Kind::kVar) {
    return Reject(FindingCode::kSymbolKind, {static_cast<int32_t>(id)});
  }
  const bool percpu = IsPercpuVariable(*btf, id);
  const uint32_t type = btf->SkipModifiers(t.size_or_type);
  if (percpu || IsStruct(*btf, type)) {
    dst = Register::Pointer(RegKind::kBtfId, percpu ? kPercpu : 0);
    dst.btf = kTargetBtf;
    dst.btf_id = percpu ? t.size_or_type : type;
    return true;
  }
  const auto size = btf->SizeOf(type);
  if (!size) return Reject(FindingCode::kSymbolSize, {btf->name(type), -22});
  dst = Register::Pointer(RegKind::kMemory, kReadOnly);
  dst.size = *size;
  return true;
}

}  // namespace skep::verifier
