// SPDX-License-Identifier: Apache-2.0
// bpf_throw: marks the run as thrown. Functions return one by one, as when a run
// is stopped, up to the main function, which then runs the exception callback.

#include "helpers/functions.h"
#include "model/execution_layout.h"

namespace skep::helpers {

uint64_t Throw(uint64_t cookie, uint64_t, uint64_t, uint64_t, uint64_t,
               ExecutionContext& context) noexcept {
  model::ExecutionLayout::extras(context).thrown = cookie;
  model::ExecutionLayout::trap(context) = model::kThrown;
  return 0;
}

}  // namespace skep::helpers
