// SPDX-License-Identifier: Apache-2.0
// Runs the test files under tests/data on every engine, and the conformance
// files of the project's shared folder where that is there.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "vm/test_runner.h"

namespace skep {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> FilesIn(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const fs::path extension = entry.path().extension();
    if (extension == ".ebpf" || extension == ".data") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void ExpectAllPass(const std::vector<fs::path>& files) {
  TestRunOptions options;
  options.verify.rights = Rights::kRoot;
  for (const fs::path& path : files) {
    std::ifstream stream(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const auto file = ParseTestFile(text, path.filename().string());
    ASSERT_TRUE(file) << file.error().message;
    const auto rows = RunTestFile(*file, options);
    EXPECT_FALSE(rows.empty()) << path << " asks for nothing";
    for (const TestRow& row : rows) {
      EXPECT_EQ(row.outcome, TestOutcome::kPass)
          << path.filename().string() << " [" << row.engine << "]: " << row.detail;
    }
  }
}

fs::path DataFolder(const char* name) { return fs::path(SKEP_SOURCE_DIR) / "tests/data" / name; }

TEST(DataFiles, OfTheInstructionSetPassOnEveryEngine) {
  const auto files = FilesIn(DataFolder("isa"));
  ASSERT_GT(files.size(), 100u);
  ExpectAllPass(files);
}

TEST(DataFiles, ThatAreToBeAcceptedAre) { ExpectAllPass(FilesIn(DataFolder("accept"))); }
TEST(DataFiles, ThatAreToBeRejectedAre) { ExpectAllPass(FilesIn(DataFolder("reject"))); }

TEST(DataFiles, OfTheConformanceSuitePassOnEveryEngine) {
  const char* shared = std::getenv("SKEP_SHARED_DIR");
  const fs::path folder =
      (shared != nullptr ? fs::path(shared) : fs::path(SKEP_SOURCE_DIR).parent_path() / "shared") /
      "conformance";
  const auto files = FilesIn(folder);
  if (files.empty()) GTEST_SKIP() << "the folder shared/conformance is not beside the source tree";
  ExpectAllPass(files);
}

}  // namespace
}  // namespace skep
