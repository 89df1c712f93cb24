// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzzer's entry point on stored inputs: the regression test of inputs
// that a fuzzer once found, in builds that have no libFuzzer.
//
//   <name>_fuzzer PATH...      each a file, or a folder whose files are all run
//
// A folder that does not exist has no inputs yet; the empty input is always run.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void RunFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  // Printed first, so that a crash names its input.
  std::printf("%s: %zu bytes\n", path.c_str(), bytes.size());
  std::fflush(stdout);
  // A copy of the exact size lets the address sanitizer see a read past the end.
  const std::vector<uint8_t> input(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  LLVMFuzzerTestOneInput(nullptr, 0);
  size_t count = 1;
  for (int i = 1; i < argc; ++i) {
    const std::filesystem::path path = argv[i];
    if (!std::filesystem::is_directory(path)) {
      if (std::filesystem::exists(path)) RunFile(path), ++count;
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) RunFile(entry.path()), ++count;
    }
  }
  std::printf("%zu inputs ran\n", count);
  return 0;
}
