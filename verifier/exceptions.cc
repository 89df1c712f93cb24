// SPDX-License-Identifier: Apache-2.0
// bpf_throw ends the program at once, whatever functions it is in, and runs the
// exception callback: a global function of one number whose result becomes the
// program's. Without one the number thrown is the result.

#include "verifier/exceptions.h"

#include "btf/btf.h"
#include "verifier/verifier.h"

namespace skep::verifier {

ExceptionCallback FindExceptionCallback(const Program& program) {
  ExceptionCallback out;
  const btf::Btf* btf = program.data().btf.get();
  const uint32_t main = program.subprograms()[0].btf_type_id;
  if (btf == nullptr || main == 0) return out;
  const auto fail = [&](FindingCode code, Args args) {
    out.failed = code;
    out.message = FillIn(RowOf(code).text, args);
    return out;
  };
  constexpr std::string_view kTag = "exception_callback:";
  std::string_view name;
  int tags = 0;
  for (uint32_t id = btf->first_id(); id < btf->type_count(); ++id) {
    if (btf->kind(id) != btf::Kind::kDeclTag || !btf->name(id).starts_with(kTag)) continue;
    const btf::DeclTag tag = btf->decl_tag(id);
    if (tag.target != main || tag.component != -1) continue;
    name = btf->name(id).substr(kTag.size());
    ++tags;
  }
  if (tags == 0) return out;
  if (tags > 1) return fail(FindingCode::kExceptionCallbackMany, {});
  const uint32_t id = btf->Find(name, btf::Kind::kFunc);
  if (id == 0) return fail(FindingCode::kExceptionCallbackMissing, {name});
  if (btf->linkage(id) != btf::Linkage::kGlobal) {
    return fail(FindingCode::kExceptionCallbackLinkage, {name});
  }
  const auto subprograms = program.subprograms();
  for (uint32_t s = 1; s < subprograms.size(); ++s) {
    if (subprograms[s].btf_type_id == id) out.subprogram = s;
  }
  if (out.subprogram == 0) return fail(FindingCode::kExceptionCallbackNoCode, {});
  return out;
}

// The path ends here, with all frames.
bool Verifier::Throw() {
  if (structure_.exception_callback == 0 && !CheckReturnValue(1)) return false;
  return CheckNothingHeld("bpf_throw", true, true);
}

// A callback is called by the kernel, through which nothing can be thrown.
bool Verifier::CheckThrow(uint32_t insn, const std::vector<uint32_t>& chain) {
  const KfuncSpec* spec = structure_.KfuncOf(insn);
  if (spec == nullptr || spec->id != Kfunc::bpf_throw) return true;
  for (const uint32_t s : chain) {
    const SubprogramInfo& sub = structure_.subprograms[s];
    if (sub.is_callback || s == structure_.exception_callback) {
      if (s == 0) continue;
      return Reject(FindingCode::kThrowFromCallback, {insn, chain.back()});
    }
  }
  return true;
}

}  // namespace skep::verifier
