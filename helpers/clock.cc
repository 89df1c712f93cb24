// SPDX-License-Identifier: Apache-2.0
// Time helpers, by the clocks that Linux documents for them. A host may put its
// own clock in their place (ExecutionHooks::clock).
#include <ctime>

#include "helpers/functions.h"

namespace skep::helpers {
namespace {

constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;

uint64_t Nanoseconds(const timespec& t) {
  return static_cast<uint64_t>(t.tv_sec) * kNanosecondsPerSecond + static_cast<uint64_t>(t.tv_nsec);
}

uint64_t Read(ExecutionContext& context, clockid_t clock) {
  if (const auto& hook = context.hooks().clock; hook != nullptr) return hook(clock);
  timespec now{};
  clock_gettime(clock, &now);
  return Nanoseconds(now);
}

}  // namespace

uint64_t KtimeGetNs(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  return Read(context, CLOCK_MONOTONIC);
}

uint64_t KtimeGetBootNs(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                        ExecutionContext& context) noexcept {
  return Read(context, CLOCK_BOOTTIME);
}

uint64_t KtimeGetCoarseNs(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                          ExecutionContext& context) noexcept {
  return Read(context, CLOCK_MONOTONIC_COARSE);
}

uint64_t KtimeGetTaiNs(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  return Read(context, CLOCK_TAI);
}

// A tick is as long as the coarse clock's resolution. Linux starts counting
// five minutes before its 32-bit counter wraps.
uint64_t Jiffies64(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                   ExecutionContext& context) noexcept {
  timespec resolution{};
  clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
  const uint64_t tick = Nanoseconds(resolution) != 0 ? Nanoseconds(resolution) : 4'000'000;
  const auto start = static_cast<uint32_t>(0 - 300 * (kNanosecondsPerSecond / tick));
  return start + Read(context, CLOCK_MONOTONIC_COARSE) / tick;
}

}  // namespace skep::helpers
