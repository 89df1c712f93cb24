// SPDX-License-Identifier: Apache-2.0
// may_goto: a jump that is taken once its loop has run for long enough, so that
// loops need no bound that the verifier sees. As Linux 6.18 on x86-64: each
// activation of a function counts for itself, all its may_goto together; after
// every kMayGotoRounds of them the clock is looked at, and once a quarter of a
// second has passed since the first look all of them jump.
//
// Threads: a count is one activation's.

#ifndef SKEP_MODEL_MAY_GOTO_H_
#define SKEP_MODEL_MAY_GOTO_H_

#include <cstdint>

namespace skep::model {

inline constexpr int64_t kMayGotoRounds = 0xffff;     // BPF_MAX_TIMED_LOOPS
inline constexpr uint64_t kMayGotoLimit = 250000000;  // ns

// In engines that have no better place it lies below the function's stack.
struct MayGotoCount {
  int64_t left = kMayGotoRounds;  // until the clock is looked at
  uint64_t since = 0;             // ns, when it was first looked at; 0: not yet
};
inline constexpr uint32_t kMayGotoBytes = sizeof(MayGotoCount);

// ExecInsn::imm of the kMayGoto that starts the count, first in a function that has
// some; it does not jump. In the others imm is 0. ExecInsn::off is where the count
// is, from r10.
inline constexpr int32_t kMayGotoStarts = 1;

// To be called when `left` has become negative. Returns true if the loop may go
// on, with new rounds, or false.
bool MayGotoGoesOn(MayGotoCount& count) noexcept;

}  // namespace skep::model

#endif  // SKEP_MODEL_MAY_GOTO_H_
