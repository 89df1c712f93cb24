// SPDX-License-Identifier: Apache-2.0
// What a program attaches to, found in the kernel's types by the name in its
// section: fentry/FUNCTION, tp_btf/TRACEPOINT, lsm/HOOK, iter/NAME.

#ifndef SKEP_LOADER_ATTACH_TARGET_H_
#define SKEP_LOADER_ATTACH_TARGET_H_

#include <cstdint>

#include "skep/result.h"

#include "btf/btf.h"
#include "loader/section_rules.h"

namespace skep::loader {

// The id in `target` for ProgramData::attach_btf_id; 0 for sections that name
// none. Fails with kUnresolved if the section has no target or the kernel does
// not know it, or if `target`, which may be null, is needed; with kUnsupported
// for targets in modules and in other programs.
Result<uint32_t> FindAttachTarget(const SectionMeaning& meaning, const btf::Btf* target);

}  // namespace skep::loader

#endif  // SKEP_LOADER_ATTACH_TARGET_H_
