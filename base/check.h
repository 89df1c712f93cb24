// SPDX-License-Identifier: Apache-2.0
// SKEP_CHECK(condition): a condition that only a bug of ours can break. Prints
// the condition with file and line to standard error and aborts, also in
// release builds. Never for bad input: that is a Result.

#ifndef SKEP_BASE_CHECK_H_
#define SKEP_BASE_CHECK_H_

namespace skep {

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line) noexcept;

}  // namespace skep

#define SKEP_CHECK(condition)                   \
  (__builtin_expect(!!(condition), 1) ? void(0) \
                                      : ::skep::CheckFailed(#condition, __FILE__, __LINE__))

// A place that cannot be reached.
#define SKEP_UNREACHABLE() ::skep::CheckFailed("unreachable", __FILE__, __LINE__)

#endif  // SKEP_BASE_CHECK_H_
