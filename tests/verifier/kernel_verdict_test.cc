// SPDX-License-Identifier: Apache-2.0
// The running kernel's verdict on random programs is ours too.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "skep/program.h"
#include "skep/verify.h"

#include "isa/disasm.h"
#include "tests/support/bpf_syscall.h"
#include "tests/support/kernel_oracle.h"
#include "tools/program_generator.h"
#include "vm/program_types.h"

namespace skep::verifier {
namespace {

// "processed 42 insns (limit ..." at the end of the kernel's log.
uint64_t ProcessedByKernel(const std::string& log) {
  const size_t at = log.rfind("processed ");
  return at == std::string::npos ? 0 : std::strtoull(log.c_str() + at + 10, nullptr, 10);
}

// The reason: the line before the statistics.
std::string Line(const std::string& log) {
  const size_t end = log.rfind("\nverification time");
  if (end == std::string::npos) return log;
  const size_t start = log.rfind('\n', end - 1);
  return log.substr(start + 1, end - start - 1);
}

// For `skep verify --backend both`, once the map types' numbers are names.
std::string AsTestFile(const std::vector<Insn>& insns) {
  std::string text = "-- type\nxdp\n-- maps\n";
  for (const MapSpec& map : tools::GeneratedProgramMaps()) {
    text += map.name + " " + std::to_string(static_cast<int>(map.type)) +
            " key=" + std::to_string(map.key_size) + " value=" + std::to_string(map.value_size) +
            " entries=" + std::to_string(map.max_entries) + "\n";
  }
  text += "-- raw\n";
  for (const Insn& insn : insns) {
    uint64_t word;
    std::memcpy(&word, &insn, sizeof(word));
    char line[24];
    std::snprintf(line, sizeof(line), "0x%016llx\n", static_cast<unsigned long long>(word));
    text += line;
  }
  return text;
}

TEST(KernelVerdict, OfRandomProgramsIsOurs) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  if (!test::KernelIsAtLeast(6, 18)) GTEST_SKIP() << "the rules are those of Linux 6.18";
  constexpr int kFirstMapFd = 900;
  // Longer programs are left out, so that the test ends soon.
  constexpr uint64_t kMostInsns = 20'000;
  // The reason and the counts; a log of every instruction may not fit.
  constexpr int kStatistics = 4;
  std::vector<test::Fd> maps;
  for (const MapSpec& spec : tools::GeneratedProgramMaps()) {
    const test::Fd map = test::KernelMapCreate(spec);
    ASSERT_TRUE(map.ok()) << spec.name;
    maps.emplace_back(dup2(map.get(), kFirstMapFd + static_cast<int>(maps.size())));
  }
  const char* count_text = std::getenv("SKEP_RANDOM_PROGRAMS");
  const int count = count_text != nullptr ? std::atoi(count_text) : 1000;
  const char* seed_text = std::getenv("SKEP_SEED");
  const uint64_t seed = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 1;
  const bool show_counts = std::getenv("SKEP_SHOW_COUNTS") != nullptr;
  const Environment environment = BuiltinEnvironment(2);
  const test::Fd types = test::KernelBtfLoad(tools::FunctionTypes());
  ASSERT_TRUE(types.ok()) << types.get();

  int accepted = 0, stricter = 0, other_path = 0, shown = 0, too_long = 0, undecided = 0;
  for (int i = 0; i < count; ++i) {
    tools::ProgramGenerator generator(seed * 1'000'003 + static_cast<uint64_t>(i));
    const tools::GeneratedProgram random = generator.Next();
    std::vector<Insn> for_kernel = random.insns;
    for (Insn& insn : for_kernel) {
      if (insn.code == 0x18 && (insn.src == 1 || insn.src == 2)) insn.imm += kFirstMapFd;
    }
    VerifyOptions options;
    options.rights = Rights::kRoot;
    options.max_processed = kMostInsns;
    const VerifyOutcome ours = Verify(random.ToProgram(), environment, options);
    if (ours.report.statistics.processed > kMostInsns) {
      ++too_long;
      continue;
    }
    test::LoadOptions load;
    load.log_level = kStatistics;
    std::vector<test::FunctionInfo> functions;
    for (const Subprogram& s : random.subprograms) functions.push_back({s.start, s.btf_type_id});
    if (random.calls_back) {
      load.btf = types.get();
      load.functions = functions;
    }
    kernel_oracle::Verdict kernel;
    kernel.accepted =
        test::KernelProgramLoad(kernel_oracle::kXdp, for_kernel, &kernel.log, load).ok();
    // Linux gave up, or which numbers it forgets in a may_goto loop differs: both
    // are safe, and neither verdict follows from the other.
    const std::string line = Line(kernel.log);
    const bool has_may_goto = std::any_of(random.insns.begin(), random.insns.end(),
                                          [](const Insn& insn) { return insn.code == 0xe5; });
    const bool gave_up = line.find("too large") != std::string::npos ||
                         line.find("too complex") != std::string::npos;
    const bool same = ours.report.accepted == kernel.accepted;
    if (!same && (gave_up || has_may_goto)) {
      ++undecided;
      continue;
    }
    accepted += kernel.accepted ? 1 : 0;
    const std::string reason = ours.report.accepted ? "" : ours.report.findings[0].message;
    const uint64_t processed = ours.report.statistics.processed;
    if (same && processed != ProcessedByKernel(kernel.log)) {
      ++other_path;
      if (show_counts) {
        std::printf("# program %d: processed %llu, by the kernel %llu\n%s\n", i,
                    static_cast<unsigned long long>(processed),
                    static_cast<unsigned long long>(ProcessedByKernel(kernel.log)),
                    AsTestFile(random.insns).c_str());
      }
    }
    if (same && (kernel.accepted || kernel.log.find(reason) != std::string::npos)) continue;
    if (!same && kernel.accepted) ++stricter;
    if (shown++ < 5 || (!same && ours.report.accepted)) {
      const std::string text = "program " + std::to_string(i) + ": kernel " +
                               (kernel.accepted ? "accepts" : "says: " + line) + "\n  skep " +
                               (reason.empty() ? "accepts" : "says: " + reason) + "\n" +
                               DisassembleProgram(random.insns);
      if (!same && ours.report.accepted) {
        ADD_FAILURE() << text;
      } else {
        std::printf("%s\n", text.c_str());
      }
    }
  }
  std::printf(
      "%d programs, kernel accepts %d, skep stricter %d, other messages %d, "
      "other number of processed instructions %d, left out as too long %d, "
      "undecided %d\n",
      count, accepted, stricter, shown - stricter, other_path, too_long, undecided);
  EXPECT_GT(accepted, count / 20) << "the generator makes too few safe programs";
  EXPECT_LE(stricter, count / 100);
  EXPECT_LE(undecided, count / 100);
}

}  // namespace
}  // namespace skep::verifier
