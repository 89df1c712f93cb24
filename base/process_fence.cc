// SPDX-License-Identifier: Apache-2.0
#include "base/process_fence.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace skep {

bool CanFenceProcess() noexcept {
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

// A process that registered can only fail here if the kernel ran out of memory for the
// CPU mask.
void FenceProcess() noexcept {
  while (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) sched_yield();
}

}  // namespace skep
