// SPDX-License-Identifier: Apache-2.0
// Programs of tests/data/verify, written in C because they need BTF: each says
// its verdict in a tag, which is ours and that of the running kernel.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "skep/program.h"
#include "skep/verify.h"

#include "btf/btf.h"
#include "tests/support/bpf_syscall.h"
#include "verifier/findings.h"
#include "vm/program_types.h"

#if SKEP_HAVE_KERNEL
#include "kernel/kernel_backend.h"
#endif

namespace skep::verifier {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> Objects() {
  std::vector<fs::path> out;
  const fs::path folder = fs::path(SKEP_BINARY_DIR) / "tests/data/verify";
  if (!fs::exists(folder)) return out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".o") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

struct Expected {
  bool accepted = false;
  bool linux_accepts = false;
  int code = 0;      // of the finding
  std::string text;  // part of Linux's log
};

// From "expect:accept", "expect:reject V407 text" or "expect:stricter V407 text".
bool ReadExpected(const Program& program, Expected* out) {
  const auto& btf = program.data().btf;
  if (btf == nullptr) return false;
  const uint32_t function = program.subprograms()[0].btf_type_id;
  for (uint32_t id = 1; id < btf->type_count(); ++id) {
    if (btf->kind(id) != btf::Kind::kDeclTag) continue;
    const btf::DeclTag tag = btf->decl_tag(id);
    const std::string text(btf->name(id));
    if (tag.target != function || tag.component != -1 || text.rfind("expect:", 0) != 0) continue;
    const std::string verdict = text.substr(7);
    out->accepted = verdict == "accept";
    out->linux_accepts = out->accepted || verdict.starts_with("stricter");
    if (out->accepted) return true;
    const size_t code = verdict.find(" V") + 2;
    out->code = std::atoi(verdict.c_str() + code);
    out->text = verdict.substr(verdict.find(' ', code) + 1);
    return verdict.starts_with("reject V") || verdict.starts_with("stricter V");
  }
  return false;
}

ObjectOptions Options() {
  ObjectOptions options;
  std::ifstream file("/sys/kernel/btf/vmlinux", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty()) return options;
  auto btf = btf::Btf::Parse(std::as_bytes(std::span(bytes)), btf::Origin::kKernel);
  if (btf.has_value()) options.target_btf = *btf;
  return options;
}

TEST(ObjectVerdicts, AreThoseOfTheirTags) {
  const auto objects = Objects();
  if (objects.empty()) GTEST_SKIP() << "no clang compiled tests/data/verify";
  const ObjectOptions options = Options();
  const Environment environment = BuiltinEnvironment(2);
  for (const fs::path& path : objects) {
    const Result<Object> object = Object::Open(path.string(), options);
    ASSERT_TRUE(object.has_value()) << path << ": " << object.error().message;
    for (const ObjectProgram& candidate : object->programs()) {
      SCOPED_TRACE(path.filename().string() + " " + candidate.name);
      ASSERT_TRUE(candidate.program.has_value()) << candidate.program.error().message;
      Expected expected;
      ASSERT_TRUE(ReadExpected(*candidate.program, &expected)) << "no tag says the verdict";
      VerifyOptions verify;
      verify.rights = Rights::kRoot;
      verify.log_level = 1;
      const VerifierReport report = Verify(*candidate.program, environment, verify).report;
      EXPECT_EQ(report.accepted, expected.accepted) << report.log;
      if (report.accepted || expected.accepted) continue;
      EXPECT_NE(report.log.find(expected.text), std::string::npos) << report.log;
      const FindingRow& row = RowOf(static_cast<FindingCode>(expected.code));
      if (row.kind != FindingKind::kNote) {
        EXPECT_EQ(static_cast<int>(report.findings[0].code), expected.code) << report.log;
      }
    }
  }
}

TEST(ObjectVerdicts, AreThoseOfTheKernel) {
#if SKEP_HAVE_KERNEL
  const auto objects = Objects();
  if (objects.empty()) GTEST_SKIP() << "no clang compiled tests/data/verify";
  if (const std::string why = kernel::WhyUnavailable(); !why.empty()) GTEST_SKIP() << why;
  if (!test::KernelIsAtLeast(6, 18)) GTEST_SKIP() << "the rules are those of Linux 6.18";
  const ObjectOptions options = Options();
  for (const fs::path& path : objects) {
    const Result<Object> object = Object::Open(path.string(), options);
    ASSERT_TRUE(object.has_value()) << path << ": " << object.error().message;
    const auto backend = kernel::CreateKernelBackend();
    auto instance = backend->Instantiate(*object);
    ASSERT_TRUE(instance.has_value()) << path << ": " << instance.error().message;
    for (const ObjectProgram& candidate : object->programs()) {
      SCOPED_TRACE(path.filename().string() + " " + candidate.name);
      Expected expected;
      ASSERT_TRUE(ReadExpected(*candidate.program, &expected));
      const auto load = (*instance)->Load(*candidate.program, {.verdict_only = true});
      ASSERT_TRUE(load.has_value()) << load.error().message;
      EXPECT_EQ(load->verdict.accepted, expected.linux_accepts) << load->verdict.log;
      if (expected.linux_accepts) continue;
      EXPECT_NE(load->verdict.log.find(expected.text), std::string::npos) << load->verdict.log;
    }
  }
#else
  GTEST_SKIP() << "built without the kernel backend";
#endif
}

}  // namespace
}  // namespace skep::verifier
