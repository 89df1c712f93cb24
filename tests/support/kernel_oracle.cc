// SPDX-License-Identifier: Apache-2.0
#include "tests/support/kernel_oracle.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace skep::kernel_oracle {
namespace {

// The parts of union bpf_attr that are used here, as 128 bytes with a zero tail.
struct MapCreateAttr {
  uint32_t map_type, key_size, value_size, max_entries;
  uint8_t rest[112];
};
struct ProgLoadAttr {
  uint32_t prog_type, insn_cnt;
  uint64_t insns, license;
  uint32_t log_level, log_size;
  uint64_t log_buf;
  uint8_t unused[80];
  uint64_t fd_array;
};
static_assert(offsetof(ProgLoadAttr, fd_array) == 120);
struct TestRunAttr {
  uint32_t prog_fd, retval, data_size_in, data_size_out;
  uint64_t data_in, data_out;
  uint8_t rest[96];
};

constexpr int kMapCreate = 0, kProgLoad = 5, kTestRun = 10;
constexpr uint32_t kArray = 2;

uint64_t Address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

int Bpf(int command, void* attr, size_t size) {
  return static_cast<int>(syscall(SYS_bpf, command, attr, size));
}

int CreateArray() {
  MapCreateAttr attr{};
  attr.map_type = kArray;
  attr.key_size = 4;
  attr.value_size = 64;
  attr.max_entries = 1;
  return Bpf(kMapCreate, &attr, sizeof attr);
}

}  // namespace

std::string WhyUnavailable() {
  const int fd = CreateArray();
  if (fd < 0) return std::string("bpf(2) is refused: ") + std::strerror(errno);
  close(fd);
  return {};
}

bool KernelIsAtLeast(int major, int minor) {
  utsname name{};
  int found_major = 0, found_minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &found_major, &found_minor) != 2) {
    return false;
  }
  return found_major > major || (found_major == major && found_minor >= minor);
}

ArrayMap::ArrayMap(int fd) : fd_(fd) {
  const int created = CreateArray();
  dup2(created, fd_);
  if (created != fd_) close(created);
}

ArrayMap::~ArrayMap() { close(fd_); }

Verdict Judge(std::span<const Insn> code, std::span<const int> fd_array,
              std::span<const uint8_t> packet, int log_level, uint32_t program_type) {
  Verdict verdict;
  std::vector<char> log(1 << 16);
  ProgLoadAttr load{};
  load.prog_type = program_type;
  load.insn_cnt = static_cast<uint32_t>(code.size());
  load.insns = Address(code.data());
  load.license = Address("GPL");
  load.log_level = static_cast<uint32_t>(log_level);
  load.log_size = static_cast<uint32_t>(log.size());
  load.log_buf = Address(log.data());
  load.fd_array = fd_array.empty() ? 0 : Address(fd_array.data());
  const int fd = Bpf(kProgLoad, &load, sizeof load);
  verdict.accepted = fd >= 0;
  verdict.error = fd < 0 ? errno : 0;
  verdict.log = log.data();
  if (fd < 0) return verdict;
  if (!packet.empty()) {
    TestRunAttr run{};
    run.prog_fd = static_cast<uint32_t>(fd);
    run.data_size_in = static_cast<uint32_t>(packet.size());
    run.data_in = Address(packet.data());
    verdict.ran = Bpf(kTestRun, &run, sizeof run) == 0;
    verdict.error = verdict.ran ? 0 : errno;
    verdict.result = run.retval;
  }
  close(fd);
  return verdict;
}

}  // namespace skep::kernel_oracle
