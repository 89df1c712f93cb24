// SPDX-License-Identifier: Apache-2.0
// Who and where a run is: the thread that runs the program, its CPU slot, and
// random numbers. A host may say other things (ExecutionHooks).
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

constexpr size_t kCommBytes = 16;  // TASK_COMM_LEN

uint64_t CgroupId(ExecutionContext& context, int level) {
  const auto& hook = context.hooks().cgroup_id;
  return hook == nullptr ? 0 : hook(level);
}

uint64_t Signal(ExecutionContext& context, uint64_t signal, bool to_thread) {
  const auto& hook = context.hooks().send_signal;
  return FromResult(hook == nullptr ? -EPERM : hook(static_cast<uint32_t>(signal), to_thread));
}

}  // namespace

uint64_t GetPrandomU32(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext& context) noexcept {
  return context.NextRandom();
}

uint64_t GetSmpProcessorId(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                           ExecutionContext& context) noexcept {
  return context.cpu();
}

// CPU slots are the process's own; they all lie on node 0.
uint64_t GetNumaNodeId(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       ExecutionContext&) noexcept {
  return 0;
}

uint64_t GetCurrentPidTgid(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                           ExecutionContext& context) noexcept {
  if (const auto& hook = context.hooks().pid_tgid; hook != nullptr) return hook();
  const auto process = static_cast<uint32_t>(getpid());
  const auto thread = static_cast<uint32_t>(syscall(SYS_gettid));
  return uint64_t{process} << 32 | thread;
}

uint64_t GetCurrentUidGid(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                          ExecutionContext& context) noexcept {
  if (const auto& hook = context.hooks().uid_gid; hook != nullptr) return hook();
  return uint64_t{getgid()} << 32 | getuid();
}

// Not to be read without a host that says more: the upper half of the address
// space is the kernel's.
uint64_t GetCurrentTask(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                        ExecutionContext& context) noexcept {
  if (const auto& hook = context.hooks().current_task; hook != nullptr) return hook();
  constexpr uint64_t kNoAddress = uint64_t{0xffff8000} << 32;
  return kNoAddress | static_cast<uint64_t>(syscall(SYS_gettid)) << 16;
}

// The name is cut to size - 1 bytes and the rest filled with zeros.
uint64_t GetCurrentComm(uint64_t buffer, uint64_t size, uint64_t, uint64_t, uint64_t,
                        ExecutionContext& context) noexcept {
  const auto bytes = static_cast<uint32_t>(size);
  char name[kCommBytes] = {};
  if (const auto& hook = context.hooks().comm; hook != nullptr) {
    const std::string given = hook();
    std::memcpy(name, given.data(), std::min(given.size(), kCommBytes - 1));
  } else if (prctl(PR_GET_NAME, name) != 0) {
    return FromResult(-EINVAL);
  }
  name[kCommBytes - 1] = '\0';
  std::memset(AsBytes(buffer), 0, bytes);
  std::memcpy(AsBytes(buffer), name, std::min<size_t>(std::strlen(name), bytes - 1));
  return 0;
}

uint64_t GetCgroupClassid(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                          ExecutionContext& context) noexcept {
  const auto& hook = context.hooks().cgroup_classid;
  return hook == nullptr ? 0 : hook();
}

uint64_t GetCurrentCgroupId(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                            ExecutionContext& context) noexcept {
  return CgroupId(context, -1);
}

uint64_t GetCurrentAncestorCgroupId(uint64_t level, uint64_t, uint64_t, uint64_t, uint64_t,
                                    ExecutionContext& context) noexcept {
  const auto ancestor = static_cast<int>(level);
  return ancestor < 0 ? 0 : CgroupId(context, ancestor);
}

uint64_t SendSignal(uint64_t signal, uint64_t, uint64_t, uint64_t, uint64_t,
                    ExecutionContext& context) noexcept {
  return Signal(context, signal, false);
}

uint64_t SendSignalThread(uint64_t signal, uint64_t, uint64_t, uint64_t, uint64_t,
                          ExecutionContext& context) noexcept {
  return Signal(context, signal, true);
}

// struct bpf_pidns_info of the pid namespace that the program names by device and
// inode; it must be the one that the process is in.
uint64_t GetNsCurrentPidTgid(uint64_t device, uint64_t inode, uint64_t info, uint64_t size,
                             uint64_t, ExecutionContext& context) noexcept {
  struct {
    uint32_t pid, tgid;
  } found{};
  struct stat space {};
  const auto bytes = static_cast<uint32_t>(size);
  const bool known = bytes == sizeof found && stat("/proc/self/ns/pid", &space) == 0 &&
                     space.st_dev == device && space.st_ino == inode;
  if (!known) {
    std::memset(AsBytes(info), 0, bytes);
    return FromResult(-EINVAL);
  }
  const uint64_t ids = GetCurrentPidTgid(0, 0, 0, 0, 0, context);
  found.pid = static_cast<uint32_t>(ids);
  found.tgid = static_cast<uint32_t>(ids >> 32);
  std::memcpy(AsBytes(info), &found, sizeof found);
  return 0;
}

}  // namespace skep::helpers
