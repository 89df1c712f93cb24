// SPDX-License-Identifier: Apache-2.0
// CheckLinuxRules: what Linux asks of BTF beyond being well formed: names that
// are identifiers, members that lie as their type may, targets that make sense.

#ifndef SKEP_BTF_LINUX_RULES_H_
#define SKEP_BTF_LINUX_RULES_H_

#include "skep/result.h"

#include "btf/btf.h"

namespace skep::btf {

// Checks the types of `btf`, not of its base. Fails with kMalformedObject and
// EINVAL, naming the type.
Result<void> CheckLinuxRules(const Btf& btf);

}  // namespace skep::btf

#endif  // SKEP_BTF_LINUX_RULES_H_
