// SPDX-License-Identifier: Apache-2.0
#include "bench/kernel_program.h"

#include <bit>
#include <cstring>
#include <string>

#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace skep::bench {
namespace {

template <class T>
uint64_t Address(const T* pointer) {
  return std::bit_cast<uintptr_t>(pointer);
}

long Bpf(bpf_cmd command, bpf_attr& attr) { return syscall(SYS_bpf, command, &attr, sizeof(attr)); }

Error SystemError(const char* what) {
  const int code = errno;
  return Error{ErrorCode::kSystem, std::string(what) + ": " + std::strerror(code), code};
}

}  // namespace

Result<KernelProgram> KernelProgram::Load(const Program& program) {
  if (!program.maps().empty()) {
    return Error{ErrorCode::kUnsupported, "the program has maps, need one without"};
  }
  bpf_attr attr;
  std::memset(&attr, 0, sizeof(attr));
  attr.prog_type = BPF_PROG_TYPE_XDP;
  attr.insn_cnt = static_cast<uint32_t>(program.insns().size());
  attr.insns = Address(program.insns().data());
  attr.license = Address("GPL");
  const long fd = Bpf(BPF_PROG_LOAD, attr);
  if (fd < 0) return SystemError("bpf(BPF_PROG_LOAD)");
  return KernelProgram(static_cast<int>(fd));
}

KernelProgram::~KernelProgram() {
  if (fd_ >= 0) close(fd_);
}

Result<KernelProgram::Outcome> KernelProgram::RunOnce(std::span<const std::byte> packet) const {
  Outcome outcome;
  outcome.packet.resize(packet.size());
  bpf_attr attr;
  std::memset(&attr, 0, sizeof(attr));
  attr.test.prog_fd = static_cast<uint32_t>(fd_);
  attr.test.data_in = Address(packet.data());
  attr.test.data_size_in = static_cast<uint32_t>(packet.size());
  attr.test.data_out = Address(outcome.packet.data());
  attr.test.data_size_out = static_cast<uint32_t>(outcome.packet.size());
  attr.test.repeat = 1;
  if (Bpf(BPF_PROG_TEST_RUN, attr) != 0) return SystemError("bpf(BPF_PROG_TEST_RUN)");
  outcome.value = attr.test.retval;
  return outcome;
}

Result<uint32_t> KernelProgram::TimeRuns(std::span<const std::byte> packet, uint32_t repeat) const {
  bpf_attr attr;
  std::memset(&attr, 0, sizeof(attr));
  attr.test.prog_fd = static_cast<uint32_t>(fd_);
  attr.test.data_in = Address(packet.data());
  attr.test.data_size_in = static_cast<uint32_t>(packet.size());
  attr.test.repeat = repeat;
  if (Bpf(BPF_PROG_TEST_RUN, attr) != 0) return SystemError("bpf(BPF_PROG_TEST_RUN)");
  return attr.test.duration;
}

}  // namespace skep::bench
