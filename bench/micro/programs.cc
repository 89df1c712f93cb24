// SPDX-License-Identifier: Apache-2.0
#include "bench/micro/programs.h"

#include <utility>

#include "skep/verify.h"

#include "base/check.h"

namespace skep::bench {
namespace {

// Opcode bytes of RFC 9669.
constexpr uint8_t kMov64Imm = 0xb7, kMov64Reg = 0xbf, kExit = 0x95;
constexpr uint8_t kStoreDw = 0x7b, kLoadDw = 0x79;
constexpr Insn kReturnZero[] = {{kMov64Imm, 0, 0, 0, 0}, {kExit, 0, 0, 0, 0}};

Program MakeProgram(std::string name, std::vector<Insn> insns) {
  ProgramData data;
  data.name = std::move(name);
  data.type = ProgramTypeId::kMemory;
  data.license = "GPL";
  Subprogram entry;
  entry.name = data.name;
  entry.end = static_cast<uint32_t>(insns.size());
  data.subprograms.push_back(entry);
  data.insns = std::move(insns);
  auto program = Program::Create(std::move(data));
  SKEP_CHECK(program.has_value());
  return *std::move(program);
}

}  // namespace

Program EmptyProgram() {
  return MakeProgram("empty", {std::begin(kReturnZero), std::end(kReturnZero)});
}

Program StraightProgram(uint32_t size) {
  SKEP_CHECK(size >= 16);
  std::vector<Insn> insns;
  // r2, the length of the memory, is a number that nobody knows beforehand.
  insns = {{kMov64Reg, 0, 2, 0, 0}, {kMov64Reg, 3, 2, 0, 0}, {kMov64Reg, 4, 2, 0, 0},
           {kMov64Reg, 5, 2, 0, 0}, {kMov64Reg, 6, 2, 0, 0}, {kMov64Reg, 7, 2, 0, 0},
           {kStoreDw, 10, 2, -8, 0}};
  const Insn pattern[] = {
      {0x0f, 0, 3, 0, 0},        // r0 += r3
      {0x27, 4, 0, 0, 31},       // r4 *= 31
      {0xac, 5, 6, 0, 0},        // w5 ^= w6
      {0x77, 6, 0, 0, 7},        // r6 >>= 7
      {kStoreDw, 10, 7, -8, 0},  // *(u64 *)(r10 - 8) = r7
      {0x6f, 3, 7, 0, 0},        // r3 <<= r7
      {kLoadDw, 7, 10, -8, 0},   // r7 = *(u64 *)(r10 - 8)
      {0x04, 7, 0, 0, 12345},    // w7 += 12345
      {0x4f, 6, 4, 0, 0},        // r6 |= r4
      {0x1f, 3, 5, 0, 0},        // r3 -= r5
  };
  insns.reserve(size);
  for (size_t i = 0; insns.size() + 1 < size; i = (i + 1) % std::size(pattern)) {
    insns.push_back(pattern[i]);
  }
  insns.push_back(kReturnZero[1]);
  return MakeProgram("straight", std::move(insns));
}

VerifyOptions PrivilegedRules() {
  VerifyOptions options;
  options.rights = Rights::kRoot;
  return options;
}

Result<VerifiedProgram> VerifyOrError(const Program& program, const Environment& environment) {
  VerifyOutcome outcome = Verify(program, environment, PrivilegedRules());
  if (!outcome.verified) {
    return Error{ErrorCode::kInvalidArgument, outcome.report.findings.front().message};
  }
  return *std::move(outcome.verified);
}

Runtime& SharedRuntime() {
  static Runtime* const runtime = [] {
    auto made = Runtime::Create({});
    SKEP_CHECK(made.has_value());
    return (*std::move(made)).release();
  }();
  return *runtime;
}

std::string ObjectPath(const std::string& folder, const std::string& name) {
  return std::string(SKEP_BINARY_DIR "/") + folder + "/" + name + ".bpf.o";
}

}  // namespace skep::bench
