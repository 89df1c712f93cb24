// SPDX-License-Identifier: Apache-2.0
#include "loader/read_file.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace skep::loader {
namespace {

constexpr uint64_t kMaxFileSize = 1u << 30;

Error SystemError(const std::string& path, const char* what) {
  const int code = errno;
  return {ErrorCode::kSystem, fmt::format("{}: cannot {}: {}", path, what, std::strerror(code)),
          code};
}

}  // namespace

Result<std::vector<std::byte>> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(path, "open");
  struct Closer {
    int fd;
    ~Closer() { close(fd); }
  } closer{fd};
  struct stat status {};
  if (fstat(fd, &status) != 0) return SystemError(path, "stat");
  if (!S_ISREG(status.st_mode))
    return Error{ErrorCode::kSystem, fmt::format("{}: not a regular file", path), EINVAL};
  if (static_cast<uint64_t>(status.st_size) > kMaxFileSize)
    return Error{ErrorCode::kResourceLimit,
                 fmt::format("{}: {} bytes, need at most {}", path, status.st_size, kMaxFileSize)};
  std::vector<std::byte> bytes(static_cast<size_t>(status.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = read(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError(path, "read");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace skep::loader
