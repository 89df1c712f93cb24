// SPDX-License-Identifier: Apache-2.0
// TypedValue: bytes as JSON by their BTF type, as `bpftool map dump` formats them:
// structs and unions by members, data sections by variables, enums by name,
// addresses in hex. An array of char that holds text is a string.
//
// Threads: a pure function.

#ifndef SKEP_TOOLS_TYPED_VALUE_H_
#define SKEP_TOOLS_TYPED_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "btf/btf.h"
#include "tools/output.h"

namespace skep::tools {

// Null if the type has another size than there are bytes, or if it has more than a
// million parts. REQUIRES: id < btf.type_count().
Json TypedValue(const btf::Btf& btf, uint32_t id, std::span<const std::byte> bytes);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_TYPED_VALUE_H_
