// SPDX-License-Identifier: Apache-2.0
// Golden machine code: each file below tests/data/jit/x64 holds a program and
// the code that it becomes. SKEP_BLESS=1 rewrites the listings.
//
//   -- asm       the program; it is not run
//   -- given     optional, a line each: `metered`; `portable` (no CPU extension);
//                `optimized`;
//                `map array stride=N entries=N [cpu=N]` or `map prog_array`;
//                `fact INSN map|not_null|nonzero|index=N`
//   -- listing   each instruction behind `;`, the code made from it below
//
// Helpers 1 (map_lookup_elem), 8 (get_smp_processor_id) and 12 (tail_call) are
// the kernel's; 100 is any helper, 101 one that calls back.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "isa/assembler.h"
#include "isa/disasm.h"
#include "jit/listing.h"
#include "jit/op_shape.h"
#include "tests/jit/exec_from_text.h"
#include "tests/jit/view_map.h"

namespace skep::jit {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(SKEP_SOURCE_DIR) / "tests/data/jit/x64";

// Addresses that the listings may show.
constexpr uintptr_t kHelperAddress = 0x10001000;
constexpr uintptr_t kMapAddress = 0x20000000000;

HelperSpec Helper(uint32_t id, uint16_t flags = 0) {
  HelperSpec spec;
  spec.id = id;
  spec.name = "helper";
  spec.flags = flags;
  spec.args[0].kind = ArgKind::kAnything;
  spec.args[1].kind = ArgKind::kAnything;
  // Never called: code is listed, not run.
  spec.function = reinterpret_cast<HelperFunction>(kHelperAddress + id);
  return spec;
}

struct GoldenFile {
  std::string head;  // everything in front of the listing
  std::map<std::string, std::string> sections;
};

GoldenFile Read(const fs::path& path) {
  GoldenFile file;
  std::ifstream in(path);
  std::string section;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("-- ")) {
      section = line.substr(3);
      file.sections[section];
    } else if (!section.empty()) {
      file.sections[section] += line + "\n";
    }
    if (section != "listing") file.head += line + "\n";
  }
  return file;
}

// The number behind `key=` in the line, or `otherwise`.
uint64_t Number(const std::string& line, const std::string& key, uint64_t otherwise) {
  const size_t at = line.find(key + "=");
  return at == std::string::npos ? otherwise
                                 : std::stoull(line.substr(at + key.size() + 1), nullptr, 0);
}

void Apply(const std::string& line, TestProgram& program, CompileOptions& options) {
  std::istringstream words(line);
  std::string word;
  words >> word;
  if (word == "metered") options.metered = true;
  if (word == "optimized") options.optimized = true;
  if (word == "portable") options.cpu = Cpu::kPortable;
  if (word == "map") {
    words >> word;
    const bool prog_array = word == "prog_array";
    const uint64_t cpu = Number(line, "cpu", 0);
    const MapType type = prog_array ? MapType::kProgArray
                         : cpu != 0 ? MapType::kPercpuArray
                                    : MapType::kArray;
    program.exec.maps.push_back(
        MakeViewMap(type, {reinterpret_cast<std::byte*>(kMapAddress), Number(line, "stride", 8),
                           cpu, static_cast<uint32_t>(Number(line, "entries", 4))}));
  }
  if (word == "fact") {
    size_t insn = 0;
    words >> insn >> word;
    program.exec.facts.resize(program.exec.insns.size());
    model::InsnFact& fact = program.exec.facts.at(insn);
    if (word == "nonzero") fact.nonzero_divisor = true;
    if (word == "not_null") fact.lookup_not_null = true;
    if (word != "nonzero") fact.map = 0;
    if (word.starts_with("index="))
      fact.constant_index = static_cast<uint32_t>(Number(word, "index", 0));
  }
}

std::string Indented(const std::string& text) {
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) out += "    " + line + "\n";
  return out;
}

