// SPDX-License-Identifier: Apache-2.0
// BPF_PROG_TEST_RUN with all that it takes and gives.

#ifndef SKEP_TESTS_SUPPORT_KERNEL_TEST_RUN_H_
#define SKEP_TESTS_SUPPORT_KERNEL_TEST_RUN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tests/support/bpf_syscall.h"

namespace skep::test {

struct KernelRunInput {
  std::span<const std::byte> data = {};
  std::span<const std::byte> context = {};
  uint32_t repeat = 1;
  uint32_t flags = 0;
};
struct KernelRunOutput {
  int error = 0;  // 0 or -errno; the rest is valid without an error
  uint32_t value = 0;
  std::vector<std::byte> data;
  std::vector<std::byte> context;  // as long as the one put in
};
KernelRunOutput KernelTestRun(const Fd& program, const KernelRunInput& input);

}  // namespace skep::test

#endif  // SKEP_TESTS_SUPPORT_KERNEL_TEST_RUN_H_
