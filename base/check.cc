// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace skep {

void CheckFailed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "skep: internal error: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace skep
