// SPDX-License-Identifier: Apache-2.0
// Whether a type that an object declares and one of the kernel are the same as
// far as CO-RE cares: kinds, pointers and prototypes agree; names, sizes and
// members do not matter (libbpf's rule for __ksym externs and
// bpf_core_type_matches' weaker sister bpf_core_type_exists).

#ifndef SKEP_BTF_COMPATIBLE_H_
#define SKEP_BTF_COMPATIBLE_H_

#include <cstdint>

#include "btf/btf.h"

namespace skep::btf {

// Modifiers on both sides are skipped. False too where the types nest deeper
// than Linux's limit of 32, or ask for more than some thousand comparisons.
bool AreCompatible(const Btf& local, uint32_t local_id, const Btf& target, uint32_t target_id);

}  // namespace skep::btf

#endif  // SKEP_BTF_COMPATIBLE_H_
