// SPDX-License-Identifier: Apache-2.0
// Any code gets a verdict: programs with random fields changed, by all rights.

#include <random>
#include <string>
#include <vector>

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

// Code made to be slow for passes that look at it again and again. Each must end
// with its verdict; no more is asked here than that the suite ends (docs: the
// times are in bench/verify_time.py).
class Shape {
 public:
  void Emit(uint8_t code, int dst, int src, int64_t off, int32_t imm) {
    Insn insn;
    insn.code = code;
    insn.dst = static_cast<uint8_t>(dst) & 15;
    insn.src = static_cast<uint8_t>(src) & 15;
    insn.off = static_cast<int16_t>(off);
    insn.imm = imm;
    insns.push_back(insn);
  }
  void Random() { Emit(0x85, 0, 0, 0, 7); }
  void Set(int reg, int32_t imm) { Emit(0xb7, reg, 0, 0, imm); }
  void Exit() { Emit(0x95, 0, 0, 0, 0); }

  VerifierReport Judge() const {
    ProgramData data;
    data.name = "shape";
    data.type = ProgramTypeId::kXdp;
    data.license = "GPL";
    data.insns = insns;
    data.subprograms = subprograms;
    if (data.subprograms.empty()) {
      data.subprograms.push_back({"main", 0, static_cast<uint32_t>(insns.size()), false, 0});
    }
    const Result<Program> program = Program::Create(std::move(data));
    EXPECT_TRUE(program.has_value());
    VerifyOptions options;
    options.rights = Rights::kRoot;
    return Verify(*program, BuiltinEnvironment(2), options).report;
  }

  std::vector<Insn> insns;
  std::vector<Subprogram> subprograms;
};

TEST(HostileShapes, FiveThousandBranches) {
  Shape shape;
  shape.Set(6, 0);
  for (int i = 0; i < 5000; ++i) {
    shape.Random();
    shape.Emit(0x25, 0, 0, 1, i);  // if r0 > i skip one
    shape.Emit(0x07, 6, 0, 0, 1);
    for (int k = 0; k < 7; ++k) shape.Emit(0xbf, 7, 6, 0, 0);
  }
  shape.Set(0, 0);
  shape.Exit();
  const VerifierReport report = shape.Judge();
  EXPECT_TRUE(report.accepted) << report.findings[0].message;
  EXPECT_LT(report.statistics.processed, 200'000u);
}

// The last instruction is reached first: what is live travels against the order
// of the code.
TEST(HostileShapes, BlocksInReverseOrder) {
  constexpr int kBlocks = 30'000;
  Shape shape;
  shape.Set(6, 1);
  shape.Emit(0x06, 0, 0, 0, 3 * (kBlocks - 1));  // gotol the last block
  for (int i = 0; i < kBlocks; ++i) {
    shape.Emit(0xbf, 7, 6, 0, 0);
    shape.Set(0, 0);
    if (i == 0) {
      shape.Exit();
    } else {
      shape.Emit(0x05, 0, 0, -6, 0);  // goto the block before
    }
  }
  const VerifierReport report = shape.Judge();
  EXPECT_TRUE(report.accepted) << report.findings[0].message;
  EXPECT_EQ(report.statistics.processed, 2u + 3u * kBlocks);
}

TEST(HostileShapes, ManyLoopsInOneAnother) {
  constexpr int kLoops = 2000;
  Shape shape;
  for (int i = 0; i < kLoops; ++i) shape.Emit(0x07, 10 - 4, 0, 0, 0);
  shape.insns[0] = {};
  shape.insns[0].code = 0xb7;
  shape.insns[0].dst = 6;
  for (int i = 0; i < kLoops; ++i) {
    shape.Random();
    const auto back = -static_cast<int64_t>(shape.insns.size()) + (kLoops - 1 - i);
    shape.Emit(0x15, 0, 0, back, i);  // if r0 == i goto further back each time
  }
  shape.Set(0, 0);
  shape.Exit();
  const VerifierReport report = shape.Judge();
  EXPECT_FALSE(report.accepted);
}

// Chains of calls that no path takes, many from each function to the next.
TEST(HostileShapes, ManyCallsAtEachLevel) {
  constexpr int kCalls = 300, kLevels = 7;
  Shape shape;
  std::vector<size_t> starts, calls;
  for (int level = 0; level <= kLevels; ++level) {
    const auto start = static_cast<uint32_t>(shape.insns.size());
    starts.push_back(start);
    shape.Set(6, 0);
    shape.Emit(0x15, 6, 0, level < kLevels ? kCalls - 1 : 0, 0);
    for (int i = 0; level < kLevels && i < kCalls; ++i) {
      calls.push_back(shape.insns.size());
      shape.Emit(0x85, 0, 1, 0, level + 1);
    }
    shape.Set(0, 0);
    shape.Exit();
    shape.subprograms.push_back(
        {"f" + std::to_string(level), start, static_cast<uint32_t>(shape.insns.size()), false, 0});
  }
  for (const size_t at : calls) {
    Insn& insn = shape.insns[at];
    insn.imm =
        static_cast<int32_t>(starts[static_cast<size_t>(insn.imm)]) - static_cast<int32_t>(at) - 1;
  }
  const VerifierReport report = shape.Judge();
  EXPECT_TRUE(report.accepted) << report.findings[0].message;
}

}  // namespace
}  // namespace skep::verifier
