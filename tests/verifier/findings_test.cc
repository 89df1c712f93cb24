// SPDX-License-Identifier: Apache-2.0
// Reasons to refuse a program that a test file cannot show: they need a frozen
// map, a licence, a program type of the host, a budget, or code that no
// assembler makes.

#include "verifier/findings.h"

#include <atomic>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "skep/program.h"
#include "skep/verify.h"

#include "vm/program_types.h"
#include "vm/test_file.h"

namespace skep::verifier {
namespace {

ProgramData Parse(const std::string& text) {
  Result<TestFile> parsed = ParseTestFile(text, "test.ebpf");
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().message);
  return parsed ? parsed->program : ProgramData{};
}

ProgramData Xdp(const std::string& code, const std::string& maps = "") {
  return Parse("-- type\nxdp\n" + (maps.empty() ? "" : "-- maps\n" + maps + "\n") + "-- asm\n" +
               code + "\n");
}

VerifyOptions Root() {
  VerifyOptions options;
  options.rights = Rights::kRoot;
  return options;
}

void ExpectRefused(FindingCode code, const std::string& message, const ProgramData& data,
                   const VerifyOptions& options = Root(),
                   const Environment& environment = BuiltinEnvironment(2)) {
  Result<Program> program = Program::Create(data);
  ASSERT_TRUE(program.has_value()) << program.error().message;
  const VerifyOutcome outcome = Verify(*program, environment, options);
  ASSERT_FALSE(outcome.report.accepted) << message;
  EXPECT_FALSE(outcome.verified.has_value());
  const Finding& finding = outcome.report.findings.at(0);
  EXPECT_EQ(FindingName(finding.code), FindingName(code)) << finding.message;
  EXPECT_EQ(finding.message, message);
}

MapSpec FrozenText(const std::string& text) {
  MapSpec map;
  map.name = ".rodata";
  map.type = MapType::kArray;
  map.key_size = 4;
  map.value_size = 16;
  map.max_entries = 1;
  map.flags = kMapRdonlyProg;
  map.frozen = true;
  std::vector<std::byte> bytes(16, std::byte{'x'});
  for (size_t i = 0; i < text.size(); ++i) bytes[i] = static_cast<std::byte>(text[i]);
  if (text.size() < bytes.size()) bytes[text.size()] = std::byte{0};
  map.initial_value = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return map;
}

TEST(Findings, StructureOfTheCode) {
  ProgramData bad = Xdp("r0 = 0\nexit");
  bad.insns[0].code = 0x8d;
  ExpectRefused(FindingCode::kIllegalInstruction, "unknown opcode 8d", bad);

  ProgramData middle = Xdp("if r1 == 0 goto out\nr2 = 5 ll\nout:\nr0 = 0\nexit");
  middle.insns[0].off = 1;
  ExpectRefused(FindingCode::kJumpIntoWide, "jump into the middle of ldimm64 insn 2", middle);

  ProgramData call = Xdp("call f\nexit\nf:\nr0 = 0\nexit");
  call.insns[0].imm = 2;
  ExpectRefused(FindingCode::kCallOutOfRange, "call to invalid destination", call);

  std::string deep = "call f0\nexit\n";
  for (int i = 0; i < 8; ++i) {
    deep += "f" + std::to_string(i) + ":\nif r1 == 0 goto out" + std::to_string(i) + "\n" +
            (i < 7 ? "call f" + std::to_string(i + 1) + "\n" : "") + "out" + std::to_string(i) +
            ":\nr0 = 0\nexit\n";
  }
  // The context is never null, so that no path makes the calls; they are there.
  std::string chain = deep;
  for (size_t at = 0; (at = chain.find("r1 == 0", at)) != std::string::npos; ++at) {
    chain.replace(at, 7, "r6 == 0");
  }
  for (size_t at = 0; (at = chain.find(":\nif r6", at)) != std::string::npos; at += 10) {
    chain.insert(at + 2, "r6 = 0\n");
  }
  ExpectRefused(FindingCode::kCallDepthStatic, "the call stack of 9 frames is too deep !",
                Xdp(chain));

  std::string many = "r0 = 0\n";
  for (int i = 0; i < 256; ++i) many += "call f" + std::to_string(i) + "\n";
  many += "exit\n";
  for (int i = 0; i < 256; ++i) many += "f" + std::to_string(i) + ":\nr0 = 0\nexit\n";
  ExpectRefused(FindingCode::kTooManySubprograms, "too many subprograms", Xdp(many));
}

TEST(Findings, Maps) {
  ProgramData many = Xdp("r1 = map[0] ll\nr0 = 0\nexit", "a array key=4 value=4 entries=1");
  many.maps.resize(65, many.maps[0]);
  ExpectRefused(FindingCode::kTooManyMaps,
                "The total number of maps per program has reached the limit of 64", many);

  ProgramData ops = Xdp("r1 = map[0] ll\nr0 = 0\nexit", "a array key=4 value=4 entries=1");
  ops.maps[0].type = MapType::kStructOps;
  ExpectRefused(FindingCode::kMapFrozenSpec, "bpf_struct_ops map cannot be used in prog", ops);
}

TEST(Findings, Budgets) {
  std::string branches = "r6 = 0\n";
  for (int i = 0; i < 9000; ++i) branches += "call 7\nif r0 == 0 goto out\n";
  ExpectRefused(FindingCode::kTooManyPaths, "The sequence of 8193 jumps is too complex.",
                Xdp(branches + "goto out\nout:\nr0 = 0\nexit"));

  VerifyOptions small = Root();
  small.max_memory = 4096;
  ExpectRefused(FindingCode::kOutOfMemory, "verifier memory limit of 4096 bytes is exhausted",
                Xdp(branches + "out:\nr0 = 0\nexit"), small);

  VerifyOptions few = Root();
  few.max_processed = 10;
  ExpectRefused(FindingCode::kTooComplex, "BPF program is too large. Processed 11 insn",
                Xdp("r0 = 0\nagain:\nr0 += 1\nif r0 < 100 goto again\nexit"), few);
}

TEST(Findings, BudgetsAreTheHosts) {
  const std::string branches = "call 7\nif r0 == 0 goto out\ncall 7\nif r0 == 0 goto out\n";
  VerifyOptions pending = Root();
  pending.max_pending = 1;
  ExpectRefused(FindingCode::kTooManyPaths, "The sequence of 2 jumps is too complex.",
                Xdp(branches + "out:\nr0 = 0\nexit"), pending);

  const ProgramData calls = Xdp("call f\nexit\nf:\ncall g\nexit\ng:\nr0 = 0\nexit");
  VerifyOptions functions = Root();
  functions.max_subprograms = 2;
  ExpectRefused(FindingCode::kTooManySubprograms, "too many subprograms", calls, functions);
  VerifyOptions frames = Root();
  frames.max_frames = 2;
  ExpectRefused(FindingCode::kCallDepth, "the call stack of 3 frames is too deep", calls, frames);

  VerifyOptions maps = Root();
  maps.max_maps = 0;
  ExpectRefused(FindingCode::kTooManyMaps,
                "The total number of maps per program has reached the limit of 0",
                Xdp("r1 = map[0] ll\nr0 = 0\nexit", "a array key=4 value=4 entries=1"), maps);
}

TEST(Findings, VerificationCanBeCancelled) {
  const std::atomic<bool> cancel = true;
  VerifyOptions options = Root();
  options.cancel = &cancel;
  ExpectRefused(FindingCode::kCancelled, "verification was cancelled",
                Xdp("r0 = 0\nagain:\nr0 += 1\nif r0 < 100000 goto again\nr0 = 0\nexit"), options);
}

TEST(Findings, PacketRules) {
  Environment environment = BuiltinEnvironment(2);
  std::vector<ProgramType> types(environment.program_types.begin(),
                                 environment.program_types.end());
  for (ProgramType& type : types) {
    if (type.id == ProgramTypeId::kXdp) type.packet = PacketAccess::kRead;
  }
  environment.program_types = types;
  const std::string packet =
      "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 8\nif r4 > r3 goto out\n";
  const std::string end = "out:\nr0 = 0\nexit";
  ExpectRefused(FindingCode::kPacketWrite, "cannot write into packet",
                Xdp(packet + "*(u32 *)(r2 + 0) = 1\n" + end), Root(), environment);

  VerifyOptions strict = Root();
  strict.strict_alignment = true;
  ExpectRefused(FindingCode::kMisalignedPacket, "misaligned packet access off 2+0+0+0 size 4",
                Xdp(packet + "r0 = *(u32 *)(r2 + 0)\n" + end), strict);

  ExpectRefused(FindingCode::kLeakIntoPacket, "R10 leaks addr into packet",
                Xdp(packet + "*(u64 *)(r2 + 0) = r10\n" + end), VerifyOptions{});
}

TEST(Findings, HelperRules) {
  ProgramData gpl = Xdp("r1 = r10\nr1 += -8\n*(u64 *)(r10 - 8) = 0\nr2 = 8\ncall 6\nr0 = 0\nexit");
  gpl.license = "Proprietary";
  ExpectRefused(FindingCode::kGplOnly,
                "cannot call GPL-restricted function from non-GPL compatible program", gpl);

  ExpectRefused(FindingCode::kSleepableHelper, "helper call might sleep in a non-sleepable prog",
                Xdp("r1 = r10\nr1 += -8\nr2 = 8\nr3 = 0\ncall 148\nr0 = 0\nexit"));

  // A ring buffer that hands out memory without a reference.
  Environment environment = BuiltinEnvironment(2);
  std::vector<HelperSpec> helpers(environment.helpers.begin(), environment.helpers.end());
  for (HelperSpec& h : helpers) {
    if (h.id == 131) h.flags = static_cast<uint16_t>(h.flags & ~kHelperAcquires);
  }
  environment.helpers = helpers;
  ExpectRefused(FindingCode::kNotReferenced,
                "R1 must be referenced when passed to release function",
                Xdp("r1 = map[0] ll\nr2 = 8\nr3 = 0\ncall 131\nif r0 == 0 goto out\n"
                    "r1 = r0\nr2 = 0\ncall 132\nout:\nr0 = 0\nexit",
                    "rb ringbuf key=0 value=0 entries=4096"),
                Root(), environment);
}

TEST(Findings, StringsInFrozenMaps) {
  const std::string call = "*(u64 *)(r10 - 8) = 0\nr1 = r10\nr1 += -8\nr2 = 8\nr3 = map[0][0] ll\n";
  const auto with = [](ProgramData data, MapSpec map) {
    data.maps[0] = std::move(map);
    return data;
  };
  const std::string any = "a array key=4 value=16 entries=1";
  ExpectRefused(FindingCode::kStringNotTerminated, "string is not zero-terminated",
                with(Xdp(call + "call 182\nr0 = 0\nexit", any), FrozenText("xxxxxxxxxxxxxxxx")));
  ExpectRefused(
      FindingCode::kStringNotConstant, "R3 is not a constant address'",
      with(Xdp("call 7\nr0 &= 3\nr6 = r0\n" + call + "r3 += r6\ncall 182\nr0 = 0\nexit", any),
           FrozenText("abc")));
  const std::string format =
      "*(u64 *)(r10 - 16) = 0\n" + call + "r4 = r10\nr4 += -16\nr5 = 8\ncall 165\nr0 = 0\nexit";
  ExpectRefused(FindingCode::kFormatString, "Invalid format string",
                with(Xdp(format, any), FrozenText("%d %d")));
  std::string odd = format;
  odd.replace(odd.find("r5 = 8"), 6, "r5 = 7");
  ExpectRefused(FindingCode::kSnprintfSize, "snprintf data_len must be a multiple of 8",
                with(Xdp(odd, any), FrozenText("%d")));
}

TEST(Findings, ReturnValuesOfTheHostsType) {
  Environment environment = BuiltinEnvironment(2);
  std::vector<ProgramType> types(environment.program_types.begin(),
                                 environment.program_types.end());
  for (ProgramType& type : types) {
    if (type.id == ProgramTypeId::kXdp) type.returns = {.checked = true, .min = 0, .max = 1};
  }
  environment.program_types = types;
  ExpectRefused(FindingCode::kReturnRange,
                "At program exit the register R0 has smin=2 smax=2 should have been in [0, 1]",
                Xdp("r0 = 2\nexit"), Root(), environment);
  ExpectRefused(FindingCode::kReturnNotKnown,
                "At program exit the register R0 is not a known value (fp)", Xdp("r0 = r10\nexit"),
                Root(), environment);
}

Finding FirstFinding(const ProgramData& data) {
  const Result<Program> program = Program::Create(data);
  EXPECT_TRUE(program.has_value());
  const VerifyOutcome outcome = Verify(*program, BuiltinEnvironment(2), Root());
  EXPECT_FALSE(outcome.report.accepted);
  return outcome.report.findings.at(0);
}

TEST(FindingPath, NamesTheBranchesOfTheRefusedPathInOrder) {
  const Finding finding =
      FirstFinding(Xdp("r6 = 0\n"
                       "r7 = *(u32 *)(r1 + 12)\n"
                       "if r7 > 5 goto pc+1\n"  // 2: straight on
                       "r6 = 1\n"
                       "if r7 == 3 goto pc+2\n"  // 4: jumps, over what is well
                       "r0 = 0\n"
                       "exit\n"
                       "if r6 == 0 goto pc+1\n"  // 7: decided, straight on
                       "r0 = *(u32 *)(r6 + 0)\n"
                       "exit"));
  ASSERT_EQ(finding.insn, 8u);
  ASSERT_EQ(finding.path.size(), 3u);
  EXPECT_EQ(finding.path[0].insn, 2u);
  EXPECT_FALSE(finding.path[0].taken);
  EXPECT_EQ(finding.path[1].insn, 4u);
  EXPECT_TRUE(finding.path[1].taken);
  EXPECT_EQ(finding.path[2].insn, 7u);
  EXPECT_FALSE(finding.path[2].taken);
  EXPECT_EQ(finding.path_omitted, 0u);
  EXPECT_EQ(finding.involved, "R6=1");
}

TEST(FindingPath, GoesThroughFunctionsAndBack) {
  const Finding finding =
      FirstFinding(Xdp("r1 = *(u32 *)(r1 + 12)\n"
                       "call pc+2\n"
                       "r0 = *(u64 *)(r0 + 0)\n"
                       "exit\n"
                       "r0 = 1\n"
                       "if r1 == 0 goto pc+1\n"
                       "r0 = 2\n"
                       "exit"));
  ASSERT_EQ(finding.insn, 2u);
  ASSERT_EQ(finding.path.size(), 1u);
  EXPECT_EQ(finding.path[0].insn, 5u);
  EXPECT_FALSE(finding.path[0].taken);
}

TEST(FindingPath, KeepsTheLastBranchesOfALongOne) {
  std::string code = "r6 = 0\nr7 = *(u32 *)(r1 + 12)\n";
  for (int i = 0; i < 700; ++i) code += "if r6 != 0 goto pc+1\nr7 += 0\n";
  const Finding finding = FirstFinding(Xdp(code + "r0 = *(u32 *)(r7 + 0)\nexit"));
  EXPECT_EQ(finding.path.size(), 256u);
  EXPECT_EQ(finding.path_omitted, 700u - 256u);
  EXPECT_EQ(finding.path.back().insn, 2u + 2 * 699);
}

}  // namespace
}  // namespace skep::verifier
