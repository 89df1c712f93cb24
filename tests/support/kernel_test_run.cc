// SPDX-License-Identifier: Apache-2.0
#include "tests/support/kernel_test_run.h"

#include <cerrno>

#include <sys/syscall.h>
#include <unistd.h>

namespace skep::test {
namespace {

constexpr int kProgramRun = 10;

struct RunAttr {
  uint32_t fd, result, in_size, out_size;
  uint64_t in, out;
  uint32_t repeat, duration, context_in_size, context_out_size;
  uint64_t context_in, context_out;
  uint32_t flags, cpu, batch, padding;
};

uint64_t Address(const void* p) { return reinterpret_cast<uint64_t>(p); }

}  // namespace

KernelRunOutput KernelTestRun(const Fd& program, const KernelRunInput& input) {
  constexpr size_t kRoom = 400000;  // programs may make the packet longer
  KernelRunOutput out;
  out.data.resize(input.data.size() + kRoom);
  out.context.resize(input.context.size());
  RunAttr attr{};
  attr.fd = static_cast<uint32_t>(program.get());
  attr.in = Address(input.data.data());
  attr.in_size = static_cast<uint32_t>(input.data.size());
  attr.out = Address(out.data.data());
  attr.out_size = static_cast<uint32_t>(out.data.size());
  attr.repeat = input.repeat;
  attr.flags = input.flags;
  if (!input.context.empty()) {
    attr.context_in = Address(input.context.data());
    attr.context_out = Address(out.context.data());
    attr.context_in_size = attr.context_out_size = static_cast<uint32_t>(input.context.size());
  }
  const long result = syscall(SYS_bpf, kProgramRun, &attr, sizeof attr);
  out.error = result < 0 ? -errno : 0;
  out.value = attr.result;
  out.data.resize(out.error == 0 ? attr.out_size : 0);
  return out;
}

}  // namespace skep::test
