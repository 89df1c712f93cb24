// SPDX-License-Identifier: Apache-2.0
// SharedFile: a file or a memfd whose memory several processes map. Each of them
// has an open file description of its own, and so locks that end with it: a lock
// on a byte says that its holder lives, whatever way it ends.
//
// Threads: const methods any. Lifetime: owns its descriptors; neither outlives an
// exec. A child of fork shares the description, so it must open the file again.

#ifndef SKEP_BASE_SHARED_FILE_H_
#define SKEP_BASE_SHARED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "skep/result.h"

namespace skep {

class SharedFile {
 public:
  // What a new file holds: `bytes`, zeros but for a part at its start and one that
  // begins at the second page.
  struct Contents {
    uint64_t bytes = 0;
    std::span<const std::byte> head{};
    std::span<const std::byte> second_page{};
  };
  // A memfd, sealed against another size.
  static Result<SharedFile> CreateMemory(const std::string& name, const Contents& contents);
  // A new file, seen by others only when it is whole. Fails with kSystem, with
  // sys_errno EEXIST if there is something at `path`.
  static Result<SharedFile> CreateAt(const std::string& path, const Contents& contents);
  static Result<SharedFile> OpenAt(const std::string& path);
  // The file behind another process's descriptor, which stays the caller's. Fails
  // with kInvalidArgument for a memfd that is not sealed against shrinking.
  static Result<SharedFile> OpenDescriptor(int fd);

  SharedFile(SharedFile&& other) noexcept
      : name_(std::move(other.name_)),
        fd_(std::exchange(other.fd_, -1)),
        shared_fd_(std::exchange(other.shared_fd_, -1)),
        size_(other.size_) {}
  SharedFile& operator=(SharedFile&&) = delete;
  ~SharedFile();

  // For messages: the path, or what kind of descriptor it is.
  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }       // when it was opened
  int fd() const { return fd_; }                // ours alone
  int shared_fd() const { return shared_fd_; }  // may be passed to others
  // The first bytes. Fails if there are not as many.
  Result<void> Read(std::span<std::byte> head) const;

  // Locks on bytes behind the contents. TryLock returns 0, -EAGAIN if another
  // holds it, or -errno.
  int TryLock(uint32_t number) const noexcept;
  void Unlock(uint32_t number) const noexcept;
  // Whether nobody but us holds the lock.
  bool IsFree(uint32_t number) const noexcept;

  // The first offset from `offset` on that has contents, and the first behind
  // that which has none; both `end` if there is none. What others write at the
  // same time may be missed.
  std::pair<uint64_t, uint64_t> NextData(uint64_t offset, uint64_t end) const noexcept;

 private:
  SharedFile(std::string name, int fd, int shared_fd, uint64_t size)
      : name_(std::move(name)), fd_(fd), shared_fd_(shared_fd), size_(size) {}
  static Result<SharedFile> Own(std::string name, int shared_fd);

  std::string name_;
  int fd_;
  int shared_fd_;
  uint64_t size_;
};

}  // namespace skep

#endif  // SKEP_BASE_SHARED_FILE_H_
