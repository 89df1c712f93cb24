// SPDX-License-Identifier: Apache-2.0
// skep test: runs test files on every engine.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/command.h"
#include "tools/input.h"
#include "tools/kernel_test.h"
#include "tools/output.h"
#include "vm/test_runner.h"

namespace skep::tools {
namespace {

namespace fs = std::filesystem;

struct TestCommandOptions {
  std::vector<std::string> paths;
  std::vector<std::string> engines;
  bool unprivileged = false;
  bool json = false;
};

bool IsTestFile(const fs::path& path) {
  return path.extension() == ".ebpf" || path.extension() == ".data";
}

// Files as given; test files of folders, in order of their names.
Result<std::vector<std::string>> FindFiles(const std::vector<std::string>& paths) {
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
      if (it->is_regular_file(error) && IsTestFile(it->path())) {
        found.push_back(it->path().string());
      }
    }
    if (error) return Error{ErrorCode::kSystem, path + ": " + error.message()};
    if (found.empty()) {
      return Error{ErrorCode::kInvalidArgument, path + ": no .ebpf or .data files in this folder"};
    }
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

Result<TestFile> OpenTestFile(const std::string& path) {
  SKEP_TRY(const auto bytes, ReadFile(path, size_t{64} << 20));
  return ParseTestFile({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

const char* OutcomeName(TestOutcome outcome) {
  switch (outcome) {
    case TestOutcome::kPass:
      return "pass";
    case TestOutcome::kFail:
      return "fail";
    case TestOutcome::kSkip:
      return "skip";
  }
  return "fail";
}

int TestCommand(const TestCommandOptions& options) {
  TestRunOptions run;
  run.verify.rights = options.unprivileged ? Rights::kUnprivileged : Rights::kRoot;
  run.verify.mitigations = options.unprivileged;
  if (!options.engines.empty()) run.engines.clear();
  bool on_kernel = false;
  for (const std::string& name : options.engines) {
    if (name == "kernel") {
      on_kernel = true;
      continue;
    }
    const auto engine = EngineByName(name);
    if (!engine) {
      PrintError("unknown engine '" + name +
                 "', expected interp, checked, baseline, jit or kernel");
      return kBadInput;
    }
    run.engines.push_back(*engine);
  }
  auto files = FindFiles(options.paths);
  if (!files) return Fail(files.error());
  Json all = Json::array();
  std::string text;
  size_t passed = 0, failed = 0, skipped = 0;
  size_t unreadable = 0;
  Progress progress("test file", files->size());
  for (const std::string& path : *files) {
    const auto file = OpenTestFile(path);
    if (!file) {
      ++unreadable;
      PrintError(file.error().message);
    }
    auto rows = file ? RunTestFile(*file, run) : FailedTestFile(file.error(), run);
    if (file && on_kernel) rows.push_back(RunTestFileOnKernel(*file));
    for (const TestRow& row : rows) {
      passed += row.outcome == TestOutcome::kPass;
      failed += row.outcome == TestOutcome::kFail;
      skipped += row.outcome == TestOutcome::kSkip;
      all.push_back({{"file", path},
                     {"engine", row.engine},
                     {"result", OutcomeName(row.outcome)},
                     {"detail", row.detail}});
      if (row.outcome != TestOutcome::kPass) {
        text += std::string(OutcomeName(row.outcome)) + "  " + path + " [" + row.engine +
                "]: " + row.detail + "\n";
      }
    }
    progress.Step();
  }
  text += std::to_string(files->size()) + " files: " + std::to_string(passed) + " passed, " +
          std::to_string(failed) + " failed, " + std::to_string(skipped) + " skipped\n";
  // Nothing was tested: no table that looks as if.
  if (unreadable == files->size()) return kBadInput;
  const int status = unreadable != 0 ? kBadInput : failed != 0 ? kFailed : kDone;
  return options.json ? WriteJson(all, status) : Write(text, status);
}

}  // namespace

void AddTest(CLI::App& app, int& status) {
  auto options = std::make_shared<TestCommandOptions>();
  CLI::App* test = app.add_subcommand("test", "Run test files on every engine");
  test->add_option("path", options->paths, ".ebpf or .data files, or folders of them")->required();
  test->add_option("--engine", options->engines,
                   "interp, checked, baseline, jit or kernel; may be repeated (default: interp, "
                   "checked, jit)")
      ->allow_extra_args(false);
  test->add_flag("--unprivileged", options->unprivileged,
                 "Verify by the rules for untrusted programs");
  test->add_flag("--json", options->json, "Machine output on standard output");
  test->footer(
      "Examples:\n"
      "  skep test tests/data/isa\n"
      "  skep test add.ebpf --engine jit\n"
      "  skep test tests/data --json\n");
  test->callback([options, &status] { status = TestCommand(*options); });
}

}  // namespace skep::tools
