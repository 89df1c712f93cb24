// SPDX-License-Identifier: Apache-2.0
// The running Linux kernel as judge: loads raw instruction slots through bpf(2)
// and runs them. No map or program outlives its object. Whether there is a
// kernel to ask, and which, says tests/support/bpf_syscall.h.
//
// Threads: one.

#ifndef SKEP_TESTS_SUPPORT_KERNEL_ORACLE_H_
#define SKEP_TESTS_SUPPORT_KERNEL_ORACLE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "skep/insn.h"

#include "tests/support/bpf_syscall.h"

namespace skep::kernel_oracle {

// An array map with one element of 64 bytes, for programs to refer to.
class ArrayMap {
 public:
  // Takes descriptor number `fd`, so that programs can hold a fixed number.
  explicit ArrayMap(int fd);
  int fd() const { return fd_.get(); }

 private:
  test::Fd fd_;
};

struct Verdict {
  bool accepted = false;
  int error = 0;    // errno if refused
  std::string log;  // of the verifier
  // r0 of a run over `packet`, low 32 bits; only if a packet was given.
  bool ran = false;
  uint32_t result = 0;
};

// Linux's numbers of program types.
inline constexpr uint32_t kSocketFilter = 1, kSchedCls = 3, kXdp = 6;

// Loads `code`, as a socket filter unless `program_type` says other; with a
// packet of at least 14 bytes also runs it. `fd_array` may be empty. The log
// level is that of test::LoadOptions; a log longer than 64 KiB fails with ENOSPC.
Verdict Judge(std::span<const Insn> code, std::span<const int> fd_array = {},
              std::span<const uint8_t> packet = {}, int log_level = 1,
              uint32_t program_type = kSocketFilter);

}  // namespace skep::kernel_oracle

#endif  // SKEP_TESTS_SUPPORT_KERNEL_ORACLE_H_
