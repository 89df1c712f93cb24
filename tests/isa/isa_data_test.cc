// SPDX-License-Identifier: Apache-2.0
// The files of tests/data/isa: there is one for every operation, each assembles
// and holds its operation, and the kernel computes the same results.
//
// The engines run these files in the vm's tests. scripts/gen_isa_tests.py
// writes them.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isa/assembler.h"
#include "isa/cfg.h"
#include "isa/decode.h"
#include "tests/support/kernel_oracle.h"

namespace skep {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(SKEP_SOURCE_DIR) / "tests/data/isa";

// "SDiv64Reg" is "sdiv64_reg" in file names.
std::string FileName(std::string_view op) {
  std::string name;
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  for (size_t i = 0; i < op.size(); ++i) {
    if (i > 0 && is_upper(op[i]) && !is_upper(op[i - 1])) name += '_';
    name += is_upper(op[i]) ? static_cast<char>(op[i] - 'A' + 'a') : op[i];
  }
  return name;
}

class Symbols final : public AsmSymbols {
 public:
  std::optional<int32_t> HelperId(std::string_view name) const override {
    if (name == "map_lookup_elem") return 1;
    return std::nullopt;
  }
};

struct DataFile {
  std::string stem;
  std::map<std::string, std::string> sections;  // "asm" to its text
  std::vector<Insn> code;
  bool Has(const char* section) const { return sections.count(section) > 0; }
};

std::vector<DataFile> AllFiles() {
  const Assembler assembler;
  std::vector<DataFile> files;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".ebpf") continue;
    DataFile file;
    file.stem = entry.path().stem().string();
    std::ifstream in(entry.path());
    std::string* section = nullptr;
    for (std::string line; std::getline(in, line);) {
      if (line.rfind("-- ", 0) == 0) {
        section = &file.sections[line.substr(3, line.find(' ', 3) - 3)];
      } else if (section != nullptr) {
        *section += line + "\n";
      }
    }
    const Symbols symbols;
    Result<AssembledProgram> program = assembler.Assemble(file.sections["asm"], &symbols);
    EXPECT_TRUE(program) << file.stem << ": " << program.error().message;
    if (program) file.code = program->insns;
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(),
            [](const DataFile& a, const DataFile& b) { return a.stem < b.stem; });
  return files;
}

TEST(IsaData, EveryOperationHasAFileThatUsesIt) {
  const std::vector<DataFile> files = AllFiles();
  for (size_t i = 0; i < kOpTable.size(); ++i) {
    const std::string prefix = FileName(kOpTable[i].name) + "-";
    bool found = false;
    for (const DataFile& file : files) {
      if (file.stem.rfind(prefix, 0) != 0) continue;
      found = true;
      const DecodedProgram program = DecodeProgram(file.code);
      ASSERT_TRUE(program) << file.stem << ": " << Message(program.error);
      EXPECT_TRUE(
          std::any_of(program.insns.begin(), program.insns.end(),
                      [i](const DecodedInsn& insn) { return insn.op == static_cast<Op>(i); }))
          << file.stem << " does not contain " << kOpTable[i].name;
    }
    EXPECT_TRUE(found) << "no file tests/data/isa/" << prefix << "*.ebpf";
  }
}

TEST(IsaData, EveryFileIsAboutAnOperationAndSaysWhatShallHappen) {
  for (const DataFile& file : AllFiles()) {
    const std::string prefix = file.stem.substr(0, file.stem.find('-'));
    EXPECT_TRUE(std::any_of(kOpTable.begin(), kOpTable.end(), [&](const OpInfo& row) {
      return FileName(row.name) == prefix;
    })) << file.stem;
    EXPECT_TRUE(file.Has("result") || file.Has("reject") || file.Has("error")) << file.stem;
    const DecodedProgram program = DecodeProgram(file.code);
    const Cfg cfg = Cfg::Build(program.insns);
    EXPECT_TRUE(cfg) << file.stem << ": " << Message(cfg.error());
  }
}

std::vector<uint8_t> Bytes(const std::string& hex) {
  std::vector<uint8_t> bytes;
  std::istringstream in(hex);
  for (std::string byte; in >> byte;) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(byte, nullptr, 16)));
  }
  return bytes;
}

// Files whose program takes its memory from r1 as plain memory have no twin in
// the kernel, and those with an error are about our engines; all others run there
// as socket filters.
TEST(IsaData, TheKernelGivesTheSameResults) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  if (!test::KernelIsAtLeast(6, 18)) GTEST_SKIP() << "some operations need Linux 6.18";
  int ran = 0;
  for (DataFile& file : AllFiles()) {
    SCOPED_TRACE(file.stem);
    const bool plain_memory = !file.Has("type") && file.Has("mem");
    if (plain_memory || file.Has("error")) continue;
    const bool beyond_rules = file.stem.find("-beyond_width") != std::string::npos ||
                              file.stem.find("-by_zero") != std::string::npos;
    const kernel_oracle::ArrayMap map(100);
    const int fds[] = {map.fd()};
    for (Insn& insn : file.code) {
      if (insn.code == 0x18 && (insn.src == 1 || insn.src == 2)) insn.imm = map.fd();
    }
    const std::vector<uint8_t> packet =
        file.Has("mem") ? Bytes(file.sections["mem"]) : std::vector<uint8_t>(64);
    const kernel_oracle::Verdict verdict = kernel_oracle::Judge(file.code, fds, packet);
    if (file.Has("reject") || beyond_rules) {
      EXPECT_FALSE(verdict.accepted);
      continue;
    }
    EXPECT_TRUE(verdict.ran) << verdict.error << " " << verdict.log;
    const auto expected = std::stoull(file.sections["result"], nullptr, 16);
    EXPECT_EQ(verdict.result, static_cast<uint32_t>(expected));
    ++ran;
  }
  EXPECT_GT(ran, 100);
}

}  // namespace
}  // namespace skep
