// SPDX-License-Identifier: Apache-2.0
// What Linux says when one field of a legal instruction is changed, for every
// operation and every field.
//
// tests/data/decode/linux-6.18.tsv holds one line a changed instruction: the
// operation it was made from, its two slots as little-endian numbers, and the
// rule that Linux 6.18 names ("legal" if it names none of ours; it may still
// refuse the program for another reason, such as a read of an unset register).
// One test holds Decode against the file on every machine; another holds the
// file against the running kernel, and SKEP_BLESS=1 rewrites it from there.

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iomanip>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isa/decode.h"
#include "isa/encode.h"
#include "tests/support/kernel_oracle.h"

namespace skep {
namespace {

const std::string kDataFile = std::string(SKEP_SOURCE_DIR) + "/tests/data/decode/linux-6.18.tsv";
constexpr int kMapFd = 100;

struct Change {
  std::string op;  // made from this operation, or "-"
  Insn first, second;
};

// A legal instruction that Linux gets to check: its map exists, its targets
// are functions of the program that Judged() builds around it.
DecodedInsn LegalInsn(Op op) {
  const OpInfo& info = Info(op);
  DecodedInsn insn;
  insn.op = op;
  if (info.Has(kReadsDst | kWritesDst)) insn.dst = 1;
  if (info.Has(kReadsSrc)) insn.src = 2;
  if (op == Op::kLdMapFd || op == Op::kLdMapValue) insn.imm = kMapFd;
  if (op == Op::kLdFunc) insn.imm = 3;
  if (op == Op::kCallLocal) insn.imm = 2;
  if (op == Op::kCallHelper) insn.imm = 5;
  if (op == Op::kCallKfunc || op == Op::kLdBtfId) insn.imm = 1;
  if (op == Op::kAddrSpaceCast) insn.imm = 1;
  if (info.kind == OpKind::kDiv || info.kind == OpKind::kMod || info.kind == OpKind::kSDiv ||
      info.kind == OpKind::kSMod) {
    insn.imm = info.operands == Operands::kDstImm ? 1 : 0;
  }
  insn.imm64 = insn.imm;
  return insn;
}

std::vector<Change> AllChanges() {
  std::vector<Change> changes;
  for (size_t i = 0; i < kOpTable.size(); ++i) {
    const auto op = static_cast<Op>(i);
    const OpInfo& info = kOpTable[i];
    const EncodedInsn legal = Encode(LegalInsn(op));
    const auto add = [&](auto change) {
      Change changed{std::string(info.name), legal.slots[0], legal.slots[1]};
      change(changed.first, changed.second);
      changes.push_back(changed);
    };
    add([](Insn&, Insn&) {});
    // Linux looks up the type, function or arena that these need before it looks
    // at the fields, so that there is nothing to record; decode_test.cc has them.
    if (op == Op::kCallKfunc || op == Op::kLdBtfId || op == Op::kAddrSpaceCast) continue;
    for (const int dst : {1, 2, 11, 15}) {
      add([=](Insn& first, Insn&) { first.dst = static_cast<uint8_t>(dst) & 15; });
    }
    for (const int src : {1, 3, 7, 11, 15}) {
      // Other pseudo kinds of the same byte are rows of their own.
      if (info.selector.field == SelectorField::kSrc && src < 7 && info.kind != OpKind::kMayGoto &&
          !(src == 3 && info.kind == OpKind::kCallHelper)) {
        continue;
      }
      add([=](Insn& first, Insn&) { first.src = static_cast<uint8_t>(src) & 15; });
    }
    for (const int off : {1, 2, 8, 24, 32, -1}) {
      add([=](Insn& first, Insn&) { first.off = static_cast<int16_t>(off); });
    }
    for (const int imm : {1, 2, 8, 24, 0x22, 0xe1, 0xf0, 0x101, 0x110, -1}) {
      add([=](Insn& first, Insn&) { first.imm = imm; });
    }
    if (!info.Has(kTwoSlots)) continue;
    add([](Insn&, Insn& second) { second.code = 1; });
    add([](Insn&, Insn& second) { second.dst = 1; });
    add([](Insn&, Insn& second) { second.src = 1; });
    add([](Insn&, Insn& second) { second.off = 1; });
    add([](Insn&, Insn& second) { second.imm = 1; });
  }
  for (int code = 0; code < 256; ++code) {
    Change change{"-", {}, {}};
    change.first.code = static_cast<uint8_t>(code);
    changes.push_back(change);
  }
  return changes;
}

bool IsWide(const Change& change) { return change.first.code == 0x18; }

std::string OurVerdict(const Change& change) {
  const std::vector<Insn> code = {change.first, change.second};
  const DecodeResult result = Decode(code, 0);
  return result ? "legal" : Message(result.error);
}

// The instruction in a program whose every other part is sound: registers set,
// and after it an exit, and a second function for those that call one.
std::string LinuxVerdict(const Change& change) {
  std::vector<Insn> code = {{.code = 0xbf, .dst = 6, .src = 1}};
  for (int reg = 0; reg < 10; ++reg) {
    if (reg == 6) continue;
    code.push_back({.code = 0xb7});
    code.back().dst = static_cast<uint8_t>(reg) & 15;
  }
  code.push_back(change.first);
  if (IsWide(change)) code.push_back(change.second);
  // Linux refuses code that nothing reaches before it looks at fields.
  const bool names_function = (change.first.code == 0x85 && change.first.src == 1) ||
                              (change.first.code == 0x18 && change.first.src == 4);
  const int functions = change.first.code == 0x95 ? 0 : names_function ? 2 : 1;
  for (int i = 0; i < functions; ++i) {
    code.push_back({.code = 0xb7});
    code.push_back({.code = 0x95});
  }
  const int fds[] = {kMapFd, kMapFd, kMapFd};
  const std::string log = kernel_oracle::Judge(code, fds).log;
  // The rule is the last line but one; the last counts instructions.
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    for (const char* rule :
         {"unknown opcode ", "uses reserved fields", "uses invalid atomic opcode",
          "invalid atomic operand size", "unrecognized bpf_ld_imm64 insn",
          "invalid bpf_ld_imm64 insn", "insn can only convert between", "invalid may_goto imm"}) {
      if (line.find(rule) != std::string::npos) return line;
    }
    if (line[0] == 'R' && line.size() > 11 && line.substr(line.size() - 11) == " is invalid") {
      return line;
    }
  }
  return "legal";
}

std::string Row(const Change& change, const std::string& verdict) {
  uint64_t first, second;
  std::memcpy(&first, &change.first, sizeof first);
  std::memcpy(&second, &change.second, sizeof second);
  std::ostringstream row;
  row << change.op << '\t' << std::hex << std::setfill('0') << std::setw(16) << first << '\t'
      << std::setw(16) << second << '\t' << verdict;
  return row.str();
}

std::vector<std::string> ReadRows() {
  std::ifstream file(kDataFile);
  std::vector<std::string> rows;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') rows.push_back(line);
  }
  return rows;
}

