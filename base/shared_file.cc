// SPDX-License-Identifier: Apache-2.0
#include "base/shared_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/region.h"

namespace skep {
namespace {

// Behind every file's contents.
constexpr off_t kLocksAt = off_t{1} << 62;

Error SystemError(const std::string& name, const char* call, int error) {
  return {ErrorCode::kSystem, name + ": " + call + ": " + std::strerror(error), error};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Return 0 or errno.
int WriteAll(int fd, std::span<const std::byte> bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written <= 0) return written < 0 ? errno : EIO;
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return 0;
}

int Fill(int fd, const SharedFile::Contents& contents) {
  if (ftruncate(fd, static_cast<off_t>(contents.bytes)) != 0) return errno;
  const int error = WriteAll(fd, contents.head, 0);
  return error != 0 ? error : WriteAll(fd, contents.second_page, PageBytes());
}

struct flock LockOf(uint32_t number, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = kLocksAt + number;
  lock.l_len = 1;
  return lock;
}

}  // namespace

SharedFile::~SharedFile() {
  if (fd_ >= 0) close(fd_);
  if (shared_fd_ >= 0) close(shared_fd_);
}

// Takes `shared_fd` over and opens a description of our own.
Result<SharedFile> SharedFile::Own(std::string name, int shared_fd) {
  Descriptor shared(shared_fd);
  struct stat status = {};
  if (fstat(shared.get(), &status) != 0) return SystemError(name, "fstat", errno);
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::kInvalidArgument, name + ": is no regular file", EINVAL};
  }
  const std::string self = "/proc/self/fd/" + std::to_string(shared.get());
  Descriptor own(open(self.c_str(), O_RDWR | O_CLOEXEC));
  if (own.get() < 0) return SystemError(name, ("open " + self).c_str(), errno);
  return SharedFile(std::move(name), own.Release(), shared.Release(),
                    static_cast<uint64_t>(status.st_size));
}

Result<SharedFile> SharedFile::CreateMemory(const std::string& name, const Contents& contents) {
  Descriptor fd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (fd.get() < 0) return SystemError("shared memory", "memfd_create", errno);
  if (const int error = Fill(fd.get(), contents); error != 0) {
    return SystemError("shared memory", "write", error);
  }
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return SystemError("shared memory", "F_ADD_SEALS", errno);
  }
  return Own("shared memory", fd.Release());
}

// The contents come first, then the name: link(2) fails where there is one.
Result<SharedFile> SharedFile::CreateAt(const std::string& path, const Contents& contents) {
  std::string temporary = path + ".XXXXXX";
  Descriptor fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (fd.get() < 0) return SystemError(path, "create", errno);
  int error = Fill(fd.get(), contents);
  const char* call = "write";
  if (error == 0 && link(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
    call = "create";
  }
  unlink(temporary.c_str());
  if (error != 0) return SystemError(path, call, error);
  return Own(path, fd.Release());
}

Result<SharedFile> SharedFile::OpenAt(const std::string& path) {
  // Non-blocking: a FIFO must be refused, not waited for.
  Descriptor fd(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return SystemError(path, "open", errno);
  return Own(path, fd.Release());
}

Result<SharedFile> SharedFile::OpenDescriptor(int fd) {
  const std::string name = "descriptor " + std::to_string(fd);
  Descriptor shared(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (shared.get() < 0) return SystemError(name, "dup", errno);
  struct stat status = {};
  if (fstat(fd, &status) != 0) return SystemError(name, "fstat", errno);
  const int seals = fcntl(fd, F_GET_SEALS);
  if (S_ISREG(status.st_mode) && status.st_nlink == 0 && seals >= 0 &&
      (seals & F_SEAL_SHRINK) == 0) {
    return Error{ErrorCode::kInvalidArgument, name + ": is not sealed against shrinking", EINVAL};
  }
  return Own(name, shared.Release());
}

Result<void> SharedFile::Read(std::span<std::byte> head) const {
  const ssize_t bytes = pread(fd_, head.data(), head.size(), 0);
  if (bytes < 0) return SystemError(name_, "read", errno);
  if (static_cast<size_t>(bytes) == head.size()) return {};
  return Error{ErrorCode::kMalformedObject,
               name_ + ": has " + std::to_string(size_) + " bytes, need at least " +
                   std::to_string(head.size()),
               EINVAL};
}

int SharedFile::TryLock(uint32_t number) const noexcept {
  struct flock lock = LockOf(number, F_WRLCK);
  if (fcntl(fd_, F_OFD_SETLK, &lock) == 0) return 0;
  return errno == EACCES ? -EAGAIN : -errno;
}

void SharedFile::Unlock(uint32_t number) const noexcept {
  struct flock lock = LockOf(number, F_UNLCK);
  fcntl(fd_, F_OFD_SETLK, &lock);
}

bool SharedFile::IsFree(uint32_t number) const noexcept {
  struct flock lock = LockOf(number, F_WRLCK);
  return fcntl(fd_, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

std::pair<uint64_t, uint64_t> SharedFile::NextData(uint64_t offset, uint64_t end) const noexcept {
  if (offset >= end) return {end, end};
  const off_t begin = lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
  if (begin < 0) {
    // ENXIO: none. Otherwise the file system cannot tell.
    return errno == ENXIO ? std::pair(end, end) : std::pair(offset, end);
  }
  const off_t hole = lseek(fd_, begin, SEEK_HOLE);
  const uint64_t until = hole < 0 ? end : static_cast<uint64_t>(hole);
  return {std::min(static_cast<uint64_t>(begin), end), std::min(until, end)};
}

}  // namespace skep
