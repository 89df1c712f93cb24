// SPDX-License-Identifier: Apache-2.0
// Any code gets a verdict: programs with random fields changed, by all rights.

#include <random>

#include <gtest/gtest.h>

#include "skep/program.h"
#include "skep/verify.h"

#include "isa/decode.h"
#include "tools/program_generator.h"
#include "vm/program_types.h"

namespace skep::verifier {
namespace {

// Changes one field of some instructions.
void Damage(std::vector<Insn>& insns, std::mt19937_64& random) {
  for (int i = 0; i < 1 + static_cast<int>(random() % 3); ++i) {
    Insn& insn = insns[random() % insns.size()];
    switch (random() % 5) {
      case 0:
        insn.code = static_cast<uint8_t>(random());
        break;
      case 1:
        insn.dst = static_cast<uint8_t>(random() % 11) & 15;
        break;
      case 2:
        insn.src = static_cast<uint8_t>(random() % 11) & 15;
        break;
      case 3:
        insn.off = static_cast<int16_t>(random() % 64) - 32;
        break;
      default:
        insn.imm = static_cast<int32_t>(random() % 512) - 32;
        break;
    }
  }
}

TEST(HostileCode, AlwaysGetsAVerdict) {
  constexpr int kPrograms = 8000;
  const Environment environment = BuiltinEnvironment(2);
  std::mt19937_64 random(7);
  int accepted = 0, refused = 0;
  for (int i = 0; i < kPrograms; ++i) {
    tools::ProgramGenerator generator(random());
    const tools::GeneratedProgram made = generator.Next();
    ProgramData data;
    data.name = "hostile";
    data.type = i % 2 == 0 ? ProgramTypeId::kXdp : ProgramTypeId::kSocketFilter;
    data.license = "GPL";
    data.insns = made.insns;
    data.subprograms = made.subprograms;
    for (const MapSpec& wanted : tools::GeneratedProgramMaps()) {
      MapSpec map;
      map.name = wanted.name;
      map.type = static_cast<MapType>(random() % 35);
      map.key_size = static_cast<uint32_t>(random() % 9);
      map.value_size = static_cast<uint32_t>(random() % 80);
      map.max_entries = 1;
      data.maps.push_back(map);
    }
    Damage(data.insns, random);
    const Result<Program> program = Program::Create(std::move(data));
    if (!program) continue;
    for (const Rights rights : {Rights::kUnprivileged, Rights::kBpf, Rights::kRoot}) {
      VerifyOptions options;
      options.rights = rights;
      options.max_processed = 5000;
      options.max_memory = 16u << 20;
      options.log_level = i % 16 == 0 ? 2 : 0;
      const VerifyOutcome outcome = Verify(*program, environment, options);
      EXPECT_EQ(outcome.report.accepted, outcome.report.findings.empty());
      EXPECT_EQ(outcome.report.accepted, outcome.verified.has_value());
      ++(outcome.report.accepted ? accepted : refused);
    }
  }
  EXPECT_GT(accepted, 250);
  EXPECT_GT(refused, 3000);
}

}  // namespace
}  // namespace skep::verifier
