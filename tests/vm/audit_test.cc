// SPDX-License-Identifier: Apache-2.0
// No run of an accepted program leaves what the verifier proved about it.
//
//   SKEP_AUDIT_PROGRAMS=N   random programs (2,000)
//   SKEP_AUDIT_RUNS=N       runs of each (8)
//   SKEP_SEED=N

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "isa/disasm.h"
#include "tests/support/verifier_program.h"
#include "vm/audit_runner.h"

namespace skep {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

Program MakeProgram(const test::GeneratedProgram& random) {
  ProgramData data;
  data.name = "random";
  data.type = ProgramTypeId::kXdp;
  data.license = "GPL";
  data.insns = random.insns;
  data.subprograms = random.subprograms;
  MapSpec map;
  map.name = "array";
  map.type = MapType::kArray;
  map.key_size = 4;
  map.value_size = 64;
  map.max_entries = 1;
  data.maps.push_back(map);
  return *Program::Create(std::move(data));
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
    test::ProgramGenerator generator(options.seed);
    const test::GeneratedProgram random = generator.Next();
    const AuditResult result = AuditProgram(*runtime, MakeProgram(random), options);
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

}  // namespace
}  // namespace skep
