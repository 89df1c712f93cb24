// SPDX-License-Identifier: Apache-2.0
// The current task of programs that the command runs.

#ifndef SKEP_TOOLS_CURRENT_TASK_H_
#define SKEP_TOOLS_CURRENT_TASK_H_

#include <cstdint>
#include <functional>

#include "skep/program.h"

namespace skep::tools {

// For ExecutionHooks::current_task: a struct task_struct laid out as in the BTF
// of the target kernel, all zeros but for pid, tgid and comm, which are those of
// the calling thread. Empty if `program` has no such BTF. The structure lives as
// long as the function and its copies.
std::function<uint64_t()> CurrentTask(const Program& program);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_CURRENT_TASK_H_
