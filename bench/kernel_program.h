// SPDX-License-Identifier: Apache-2.0
// KernelProgram: a linked XDP program in the real kernel, timed by
// BPF_PROG_TEST_RUN. Only what the benchmarks need: bpf(2) itself, no maps.
//
// Threads: one at a time. Lifetime: the kernel's program goes with the object.

#ifndef SKEP_BENCH_KERNEL_PROGRAM_H_
#define SKEP_BENCH_KERNEL_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "skep/program.h"
#include "skep/result.h"

namespace skep::bench {

class KernelProgram {
 public:
  // Fails with kSystem if bpf(2) is refused or the kernel rejects the program,
  // with kUnsupported if the program has maps.
  static Result<KernelProgram> Load(const Program& program);
  KernelProgram(KernelProgram&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  KernelProgram& operator=(KernelProgram&&) = delete;
  ~KernelProgram();

  struct Outcome {
    uint32_t value = 0;             // r0
    std::vector<std::byte> packet;  // as the program left it
  };
  Result<Outcome> RunOnce(std::span<const std::byte> packet) const;
  // Runs `repeat` times over one copy of the packet; returns the kernel's own
  // figure, whole nanoseconds a run (cut, not rounded). The system call around it
  // waits for milliseconds, so a clock of ours would say nothing.
  Result<uint32_t> TimeRuns(std::span<const std::byte> packet, uint32_t repeat) const;

 private:
  explicit KernelProgram(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace skep::bench

#endif  // SKEP_BENCH_KERNEL_PROGRAM_H_
