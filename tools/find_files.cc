// SPDX-License-Identifier: Apache-2.0
#include "tools/find_files.h"

#include <algorithm>
#include <filesystem>

namespace skep::tools {
namespace {

namespace fs = std::filesystem;

// ".ebpf, .data or .o"
std::string Listed(const std::vector<std::string_view>& extensions) {
  std::string out;
  for (size_t i = 0; i < extensions.size(); ++i) {
    if (i > 0) out += i + 1 == extensions.size() ? " or " : ", ";
    out += extensions[i];
  }
  return out;
}

}  // namespace

Result<std::vector<std::string>> FindFiles(const std::vector<std::string>& paths,
                                           const std::vector<std::string_view>& extensions) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    for (fs::recursive_directory_iterator it(path, error), end; !error && it != end;
         it.increment(error)) {
      const std::string extension = it->path().extension();
      if (it->is_regular_file(error) &&
          std::find(extensions.begin(), extensions.end(), extension) != extensions.end()) {
        found.push_back(it->path().string());
      }
    }
    if (error) return Error{ErrorCode::kSystem, path + ": " + error.message()};
    if (found.empty()) {
      return Error{ErrorCode::kInvalidArgument,
                   path + ": no " + Listed(extensions) + " files in this folder"};
    }
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

}  // namespace skep::tools
