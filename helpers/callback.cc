// SPDX-License-Identifier: Apache-2.0
// Helpers that run a function of the program.
#include <cerrno>

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

constexpr uint32_t kMaxLoops = 1u << 23;  // BPF_MAX_LOOPS

}  // namespace

// callback(u32 index, void* ctx) returns 0 to go on, 1 to stop. Returns how
// often it ran.
uint64_t Loop(uint64_t count, uint64_t callback, uint64_t argument, uint64_t flags, uint64_t,
              ExecutionContext& context) noexcept {
  const auto loops = static_cast<uint32_t>(count);
  if (flags != 0) return FromResult(-EINVAL);
  if (loops > kMaxLoops) return FromResult(-E2BIG);
  for (uint32_t i = 0; i < loops; ++i) {
    const uint64_t result = context.Call(callback, i, argument, 0, 0, 0);
    if (context.stopped()) return 0;
    if (result != 0) return uint64_t{i} + 1;
  }
  return loops;
}

}  // namespace skep::helpers
