// SPDX-License-Identifier: Apache-2.0
// The format strings that bpf_snprintf accepts.

#ifndef SKEP_VERIFIER_FORMAT_STRING_H_
#define SKEP_VERIFIER_FORMAT_STRING_H_

#include <cstdint>
#include <string_view>

namespace skep::verifier {

// True if `text` is a format that Linux's bpf_snprintf takes and that has no
// more conversions than `arguments`.
bool IsValidFormat(std::string_view text, uint64_t arguments);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_FORMAT_STRING_H_
