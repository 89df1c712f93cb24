// SPDX-License-Identifier: Apache-2.0
// Kernel functions that take maps.

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {

uint64_t MapSumElemCount(uint64_t map, uint64_t, uint64_t, uint64_t, uint64_t,
                         ExecutionContext&) noexcept {
  return AsMap(map).element_count();
}

}  // namespace skep::helpers
