// SPDX-License-Identifier: Apache-2.0
// No run of an accepted program leaves what the verifier proved about it.
//
//   SKEP_AUDIT_PROGRAMS=N   random programs (2,000)
//   SKEP_AUDIT_RUNS=N       runs of each (8)
//   SKEP_SEED=N

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "isa/disasm.h"
#include "tools/program_generator.h"
#include "vm/audit_runner.h"
#include "vm/test_file.h"

namespace skep {
namespace {

namespace fs = std::filesystem;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Audit, FindsNoRandomProgramOutsideOfWhatWasProved) {
  const uint64_t count = FromEnvironment("SKEP_AUDIT_PROGRAMS", 2000);
  const uint64_t seed = FromEnvironment("SKEP_SEED", 1);
  AuditOptions options;
  options.runs = static_cast<uint32_t>(FromEnvironment("SKEP_AUDIT_RUNS", 8));
  options.verify.rights = Rights::kRoot;
  options.verify.max_processed = 20'000;
  const auto runtime = *Runtime::Create({});
  uint64_t insns = 0, audited = 0, cannot_run = 0, violated = 0;
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t i = 0; i < count && violated < 5; ++i) {
    options.seed = seed * 1'000'003 + i;
    tools::ProgramGenerator generator(options.seed);
    const tools::GeneratedProgram random = generator.Next();
    const AuditResult result = AuditProgram(*runtime, random.ToProgram(), options);
    insns += result.checked_insns;
    audited += result.runs != 0 ? 1 : 0;
    cannot_run += result.outcome == AuditOutcome::kCannotRun ? 1 : 0;
    if (!result.violation) continue;
    ++violated;
    ADD_FAILURE() << "program " << i << ": instruction " << result.violation->insn << " ("
                  << result.violation->instruction << "): " << result.violation->message << "\n"
                  << result.violation->state << "\n"
                  << DisassembleProgram(random.insns);
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf(
      "%llu programs, %llu audited, %llu cannot run, %llu instructions checked, %.0f a second\n",
      static_cast<unsigned long long>(count), static_cast<unsigned long long>(audited),
      static_cast<unsigned long long>(cannot_run), static_cast<unsigned long long>(insns),
      static_cast<double>(insns) / seconds);
  EXPECT_GT(audited, count / 20);
  EXPECT_EQ(cannot_run, 0u);
}

Program FromText(const std::string& code) {
  const auto file = ParseTestFile("-- type\nxdp\n-- asm\n" + code, "text");
  return *Program::Create(file->program);
}

// What the audit of `proved` says about a run of `run`, which has the same
// instructions but for their numbers. Empty if it saw nothing.
std::string Mismatch(const std::string& proved, const std::string& run) {
  const auto runtime = *Runtime::Create({});
  VerifyOptions options;
  options.rights = Rights::kRoot;
  Audit audit(FromText(proved), runtime->environment(), options);
  EXPECT_TRUE(audit.report().accepted);
  const auto executable = *runtime->PrepareUnverified(FromText(run), Engine::kChecked, {});
  const auto context = *runtime->NewContext();
  audit.Attach(*context);
  std::vector<std::byte> packet(64);
  const RunResult result = executable->RunPacket(*context, {.data = packet});
  Audit::Detach(*context);
  EXPECT_EQ(result.ok(), !audit.violation().has_value());
  return audit.violation() ? audit.violation()->message : std::string();
}

TEST(Audit, SeesARunThatIsNotWhatWasProved) {
  const auto sees = [](const std::string& proved, const std::string& run, const char* what) {
    EXPECT_EQ(Mismatch(proved, proved), "");
    EXPECT_NE(Mismatch(proved, run).find(what), std::string::npos) << Mismatch(proved, run);
  };
  sees("r0 = 1; exit", "r0 = 2; exit", "r0 is 0x2, not in 1");
  sees("r0 = 1; *(u64 *)(r10 - 8) = 5; exit", "r0 = 1; *(u64 *)(r10 - 8) = 6; exit",
       "fp-8 is 0x6, not in 5");
  sees("r0 = 1; *(u8 *)(r10 - 3) = 0; exit", "r0 = 1; *(u8 *)(r10 - 3) = 6; exit",
       "byte 5 of fp-8 is 0x6, not zero");
  sees("r0 = 1; if r0 == 1 goto +1; r0 = 0; exit", "r0 = 1; if r0 == 3 goto +1; r0 = 0; exit",
       "fact: the jump is always taken");
  sees("r2 = r10; r2 += -8; r0 = 0; exit", "r2 = r10; r2 += -16; r0 = 0; exit", "not in fp-8");
  sees("r2 = r1; r0 = 0; exit", "r2 = r10; r0 = 0; exit", "not in ctx()");
  sees("r2 = *(u32 *)(r1 + 0); r0 = 0; exit", "r2 = *(u32 *)(r1 + 4); r0 = 0; exit", "not in pkt(");
  // A packet of 64 bytes.
  const std::string start = "r2 = *(u32 *)(r1 + 0); r3 = *(u32 *)(r1 + 4); r4 = r2; r4 += ";
  const std::string end = "; r0 = 0; if r4 > r3 goto +1; r0 = 1; exit";
  EXPECT_EQ(Mismatch(start + "32" + end, start + "32" + end), "");
  EXPECT_NE(Mismatch(start + "32" + end, start + "80" + end), "");
}

// What files and objects hold, each program by itself.
struct Sum {
  uint64_t audited = 0, insns = 0;
};

void AuditOne(Runtime& runtime, const Program& program, const std::string& name,
              AuditOptions options, Sum* sum) {
  const AuditResult result = AuditProgram(runtime, program, options);
  sum->audited += result.runs != 0 ? 1 : 0;
  sum->insns += result.checked_insns;
  if (!result.violation) return;
  ADD_FAILURE() << name << ": instruction " << result.violation->insn << " ("
                << result.violation->instruction << "): " << result.violation->message << "\n"
                << result.violation->state;
}

void AuditFolder(const std::string& folder, Sum* sum) {
  const auto runtime = *Runtime::Create({});
  AuditOptions options;
  options.runs = static_cast<uint32_t>(FromEnvironment("SKEP_AUDIT_RUNS", 4));
  options.seed = FromEnvironment("SKEP_SEED", 1);
  options.budget = 20'000;
  options.verify.rights = Rights::kRoot;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (entry.path().extension() == ".o") {
      const Result<Object> object = Object::Open(path);
      if (!object) continue;
      for (const ObjectProgram& from : object->programs()) {
        if (from.program) AuditOne(*runtime, *from.program, path + " " + from.name, options, sum);
      }
    } else if (entry.path().extension() == ".ebpf" || entry.path().extension() == ".data") {
      std::ifstream file(path);
      std::stringstream text;
      text << file.rdbuf();
      const Result<TestFile> test = ParseTestFile(text.str(), path);
      if (!test || !test->load_error.empty()) continue;
      const Result<Program> program = Program::Create(test->program);
      if (!program) continue;
      AuditOptions with_input = options;
      with_input.input = test->memory;
      if (test->memory && program->type() == ProgramTypeId::kMemory) {
        with_input.verify.memory_size = static_cast<uint32_t>(test->memory->size());
      }
      AuditOne(*runtime, *program, path, with_input, sum);
    }
  }
  std::printf("%llu programs audited, %llu instructions checked\n",
              static_cast<unsigned long long>(sum->audited),
              static_cast<unsigned long long>(sum->insns));
}

TEST(Audit, FindsNoProgramOfTheTestDataOutsideOfWhatWasProved) {
  Sum sum;
  AuditFolder(std::string(SKEP_SOURCE_DIR) + "/tests/data", &sum);
  EXPECT_GT(sum.audited, 200u);
}

TEST(Audit, FindsNoCompiledProgramOutsideOfWhatWasProved) {
  const std::string folder = std::string(SKEP_BINARY_DIR) + "/tests/data";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is missing: there is no clang";
  Sum sum;
  AuditFolder(folder, &sum);
  EXPECT_GT(sum.audited, 0u);
}

TEST(Audit, FindsNoneOfLinuxsTestProgramsOutsideOfWhatWasProved) {
  const char* objects = std::getenv("SKEP_SELFTEST_OBJECTS");
  if (objects == nullptr) GTEST_SKIP() << "SKEP_SELFTEST_OBJECTS is not set";
  Sum sum;
  AuditFolder(objects, &sum);
  EXPECT_GT(sum.audited, 100u);
}

}  // namespace
}  // namespace skep
