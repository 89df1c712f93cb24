// SPDX-License-Identifier: Apache-2.0
// libbpf as the oracle of CO-RE: both relocate the same objects against the
// same types, and the instructions are the same. The objects are those of
// tests/data/loader and, if SKEP_SELFTEST_OBJECTS names their folder, the
// kernel's own selftests, which have a target of each shape.
//
// libbpf relocates on the way to bpf(2), so it takes one that is not refused.
#ifdef SKEP_HAVE_LIBBPF

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "skep/btf.h"
#include "skep/program.h"

#include "btf/btf.h"
#include "tests/loader/objects.h"

namespace skep::loader {
namespace {

constexpr uint8_t kCodeWideLoad = 0x18;

struct Closer {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

std::string said;  // by libbpf, since the last load

int Listen(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[1024];
  const int n = std::vsnprintf(line, sizeof(line), format, args);
  said += line;
  return n;
}

// What libbpf made of an object.
struct Theirs {
  std::unique_ptr<bpf_object, Closer> object;
  bool relocated = false;    // all the way to the kernel, whatever that said
  bool core_failed = false;  // a CO-RE relocation could not be decided
};

Theirs LoadWithLibbpf(const std::string& path, const std::string& target, size_t only) {
  said.clear();
  libbpf_set_print(Listen);
  LIBBPF_OPTS(bpf_object_open_opts, options);
  if (!target.empty()) options.btf_custom_path = target.c_str();
  Theirs out;
  out.object.reset(bpf_object__open_file(path.c_str(), &options));
  if (out.object == nullptr) return out;
  bpf_program* program = nullptr;
  for (size_t i = 0; (program = bpf_object__next_program(out.object.get(), program)) != nullptr;
       ++i)
    bpf_program__set_autoload(program, only == SIZE_MAX || i == only);
  const int error = bpf_object__load(out.object.get());
  out.relocated = error == 0 || said.find("BPF program load failed") != std::string::npos;
  out.core_failed = said.find("failed to relocate: ") != std::string::npos ||
                    said.find("failed to patch insn") != std::string::npos;
  return out;
}

Insn FromLibbpf(const bpf_insn& from) {
  Insn insn{};
  insn.code = from.code;
  insn.dst = static_cast<uint8_t>(from.dst_reg & 0xf);
  insn.src = static_cast<uint8_t>(from.src_reg & 0xf);
  insn.off = from.off;
  insn.imm = from.imm;
  return insn;
}

// What depends on the kernel's handing out of numbers is left out, and what an
// extern becomes: libbpf 1.1 knows no flavours of kernel functions and leaves
// calls of missing ones as they are.
Insn Comparable(Insn insn) {
  constexpr uint8_t kCode = 0x85;  // call
  constexpr int32_t kFirstMissing = 2'002'000'000;
  const bool kernel_call =
      insn.code == kCode &&
      (insn.src == kCallKfunc || (insn.src == kCallHelper && insn.imm >= kFirstMissing));
  const bool kernel_address = insn.code == kCodeWideLoad && insn.src == kPseudoBtfId;
  if (kernel_call || kernel_address) insn.src = 0;
  if (kernel_call || kernel_address) insn.imm = 0;
  const bool map =
      insn.code == kCodeWideLoad && (insn.src == kPseudoMapFd || insn.src == kPseudoMapValue);
  if (map) insn.imm = 0;
  return insn;
}

// libbpf 1.1 to 1.2 leave out what handles an exception: it is no subprogram
// that the code refers to.
bool AppendsExceptionCallbacks() {
  return libbpf_major_version() > 1 || libbpf_minor_version() >= 3;
}
bool HasExceptionCallback(const Program& program) {
  const btf::Btf& btf = *program.data().btf;
  for (uint32_t id = btf.first_id(); id < btf.type_count(); ++id) {
    if (btf.kind(id) == btf::Kind::kDeclTag && btf.name(id).starts_with("exception_callback:") &&
        btf.decl_tag(id).target == program.subprograms()[0].btf_type_id)
      return true;
  }
  return false;
}

std::string Show(const Insn& insn) {
  return fmt::format("code {:#04x} dst {} src {} off {} imm {:#x}", unsigned{insn.code},
                     unsigned{insn.dst}, unsigned{insn.src}, insn.off, insn.imm);
}

// Returns what differs.
std::string Compare(const bpf_program* theirs, const Program& ours) {
  const size_t count = bpf_program__insn_cnt(theirs);
  const bool callback_left_out =
      !AppendsExceptionCallbacks() && count < ours.insns().size() && HasExceptionCallback(ours);
  if (count != ours.insns().size() && !callback_left_out)
    return fmt::format("{} slots, libbpf has {}", ours.insns().size(), count);
  for (size_t i = 0; i < count; ++i) {
    const Insn a = Comparable(ours.insns()[i]);
    const Insn b = Comparable(FromLibbpf(bpf_program__insns(theirs)[i]));
    if (std::memcmp(&a, &b, sizeof(a)) != 0)
      return fmt::format("insn {}: {}, libbpf: {}", i, Show(a), Show(b));
  }
  return "";
}

struct Tally {
  size_t programs = 0;  // compared
  size_t records = 0;   // of their objects
  size_t refused = 0;   // undecidable for both
  size_t others = 0;    // not linked or not loaded for reasons of another kind
};

bool IsCoreError(const Error& error) {
  return error.message.find("CO-RE relocation") != std::string::npos;
}

void CompareProgram(const Theirs& theirs, size_t index, const ObjectProgram& ours,
                    const std::string& where, Tally& tally) {
  if (theirs.core_failed) {
    EXPECT_TRUE(!ours.program && IsCoreError(ours.program.error()))
        << where << ": libbpf says " << said;
    ++tally.refused;
    return;
  }
  if (!theirs.relocated) {
    ++tally.others;
    return;
  }
  if (!ours.program) {
    EXPECT_FALSE(IsCoreError(ours.program.error())) << where << ours.program.error().message;
    ++tally.others;
    return;
  }
  const bpf_program* program = nullptr;
  for (size_t i = 0; i <= index; ++i)
    program = bpf_object__next_program(theirs.object.get(), const_cast<bpf_program*>(program));
  EXPECT_EQ(Compare(program, *ours.program), "") << where;
  ++tally.programs;
}

void CompareObject(const std::string& path, const std::string& target, Tally& tally) {
  const auto btf = OpenBtf(target.empty() ? kKernelBtfPath : target);
  ASSERT_TRUE(btf) << btf.error().message;
  const auto ours = Object::Open(path, {.target_btf = *btf});
  if (!ours || ours->core_relocations().empty()) return;
  tally.records += ours->core_relocations().size();
  const std::string pair = std::filesystem::path(path).filename().string() + " against " +
                           std::filesystem::path(target).filename().string() + ": ";
  // At once if it can be done: libbpf reads the kernel's types each time.
  Theirs theirs = LoadWithLibbpf(path, target, SIZE_MAX);
  if (theirs.object == nullptr) return;
  const bool together = theirs.relocated;
  for (size_t i = 0; i < ours->programs().size(); ++i) {
    if (!together) theirs = LoadWithLibbpf(path, target, i);
    CompareProgram(theirs, i, ours->programs()[i], pair + ours->programs()[i].name, tally);
  }
}

void Record(const Tally& tally) {
  testing::Test::RecordProperty("programs", static_cast<int>(tally.programs));
  testing::Test::RecordProperty("records", static_cast<int>(tally.records));
  testing::Test::RecordProperty("refused_by_both", static_cast<int>(tally.refused));
  testing::Test::RecordProperty("not_compared", static_cast<int>(tally.others));
}

std::string FileName(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

TEST(CoreAgainstLibbpf, RelocatesAgainstTheRunningKernelAlike) {
  if (!std::filesystem::exists(kKernelBtfPath)) GTEST_SKIP() << kKernelBtfPath << " is missing";
  Tally tally;
  for (const std::string& path : BuiltObjects())
    if (SourceName(path).starts_with("core_")) CompareObject(path, "", tally);
  for (const std::string& path : SelftestObjects()) CompareObject(path, "", tally);
  Record(tally);
  if (tally.programs == 0) GTEST_SKIP() << "bpf(2) is refused here, or clang is missing";
}

// Each test_core_reloc_<topic> against each btf__core_reloc_<topic>___<variant>:
// those of its topic have its types, the others little or none of them.
TEST(CoreAgainstLibbpf, RelocatesAgainstTypesOfEachShapeAlike) {
  const std::vector<std::string> all = SelftestObjects();
  if (all.empty()) GTEST_SKIP() << "SKEP_SELFTEST_OBJECTS names no objects";
  Tally tally;
  for (const std::string& path : all) {
    if (!FileName(path).starts_with("test_core_reloc_")) continue;
    for (const std::string& target : all)
      if (FileName(target).starts_with("btf__core_reloc_")) CompareObject(path, target, tally);
  }
  Record(tally);
  if (tally.programs == 0) GTEST_SKIP() << "bpf(2) is refused here";
}

}  // namespace
}  // namespace skep::loader

#endif  // SKEP_HAVE_LIBBPF
