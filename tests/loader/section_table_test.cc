// SPDX-License-Identifier: Apache-2.0
// libbpf as the oracle of loader/sections.def: the names that it lists have rows,
// and an object whose program is in a section of that name is loaded as its row
// says, sleepable or not. Names that the installed libbpf does not know are left out.
#ifdef SKEP_HAVE_LIBBPF

#include <cstdarg>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include "loader/object_writer.h"
#include "loader/section_rules.h"

namespace skep::loader {
namespace {

std::string said;  // by libbpf

int Listen(libbpf_print_level, const char* format, va_list args) {
  char text[16384];
  const int n = std::vsnprintf(text, sizeof(text), format, args);
  said += text;
  return n;
}

// libbpf lists its names where it does not know one.
std::vector<std::string> NamesOfLibbpf() {
  said.clear();
  libbpf_set_print(Listen);
  bpf_prog_type type{};
  bpf_attach_type attach_type{};
  libbpf_prog_type_by_name("no such name", &type, &attach_type);
  libbpf_set_print(nullptr);
  const std::string head = "names are:";
  const size_t at = said.find(head);
  std::vector<std::string> names;
  if (at == std::string::npos) return names;
  std::istringstream words(said.substr(at + head.size(), said.find('\n', at) - at - head.size()));
  for (std::string name; words >> name;) names.push_back(name);
  return names;
}

TEST(SectionTable, HasARowForEveryNameThatLibbpfLists) {
  const std::vector<std::string> names = NamesOfLibbpf();
  size_t rows = 0;
  for (const std::string& listed : names) {
    // "kprobe+" is the name with or without a target, "iter/" would be with one.
    const std::string name = listed.substr(0, listed.find_first_of("+"));
    const SectionMeaning meaning = ReadSectionName(name);
    EXPECT_NE(meaning.rule, nullptr) << listed;
    if (meaning.rule != nullptr) {
      EXPECT_EQ(meaning.rule->name, name);
    }
    ++rows;
  }
  EXPECT_GT(rows, 80u) << "libbpf said: " << said;
}

// What such a section's program attaches to, as far as loading asks.
std::string TargetOf(const SectionRule& rule) {
  constexpr uint32_t kRawTp = 23, kIter = 28;
  switch (rule.type) {
    case ProgramTypeId::kTracing:
      if (rule.attach_type == kRawTp) return "sys_enter";
      return rule.attach_type == kIter ? "task" : "__x64_sys_getpgid";
    case ProgramTypeId::kLsm:
      return "file_open";
    case ProgramTypeId::kTracepoint:
      return "syscalls/sys_enter_getpgid";
    case ProgramTypeId::kRawTracepoint:
    case ProgramTypeId::kRawTracepointWritable:
      return "sys_enter";
    default:
      return "x";
  }
}

ProgramData WithInsns(std::vector<Insn> insns) {
  ProgramData data;
  data.name = "program";
  data.license = "GPL";
  data.subprograms = {{.name = "program", .start = 0, .end = static_cast<uint32_t>(insns.size())}};
  data.insns = std::move(insns);
  return data;
}

struct Closer {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

// Whether libbpf gets the kernel to load it.
bool Loads(const ProgramData& program, const std::string& section) {
  const auto bytes = WriteObject(program, section);
  EXPECT_TRUE(bytes) << bytes.error().message;
  if (!bytes) return false;
  const std::unique_ptr<bpf_object, Closer> object(
      bpf_object__open_mem(bytes->data(), bytes->size(), nullptr));
  return object != nullptr && bpf_object__load(object.get()) == 0;
}

// Only programs that may sleep may call bpf_copy_from_user.
TEST(SectionTable, MarksAsSleepableWhatLinuxLetsSleep) {
  libbpf_set_print(nullptr);
  const Insn result{.code = 0xb7}, exit{.code = 0x95};
  // r1 = r10 - 8; r2 = 8; r3 = 0; call bpf_copy_from_user; r0 = 0; exit
  const std::vector<Insn> sleeping = {{.code = 0xbf, .dst = 1, .src = 10},
                                      {.code = 0x07, .dst = 1, .imm = -8},
                                      {.code = 0xb7, .dst = 2, .imm = 8},
                                      {.code = 0xb7, .dst = 3},
                                      {.code = 0x85, .imm = 148},
                                      result,
                                      exit};
  const ProgramData plain = WithInsns({result, exit}), sleeps = WithInsns(sleeping);
  size_t compared = 0, sleepable = 0;
  for (const SectionRule& rule : SectionRules()) {
    bpf_prog_type type{};
    bpf_attach_type attach_type{};
    if (libbpf_prog_type_by_name(std::string(rule.name).c_str(), &type, &attach_type) != 0)
      continue;
    const std::string section =
        std::string(rule.name) + (rule.prefix ? "/" + TargetOf(rule) : std::string());
    if (!Loads(plain, section)) continue;
    EXPECT_EQ(Loads(sleeps, section), rule.sleepable) << section;
    ++compared;
    sleepable += rule.sleepable ? 1 : 0;
  }
  RecordProperty("sections", static_cast<int>(compared));
  RecordProperty("sleepable", static_cast<int>(sleepable));
  if (compared == 0) GTEST_SKIP() << "bpf(2) is refused here";
  EXPECT_GT(compared, 50u);
  EXPECT_GT(sleepable, 2u);
}

}  // namespace
}  // namespace skep::loader

#endif  // SKEP_HAVE_LIBBPF
