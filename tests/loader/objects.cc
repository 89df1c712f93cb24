// SPDX-License-Identifier: Apache-2.0
#include "tests/loader/objects.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace skep::loader {

std::vector<std::string> ObjectsUnder(const std::string& folder) {
  std::vector<std::string> paths;
  if (!std::filesystem::is_directory(folder)) return paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".o") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> BuiltObjects() {
  return ObjectsUnder(SKEP_BINARY_DIR "/tests/data/loader");
}

std::vector<std::string> OtherObjects() {
  const char* folder = std::getenv("SKEP_OBJECTS_DIR");
  return folder == nullptr ? std::vector<std::string>() : ObjectsUnder(folder);
}

std::vector<std::string> SelftestObjects() {
  const char* folder = std::getenv("SKEP_SELFTEST_OBJECTS");
  return folder == nullptr ? std::vector<std::string>() : ObjectsUnder(folder);
}

std::vector<std::string> AllObjects() {
  std::vector<std::string> paths = BuiltObjects();
  for (auto* more : {OtherObjects, SelftestObjects})
    for (std::string& path : more()) paths.push_back(std::move(path));
  return paths;
}

std::vector<std::byte> ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  std::vector<std::byte> bytes(static_cast<size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

std::string SourceName(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  return name.substr(0, name.find('.'));
}

}  // namespace skep::loader
