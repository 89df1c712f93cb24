// SPDX-License-Identifier: Apache-2.0
// tests/data/accept and tests/data/reject: whole programs and their verdicts;
// and that each reason to refuse a program has one.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "skep/program.h"
#include "skep/verify.h"

#include "verifier/findings.h"
#include "verifier/findings_doc.h"
#include "vm/program_types.h"
#include "vm/test_file.h"

namespace skep::verifier {
namespace {

namespace fs = std::filesystem;

const std::string kData = std::string(SKEP_SOURCE_DIR) + "/tests/data/";

std::vector<fs::path> FilesUnder(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(kData + folder)) {
    if (entry.path().extension() == ".ebpf") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  EXPECT_FALSE(files.empty()) << folder;
  return files;
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Judged {
  TestFile file;
  VerifierReport report;
};

Judged Judge(const fs::path& path) {
  Judged out;
  Result<TestFile> parsed = ParseTestFile(ReadAll(path), path.filename().string());
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().message);
  if (!parsed) return out;
  out.file = *std::move(parsed);
  Result<Program> program = Program::Create(out.file.program);
  EXPECT_TRUE(program.has_value()) << (program ? "" : program.error().message);
  if (!program) return out;
  VerifyOptions options;
  options.rights = out.file.unprivileged ? Rights::kUnprivileged : Rights::kRoot;
  options.mitigations = out.file.unprivileged;
  options.log_level = 1;
  out.report = Verify(*program, BuiltinEnvironment(2), options).report;
  return out;
}

TEST(AcceptFiles, AreAccepted) {
  for (const fs::path& path : FilesUnder("accept")) {
    SCOPED_TRACE(path.filename().string());
    const Judged judged = Judge(path);
    EXPECT_EQ(judged.file.verdict, Expectation::kAccept);
    EXPECT_TRUE(judged.report.accepted) << judged.report.log;
  }
}

TEST(RejectFiles, AreRejectedForTheReasonTheyName) {
  for (const fs::path& path : FilesUnder("reject")) {
    SCOPED_TRACE(path.filename().string());
    const Judged judged = Judge(path);
    EXPECT_EQ(judged.file.verdict, Expectation::kReject);
    ASSERT_FALSE(judged.report.accepted);
    const Finding& finding = judged.report.findings.at(0);
    const std::string all = judged.report.log + FindingName(finding.code) + " at " +
                            std::to_string(finding.insn) + ": " + finding.message;
    EXPECT_FALSE(judged.file.reject_texts.empty());
    for (const std::string& text : judged.file.reject_texts) {
      EXPECT_NE(all.find(text), std::string::npos) << text << "\nnot in\n" << all;
    }
    // v071-... is about V071, unless that is a note in front of the reason.
    const int code = std::atoi(path.filename().string().c_str() + 1);
    const FindingRow& row = RowOf(static_cast<FindingCode>(code));
    if (row.kind != FindingKind::kNote) {
      EXPECT_EQ(static_cast<int>(finding.code), code) << all;
    }
    EXPECT_EQ(finding.sys_errno, RowOf(finding.code).sys_errno);
  }
}

// Reasons that need more than a test file can say. BTF: kernel_objects_test.cc,
// which needs Linux's own test objects; a frozen map, a budget, a licence, code
// that no assembler makes: findings_test.cc.
constexpr FindingCode kNeedsBtf[] = {FindingCode::kGlobalArgUnknownTag,
                                     FindingCode::kGlobalArgTags,
                                     FindingCode::kGlobalArgArena,
                                     FindingCode::kGlobalArgUntrusted,
                                     FindingCode::kGlobalArgUntrustedKind,
                                     FindingCode::kGlobalArgNoPointer,

                                     FindingCode::kGlobalArgNoMatch,
                                     FindingCode::kGlobalContextNoName,
                                     FindingCode::kGlobalContextVoid,
                                     FindingCode::kGlobalContextType,

                                     FindingCode::kStackWithTailCall,
                                     FindingCode::kTracingMapField,
                                     FindingCode::kSocketFilterSpinLock,
                                     FindingCode::kSpecialField,
                                     FindingCode::kCallbackNotScalar,
                                     FindingCode::kInvalidGlobalArgs,
                                     FindingCode::kGlobalNotScalar,
                                     FindingCode::kGlobalReturn,
                                     FindingCode::kGlobalArgKind,
                                     FindingCode::kGlobalTooManyArgs,
                                     FindingCode::kCallbackNotStatic,
                                     FindingCode::kCallbackIsMain,
                                     FindingCode::kKeyWrite,
                                     FindingCode::kReadOnlyMemory,
                                     FindingCode::kMapFieldType,
                                     FindingCode::kMapFieldFlags};
constexpr FindingCode kNeedsCode[] = {
    FindingCode::kIllegalInstruction,  FindingCode::kJumpIntoWide,
    FindingCode::kCallOutOfRange,      FindingCode::kTooManySubprograms,
    FindingCode::kTooManyMaps,         FindingCode::kMapFrozenSpec,
    FindingCode::kTooManyPaths,        FindingCode::kOutOfMemory,
    FindingCode::kPacketWrite,         FindingCode::kMisalignedPacket,
    FindingCode::kLeakIntoPacket,      FindingCode::kGplOnly,
    FindingCode::kSleepableHelper,     FindingCode::kStringNotConstant,
    FindingCode::kStringNotTerminated, FindingCode::kFormatString,
    FindingCode::kNotReferenced,       FindingCode::kReturnNotKnown,
    FindingCode::kReturnRange,         FindingCode::kSnprintfSize,
    FindingCode::kCallDepthStatic,     FindingCode::kCancelled};
// Objects of the kernel, which a test file cannot name: kernel_pointers_test.cc.
constexpr FindingCode kNeedsKernelTypes[] = {FindingCode::kBtfNotStruct,
                                             FindingCode::kBtfBeyondStruct,
                                             FindingCode::kBtfFieldWithoutSize,
                                             FindingCode::kBtfNoField,
                                             FindingCode::kBtfPartOfPointer,
                                             FindingCode::kBtfBeyondMember,
                                             FindingCode::kStructNeedsPerfmon,
                                             FindingCode::kStructNeedsGpl,
                                             FindingCode::kBtfNegative,
                                             FindingCode::kBtfVariable,
                                             FindingCode::kBtfUser,
                                             FindingCode::kBtfPercpu,
                                             FindingCode::kBtfReadOnly,
                                             FindingCode::kObjectField,
                                             FindingCode::kSocketAccess,
                                             FindingCode::kLeakIntoFlowKeys,
                                             FindingCode::kFlowKeysAccess,
                                             FindingCode::kBufferNegative,
                                             FindingCode::kBufferVariable,
                                             FindingCode::kMayWriteObject,
                                             FindingCode::kWrongObject,

                                             FindingCode::kSocketMapArgument,
                                             FindingCode::kTwoReferences,
                                             FindingCode::kStructOpsLicense,
                                             FindingCode::kAttachIdInvalid,
                                             FindingCode::kAttachNotFunction,
                                             FindingCode::kAttachNotTypedef,
                                             FindingCode::kAttachWrongName,
                                             FindingCode::kTargetNotSleepable,
                                             FindingCode::kLsmLicense,
                                             FindingCode::kHookDisabled,
                                             FindingCode::kNotStructOps,
                                             FindingCode::kStructOpsIndex,
                                             FindingCode::kStructOpsMember,
                                             FindingCode::kStructOpsUnsupportedMember,
                                             FindingCode::kSymbolId,
                                             FindingCode::kSymbolKind,
                                             FindingCode::kSymbolSize,
                                             FindingCode::kNoWriteSupport,
                                             FindingCode::kWriteBeyondMember,
                                             FindingCode::kDummyState,
                                             FindingCode::kDummyRange,
                                             FindingCode::kTargetNeverTraced,
                                             FindingCode::kTargetNeverReturns};
// Guards that no program of today's types and helpers can reach.
constexpr FindingCode kGuards[] = {
    FindingCode::kVarWriteOverPointer,
    FindingCode::kStackUninitialisedVar,
    FindingCode::kNoSuchMap,
    FindingCode::kNotAcquired,
    FindingCode::kStorageFlags,
    FindingCode::kHelperInProbe,
    FindingCode::kTwoLocks,
    FindingCode::kSameLock,
    FindingCode::kUnlockOrder,
    FindingCode::kSleepInSection,
    FindingCode::kDynptrType,
    FindingCode::kDynptrConstant,
    FindingCode::kUptrStore,
    FindingCode::kHelperMaybeNull,
    FindingCode::kTypeWithoutSize,
    FindingCode::kArenaRights,
};

TEST(RejectFiles, ThereIsOneForEachReason) {
  std::set<int> covered;
  for (const fs::path& path : FilesUnder("reject")) {
    covered.insert(std::atoi(path.filename().string().c_str() + 1));
  }
  // Programs in C: EXPECT_REJECT("V407", ...).
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::path(SKEP_SOURCE_DIR) / "tests/data/verify")) {
    const std::string text = ReadAll(entry.path().string());
    for (size_t at = text.find("EXPECT_REJECT(\"V"); at != std::string::npos;
         at = text.find("EXPECT_REJECT(\"V", at + 1)) {
      covered.insert(std::atoi(text.c_str() + at + 16));
    }
  }
  for (const FindingCode code : kNeedsBtf) covered.insert(static_cast<int>(code));
  for (const FindingCode code : kGuards) covered.insert(static_cast<int>(code));
  for (const FindingCode code : kNeedsKernelTypes) covered.insert(static_cast<int>(code));
  for (const FindingCode code : kNeedsCode) covered.insert(static_cast<int>(code));
  for (const FindingRow& row : FindingTable()) {
    if (row.kind != FindingKind::kRefused) continue;
    // Calls of kernel functions need the kernel's BTF: kfunc_test.cc.
    const int code = static_cast<int>(row.code);
    if (code >= 500 && code < 600) continue;
    EXPECT_TRUE(covered.contains(static_cast<int>(row.code)))
        << FindingName(row.code) << " " << row.name << " has no file in tests/data/reject";
  }
}

TEST(FindingTable, IsAscendingByCode) {
  const auto rows = FindingTable();
  for (size_t i = 1; i < rows.size(); ++i) EXPECT_LT(rows[i - 1].code, rows[i].code);
}

TEST(FindingsDoc, ThePageInTheTreeIsMadeFromTheTable) {
  const std::string path = std::string(SKEP_SOURCE_DIR) + "/docs/findings.md";
  const char* bless = std::getenv("SKEP_BLESS");
  if (bless != nullptr && std::string_view(bless) == "1") std::ofstream(path) << FindingsMarkdown();
  EXPECT_EQ(ReadAll(path), FindingsMarkdown()) << "run this test with SKEP_BLESS=1";
}

}  // namespace
}  // namespace skep::verifier
