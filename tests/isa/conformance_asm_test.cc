// SPDX-License-Identifier: Apache-2.0
// Every program of the bpf_conformance suite assembles and decodes. Running
// them is the vm's test.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isa/assembler.h"
#include "isa/cfg.h"
#include "isa/decode.h"

namespace skep {
namespace {

// Folder of the suite, empty if it is not on this machine.
std::filesystem::path ConformanceFolder() {
  const char* shared = std::getenv("SKEP_SHARED_DIR");
  std::filesystem::path folder = shared != nullptr
                                     ? std::filesystem::path(shared)
                                     : std::filesystem::path(SKEP_SOURCE_DIR) / ".." / "shared";
  folder /= "conformance";
  std::error_code error;
  return std::filesystem::is_directory(folder, error) ? folder : std::filesystem::path();
}

std::string AsmSection(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string text;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("-- ", 0) == 0) {
      inside = line == "-- asm";
      continue;
    }
    if (inside) text += line + "\n";
  }
  return text;
}

TEST(ConformanceSuite, AssemblesAndDecodes) {
  const std::filesystem::path folder = ConformanceFolder();
  if (folder.empty()) GTEST_SKIP() << "no conformance folder; set SKEP_SHARED_DIR";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".data") continue;
    SCOPED_TRACE(entry.path().filename().string());
    ++files;
    const Result<AssembledProgram> program = Assemble(AsmSection(entry.path()));
    ASSERT_TRUE(program) << program.error().message;
    const DecodedProgram decoded = DecodeProgram(program->insns);
    ASSERT_TRUE(decoded) << Message(decoded.error);
    const Cfg cfg = Cfg::Build(decoded.insns);
    ASSERT_TRUE(cfg) << Message(cfg.error());
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace skep
