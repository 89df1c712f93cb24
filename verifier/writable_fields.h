// SPDX-License-Identifier: Apache-2.0
// The fields of the kernel's structures that programs may store into.
//
// Threads: constants and pure functions.

#ifndef SKEP_VERIFIER_WRITABLE_FIELDS_H_
#define SKEP_VERIFIER_WRITABLE_FIELDS_H_

#include <cstdint>
#include <string_view>

#include "btf/btf.h"

namespace skep::verifier {

struct WritableField {
  bool found = false;
  uint32_t end = 0;  // one past its last byte
};

// The field of `structure` (in `btf`, with this id) at which a store to byte
// `off` starts.
WritableField FindWritableField(const btf::Btf& btf, uint32_t id, std::string_view structure,
                                uint32_t off);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_WRITABLE_FIELDS_H_
