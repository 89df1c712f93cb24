// SPDX-License-Identifier: Apache-2.0
// FenceProcess: a full memory fence in every running thread of this process at once,
// by the membarrier system call. Where one side of a protocol runs often and the other
// seldom, the seldom one fences for both: what the often side stored before, and loads
// after, is ordered with what the caller did before and does after.
//
// Threads: any.

#ifndef SKEP_BASE_PROCESS_FENCE_H_
#define SKEP_BASE_PROCESS_FENCE_H_

namespace skep {

// Registers the process. False where the system has no such call; then both sides
// need fences of their own.
bool CanFenceProcess() noexcept;

// REQUIRES: CanFenceProcess().
void FenceProcess() noexcept;

}  // namespace skep

#endif  // SKEP_BASE_PROCESS_FENCE_H_
