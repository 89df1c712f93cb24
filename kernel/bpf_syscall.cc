// SPDX-License-Identifier: Apache-2.0
#include "kernel/bpf_syscall.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/syscall.h>
#include <unistd.h>

namespace skep::kernel {
namespace {

std::string_view CommandName(Command command) {
  switch (command) {
#define SKEP_COMMAND(name, number, text, backend) \
  case Command::k##name:                          \
    return text;
#include "kernel/commands.def"
  }
  return "";
}

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

int Bpf(Command command, void* attr, uint32_t size) {
  // A load that a signal interrupts gives EAGAIN; libbpf tries five times too.
  constexpr int kAttempts = 5;
  long result = -1;
  for (int i = 0; i < kAttempts; ++i) {
    result = syscall(SYS_bpf, static_cast<int>(command), attr, size);
    if (result >= 0 || errno != EAGAIN) break;
  }
  return result < 0 ? -errno : static_cast<int>(result);
}

void CopyName(std::string_view name, char (&out)[16]) {
  std::memset(out, 0, sizeof out);
  const size_t length = std::min(name.size(), sizeof out - 1);
  for (size_t i = 0; i < length; ++i) out[i] = IsNameByte(name[i]) ? name[i] : '_';
}

Error SystemError(Command command, int error) {
  constexpr int kEnotsupp = 524;  // no number of user space: strerror does not know it
  std::string text = "bpf(" + std::string(CommandName(command)) + "): " +
                     (error == kEnotsupp ? "Operation is not supported" : std::strerror(error));
  if (error == EPERM || error == EACCES) {
    text += "; the kernel backend needs root, or CAP_BPF with CAP_NET_ADMIN and CAP_PERFMON";
  } else if (error == ENOSYS) {
    text += "; this kernel has no bpf(2)";
  }
  return {ErrorCode::kSystem, std::move(text), error};
}

}  // namespace skep::kernel
