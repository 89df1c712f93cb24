// SPDX-License-Identifier: Apache-2.0
// What a host may say of Linux's helpers, and the flags of HelperSpec that tell
// the verifier and the engines of it.

#ifndef SKEP_HELPER_CONTROL_H_
#define SKEP_HELPER_CONTROL_H_

#include <cstdint>

#include "skep/helper.h"

namespace skep {

// More of HelperFlags.
enum HelperControlFlags : uint16_t {
  kHelperAnyMemory = 1u << 12,  // reaches the host's memory at any address: not for unverified code
  kHelperForbidden = 1u << 13,  // the host does not lend it
  kHelperReplaced = 1u << 14,   // the host's own function does the work
};

// A function in the place of one of Linux's helpers.
struct HelperReplacement {
  uint32_t id = 0;
  HelperFunction function = nullptr;
};

// Whether the function is the host's, so that no engine may know better what it does.
constexpr bool IsHostFunction(const HelperSpec& spec) {
  return spec.id >= kFirstHostHelperId || (spec.flags & kHelperReplaced) != 0;
}

}  // namespace skep

#endif  // SKEP_HELPER_CONTROL_H_
