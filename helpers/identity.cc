// SPDX-License-Identifier: Apache-2.0
// Who and where a run is: the thread that runs the program, its CPU slot, and
// random numbers.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "helpers/functions.h"
#include "helpers/registers.h"

namespace skep::helpers {
namespace {

constexpr size_t kCommBytes = 16;  // TASK_COMM_LEN

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
                           ExecutionContext&) noexcept {
  const auto process = static_cast<uint32_t>(getpid());
  const auto thread = static_cast<uint32_t>(syscall(SYS_gettid));
  return uint64_t{process} << 32 | thread;
}

uint64_t GetCurrentUidGid(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                          ExecutionContext&) noexcept {
  return uint64_t{getgid()} << 32 | getuid();
}

// The name is cut to size - 1 bytes and the rest filled with zeros.
uint64_t GetCurrentComm(uint64_t buffer, uint64_t size, uint64_t, uint64_t, uint64_t,
                        ExecutionContext&) noexcept {
  const auto bytes = static_cast<uint32_t>(size);
  char name[kCommBytes] = {};
  if (prctl(PR_GET_NAME, name) != 0) return FromResult(-EINVAL);
  name[kCommBytes - 1] = '\0';
  std::memset(AsBytes(buffer), 0, bytes);
  std::memcpy(AsBytes(buffer), name, std::min<size_t>(std::strlen(name), bytes - 1));
  return 0;
}

}  // namespace skep::helpers
