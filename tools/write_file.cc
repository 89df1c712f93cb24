// SPDX-License-Identifier: Apache-2.0
#include "tools/write_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace skep::tools {

Result<void> WriteFile(const std::string& path, std::span<const std::byte> bytes) {
  const std::string partial = path + ".partial";
  std::FILE* file = std::fopen(partial.c_str(), "wb");
  if (file == nullptr) return Error{ErrorCode::kSystem, path + ": " + std::strerror(errno), errno};
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed || std::rename(partial.c_str(), path.c_str()) != 0) {
    const Error error{ErrorCode::kSystem, path + ": " + std::strerror(errno), errno};
    std::remove(partial.c_str());
    return error;
  }
  return {};
}

}  // namespace skep::tools