std::string ListingOf(const TestProgram& program, std::span<const Insn> insns,
                      const Listing& listing) {
  std::string out;
  for (const ListingPiece& piece : listing.pieces) {
    switch (piece.kind) {
      case ListingPiece::Kind::kEntry:
        out += "; entry\n";
        break;
      case ListingPiece::Kind::kCold:
        out += "; cold\n";
        break;
      case ListingPiece::Kind::kCallback:
        out += "; callback\n";
        break;
      case ListingPiece::Kind::kInsns:
        for (uint32_t i = piece.insn; i < piece.insn + piece.count; ++i) {
          out += "; " + Disassemble(Decode(insns, program.exec.origin[i]).insn) + "\n";
        }
        break;
    }
    out += Indented(piece.text);
  }
  return out;
}

std::vector<fs::path> Files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(kFolder)) {
    if (entry.path().extension() == ".ebpf") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

struct Compiled {
  std::unique_ptr<TestProgram> program;
  std::string listing;
};

Compiled CompileFile(const GoldenFile& file, const fs::path& path) {
  auto assembled = Assemble(file.sections.at("asm"));
  EXPECT_TRUE(bool(assembled)) << path << ": " << assembled.error().message;
  Compiled compiled;
  compiled.program = FromInsns(assembled->insns, {Helper(1), Helper(8), Helper(12), Helper(100),
                                                  Helper(101, kHelperCallsBack)});
  CompileOptions options{.cpu = Cpu::kModern};
  if (file.sections.contains("given")) {
    std::istringstream lines(file.sections.at("given"));
    for (std::string line; std::getline(lines, line);) Apply(line, *compiled.program, options);
  }
  const auto listing = List(compiled.program->exec, options);
  EXPECT_TRUE(bool(listing)) << path << ": " << listing.error().message;
  compiled.listing = ListingOf(*compiled.program, assembled->insns, *listing);
  return compiled;
}

TEST(GoldenCode, IsWhatTheFilesSay) {
  const bool bless = std::getenv("SKEP_BLESS") != nullptr;
  const auto files = Files();
  ASSERT_FALSE(files.empty());
  for (const fs::path& path : files) {
    const GoldenFile file = Read(path);
    const std::string listing = CompileFile(file, path).listing;
    if (bless) {
      std::ofstream(path) << file.head << "-- listing\n" << listing;
    } else {
      const auto expected = file.sections.find("listing");
      ASSERT_NE(expected, file.sections.end()) << path;
      EXPECT_EQ(listing, expected->second) << path;
    }
  }
}

TEST(GoldenCode, CoversEveryOperationThatIsCompiled) {
  std::set<Op> seen;
  for (const fs::path& path : Files()) {
    const Compiled compiled = CompileFile(Read(path), path);
    for (const model::ExecInsn& insn : compiled.program->exec.insns) seen.insert(insn.op);
  }
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    // Text does not give these what lowering gives them, a count and an arena; they
    // are run by tests/tools/run_programs_test.py.
    if (op == Op::kMayGoto || op == Op::kAddrSpaceCast) continue;
    EXPECT_TRUE(seen.contains(op) || ShapeOf(op).unknown) << Info(op).name << " has no golden code";
  }
}

// What has no golden code is refused, by name.
TEST(GoldenCode, IsMissingOnlyForRefusedOperations) {
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    if (!ShapeOf(op).unknown) continue;
    model::ExecProgram exec;
    exec.verified = true;
    exec.insns = {{op, 0, 0, 0, 0, 0, 0, 1}, {Op::kExit, 0, 0, 0, 0, 0, 0, 0}};
    exec.subprograms.push_back({"main", 0, 2, 0, false});
    const auto code = Compile(exec, {});
    ASSERT_FALSE(bool(code)) << Info(op).name;
    EXPECT_EQ(code.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(code.error().message.find(Info(op).name), std::string::npos);
  }
}

}  // namespace
}  // namespace skep::jit
