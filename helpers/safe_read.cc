// SPDX-License-Identifier: Apache-2.0
#include "helpers/safe_read.h"

#include <algorithm>
#include <cerrno>

#include <sys/uio.h>
#include <unistd.h>

namespace skep::helpers {
namespace {

constexpr uint64_t kLowest = 65536;  // vm.mmap_min_addr
constexpr uint64_t kPage = 4096;     // or a part of one

}  // namespace

// The system reads, so that an address that is not there is an error and no signal.
int ReadMemory(void* to, uint64_t address, uint64_t bytes) noexcept {
  if (address < kLowest) return -ERANGE;
  const iovec local{to, bytes};
  const iovec remote{reinterpret_cast<void*>(address), bytes};
  const ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
  return got == static_cast<ssize_t>(bytes) ? 0 : -EFAULT;
}

// Never more than the page of the first byte.
int SafeReader::Fill(uint64_t index) noexcept {
  const uint64_t from = address_ + index;
  const uint64_t bytes = std::min<uint64_t>(buffer_.size(), kPage - from % kPage);
  filled_ = 0;
  const int refused = ReadMemory(buffer_.data(), from, bytes);
  if (refused != 0) return refused;
  start_ = index;
  filled_ = bytes;
  return 0;
}

}  // namespace skep::helpers
