// SPDX-License-Identifier: Apache-2.0
#include "base/region.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

namespace skep {
namespace {

// Far above what one process can map; keeps sums of sizes from wrapping.
constexpr uint64_t kMaxBytes = uint64_t{1} << 46;

Error MemoryError(const char* call, uint64_t bytes, int error) {
  return {ErrorCode::kSystem,
          std::string("memory region of ") + std::to_string(bytes) + " bytes: " + call + ": " +
              std::strerror(error),
          error};
}

}  // namespace

uint64_t PageBytes() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

Region& Region::operator=(Region&& other) noexcept {
  if (this != &other) {
    if (base_ != nullptr) munmap(base_, size_);
    base_ = std::exchange(other.base_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Region::~Region() {
  if (base_ != nullptr) munmap(base_, size_);
}

Result<Region> Region::Anonymous(uint64_t bytes) {
  if (bytes == 0 || bytes > kMaxBytes) return MemoryError("size", bytes, ENOMEM);
  const uint64_t size = RoundUp(bytes, PageBytes());
  // Large regions start at a huge page, which mmap does not promise: take more
  // and give the ends back.
  const uint64_t slack = size >= kHugePage ? kHugePage : 0;
  void* mapped = mmap(nullptr, size + slack, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return MemoryError("mmap", bytes, errno);
  auto* base = static_cast<std::byte*>(mapped);
  if (slack != 0) {
    const auto address = reinterpret_cast<uint64_t>(base);
    const uint64_t front = RoundUp(address, kHugePage) - address;
    if (front != 0) munmap(base, front);
    if (front != slack) munmap(base + front + size, slack - front);
    base += front;
  }
  // Lazy means lazy: a first touch must not fault in a huge page.
  if (slack != 0) madvise(base, size, MADV_NOHUGEPAGE);
  return Region(base, size);
}

Result<Region> Region::Mirrored(uint64_t head, uint64_t ring) {
  if (ring == 0 || ring > kMaxBytes) return MemoryError("size", ring, ENOMEM);
  const uint64_t size = head + 2 * ring;
  const int fd = memfd_create("skep-ring", MFD_CLOEXEC);
  if (fd < 0) return MemoryError("memfd_create", size, errno);
  if (ftruncate(fd, static_cast<off_t>(head + ring)) != 0) {
    const int error = errno;
    close(fd);
    return MemoryError("ftruncate", size, error);
  }
  auto region = MirroredFile(fd, 0, 0, head, ring);
  close(fd);
  return region;
}

Result<Region> Region::OfFile(int fd, uint64_t offset, uint64_t bytes) {
  if (bytes == 0 || bytes > kMaxBytes) return MemoryError("size", bytes, ENOMEM);
  const uint64_t size = RoundUp(bytes, PageBytes());
  void* mapped =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (mapped == MAP_FAILED) return MemoryError("mmap", bytes, errno);
  return Region(static_cast<std::byte*>(mapped), size);
}

Result<Region> Region::MirroredFile(int fd, uint64_t offset, uint64_t own, uint64_t head,
                                    uint64_t ring) {
  if (ring == 0 || ring > kMaxBytes) return MemoryError("size", ring, ENOMEM);
  const uint64_t size = own + head + 2 * ring;
  void* mapped = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return MemoryError("mmap", size, errno);
  Region region(static_cast<std::byte*>(mapped), size);
  const int protection = PROT_READ | PROT_WRITE;
  std::byte* shared = region.base_ + own;
  const bool ok = (own == 0 || mprotect(region.base_, own, protection) == 0) &&
                  mmap(shared, head + ring, protection, MAP_SHARED | MAP_FIXED, fd,
                       static_cast<off_t>(offset)) != MAP_FAILED &&
                  mmap(shared + head + ring, ring, protection, MAP_SHARED | MAP_FIXED, fd,
                       static_cast<off_t>(offset + head)) != MAP_FAILED;
  if (!ok) return MemoryError("mmap", size, errno);
  return region;
}

void PreferHugePages(std::byte* begin, uint64_t bytes) noexcept {
  const auto address = reinterpret_cast<uint64_t>(begin);
  const uint64_t first = RoundUp(address, kHugePage);
  const uint64_t end = (address + bytes) / kHugePage * kHugePage;
  if (first < end) madvise(begin + (first - address), end - first, MADV_HUGEPAGE);
}

}  // namespace skep
