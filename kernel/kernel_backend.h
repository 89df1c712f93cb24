// SPDX-License-Identifier: Apache-2.0
// The real kernel as a Backend: linked programs and map specs of this library
// are loaded by bpf(2) and run by BPF_PROG_TEST_RUN. Nothing is attached or
// pinned: maps and programs go with the objects that hold them.
//
// Programs whose load needs a target in the kernel (tracing, lsm, struct_ops,
// ext) are refused by name.

#ifndef SKEP_KERNEL_KERNEL_BACKEND_H_
#define SKEP_KERNEL_KERNEL_BACKEND_H_

#include <memory>

#include "skep/backend.h"

namespace skep::kernel {

std::unique_ptr<Backend> CreateKernelBackend();

// Why the kernel cannot be asked, in one sentence; empty if a program loads.
std::string WhyUnavailable();

}  // namespace skep::kernel

#endif  // SKEP_KERNEL_KERNEL_BACKEND_H_
