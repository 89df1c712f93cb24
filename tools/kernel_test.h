// SPDX-License-Identifier: Apache-2.0
// Test files on the real kernel: `skep test --engine kernel`.

#ifndef SKEP_TOOLS_KERNEL_TEST_H_
#define SKEP_TOOLS_KERNEL_TEST_H_

#include "vm/test_file.h"
#include "vm/test_runner.h"

namespace skep::tools {

// One row, engine "kernel": its verdict and result are those that the file asks
// for. Skipped, with the reason, where the kernel cannot be asked: plain memory
// programs, files that are no program, unprivileged rules, no rights, no
// BPF_PROG_TEST_RUN for the type.
TestRow RunTestFileOnKernel(const TestFile& file);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_KERNEL_TEST_H_
