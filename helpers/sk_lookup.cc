// SPDX-License-Identifier: Apache-2.0
// sk_assign of sk_lookup programs. No program of this type gets hold of a socket
// in a process, so all that one can do is to take back a choice.
#include <cerrno>

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {

uint64_t SkLookupAssign(uint64_t, uint64_t socket, uint64_t flags, uint64_t, uint64_t,
                        ExecutionContext&) noexcept {
  constexpr uint64_t kReplace = 1u << 0, kNoReuseport = 1u << 1;
  const bool bad = (flags & ~(kReplace | kNoReuseport)) != 0 || socket != 0;
  return FromResult(bad ? -EINVAL : 0);
}

}  // namespace skep::helpers