TEST(DecodeRules, AreThoseThatLinuxNamed) {
  const std::vector<Change> changes = AllChanges();
  const std::vector<std::string> rows = ReadRows();
  ASSERT_EQ(rows.size(), changes.size()) << "record again: SKEP_BLESS=1 on Linux 6.18";
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_EQ(Row(changes[i], OurVerdict(changes[i])), rows[i]);
}

TEST(DecodeRules, LinuxStillNamesTheRecordedOnes) {
  if (const std::string why = test::WhyNoKernel(); !why.empty()) GTEST_SKIP() << why;
  if (!test::KernelIsAtLeast(6, 18)) {
    GTEST_SKIP() << "the verdicts are those of Linux 6.18, this kernel is older";
  }
  const kernel_oracle::ArrayMap map(kMapFd);
  const std::vector<Change> changes = AllChanges();
  const char* bless = std::getenv("SKEP_BLESS");
  if (bless != nullptr && std::string_view(bless) == "1") {
    std::ofstream file(kDataFile);
    file << "# Operation, first slot, second slot, rule that Linux 6.18 names "
            "(decode_rules_test.cc)\n";
    for (const Change& change : changes) file << Row(change, LinuxVerdict(change)) << '\n';
  }
  const std::vector<std::string> rows = ReadRows();
  ASSERT_EQ(rows.size(), changes.size());
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_EQ(Row(changes[i], LinuxVerdict(changes[i])), rows[i]);
}

}  // namespace
}  // namespace skep
