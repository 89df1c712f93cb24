// SPDX-License-Identifier: Apache-2.0
// docs/support.md: what of Linux's eBPF there is, made from the tables of the
// rooms, and which test shows it (tests/data/shown_by.tsv).
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "helpers/helper_table.h"
#include "helpers/kfunc_table.h"
#include "isa/isa_doc.h"
#include "isa/op.h"
#include "model/map_type_info.h"
#include "model/program_type_name.h"
#include "tests/support/evidence.h"
#include "verifier/kfuncs.h"
#include "vm/program_types.h"

namespace skep {
namespace {

struct Entry {
  std::string name;
  std::string status;  // as in shown_by.tsv
  // What a test that shows it names, where the table names no test.
  std::vector<std::string> words;
  std::string group = {};  // supported ones are shown as so many of the group
};
struct Chapter {
  std::string kind;   // as in shown_by.tsv
  std::string title;  // "Helpers"
  std::string about;  // where the details are
  std::vector<Entry> entries;
};

constexpr char kSupported[] = "supported";
constexpr char kVerifyOnly[] = "verify only";
constexpr char kNo[] = "no";

Chapter ProgramTypeChapter() {
  const std::map<uint32_t, std::string> enumerators = {
#define SKEP_PROGRAM_TYPE(name, ...) {static_cast<uint32_t>(ProgramTypeId::k##name), #name},
#include "vm/program_types.def"
  };
  Chapter chapter{
      "program",
      "Program types",
      "Layouts, attach types and rights: [program-types.md](program-types.md). Programs of a "
      "type that is \"verify only\" are refused by name when they are to run.",
      {}};
  for (const ProgramType& type : BuiltinProgramTypes()) {
    const char* status = type.host == HostContext::kNone ? kVerifyOnly : kSupported;
    std::vector<Entry>& entries = chapter.entries;
    if (!entries.empty() && entries.back().name == type.name) {
      if (status == kSupported) entries.back().status = status;  // some attach types run
      continue;
    }
    entries.push_back({std::string(type.name),
                       status,
                       {"ProgramTypeId::k" + enumerators.at(static_cast<uint32_t>(type.id)),
                        "type " + std::string(type.name)}});
  }
  return chapter;
}

Chapter MapChapter() {
  const std::map<uint32_t, std::string> enumerators = {
#define SKEP_MAP_TYPE(name, ...) {static_cast<uint32_t>(MapType::k##name), #name},
#include "model/map_types.def"
  };
  Chapter chapter{"map",
                  "Map types",
                  "Flags and helpers of each: [maps.md](maps.md). A map that is \"verify only\" "
                  "cannot be created, and is refused by name.",
                  {}};
  for (const model::MapTypeInfo& info : model::MapTypes()) {
    chapter.entries.push_back({std::string(info.name),
                               info.built ? kSupported : kVerifyOnly,
                               {"MapType::k" + enumerators.at(static_cast<uint32_t>(info.type))}});
  }
  return chapter;
}

Chapter HelperChapter() {
  const std::multimap<uint32_t, std::string> functions = {
#define SKEP_HELPER(id, name, function, ...) {id, #function},
#define SKEP_PROTOTYPE(id, name, ...)
#include "helpers/helpers.def"
  };
  Chapter chapter{"helper",
                  "Helpers",
                  "Prototypes and the programs that may call them: [helpers.md](helpers.md).",
                  {}};
  for (const HelperSpec& spec : HelperTable()) {
    const bool by_engine = spec.id == 12;  // tail_call
    const char* status = spec.function != nullptr || by_engine ? kSupported : kVerifyOnly;
    std::vector<Entry>& entries = chapter.entries;
    if (entries.empty() || entries.back().name != spec.name) {
      entries.push_back({std::string(spec.name), status, {}});
    } else if (status == kSupported) {
      entries.back().status = status;  // another prototype of it runs
    }
    std::vector<std::string>& words = entries.back().words;
    words = {"bpf_" + std::string(spec.name), "call " + std::string(spec.name),
             "call " + std::to_string(spec.id)};
    const auto [first, last] = functions.equal_range(spec.id);
    for (auto it = first; it != last; ++it) words.push_back("helpers::" + it->second);
  }
  return chapter;
}

Chapter KfuncChapter() {
  Chapter chapter{
      "kfunc",
      "Kernel functions",
      "Functions that programs call by their BTF (kfuncs); prototypes are the target's.",
      {}};
  for (const verifier::KfuncSpec& spec : verifier::KfuncTable()) {
    const char* status = spec.Has(verifier::kfunc::kUnmodelled) ? kNo
                         : FindRunningKfunc(spec.id)            ? kSupported
                                                                : kVerifyOnly;
    chapter.entries.push_back({std::string(spec.name), status, {std::string(spec.name)}});
  }
  return chapter;
}

Chapter CommandChapter() {
  enum class Use : uint8_t { kCalled, kUncalled };
  constexpr struct {
    const char* text;
    Use use;
  } kCommands[] = {
#define SKEP_COMMAND(name, number, text, backend) {text, Use::k##backend},
#include "kernel/commands.def"
  };
  Chapter chapter{"command",
                  "Commands of bpf(2)",
                  "There is no bpf(2) in process. \"Kernel only\": the kernel backend makes the "
                  "call; the C++ API has its own ways to create maps, load and run.",
                  {}};
  for (const auto& command : kCommands) {
    chapter.entries.push_back(
        {command.text, command.use == Use::kCalled ? "kernel only" : kNo, {}});
  }
  return chapter;
}

// "SDiv64Reg" is "sdiv64_reg" in the names of tests/data/isa.
std::string FileName(std::string_view op) {
  const auto is_upper = [](char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; };
  std::string name;
  for (size_t i = 0; i < op.size(); ++i) {
    if (i > 0 && is_upper(op[i]) && !is_upper(op[i - 1])) name += '_';
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(op[i])));
  }
  return name;
}

// An operation runs if a file about it says what comes out.
Chapter InstructionChapter(const test::Evidence& evidence) {
  Chapter chapter{"insn",
                  "Instructions",
                  "Every operation of RFC 9669 and of Linux 6.18: [isa.md](isa.md). Each is "
                  "decoded, assembled and verified; here is what runs.",
                  {}};
  for (const OpInfo& info : kOpTable) {
    const bool runs = evidence.Runs("tests/data/isa/" + FileName(info.name) + "-*.ebpf");
    chapter.entries.push_back({std::string(info.name),
                               runs ? kSupported : kVerifyOnly,
                               {},
                               std::string(GroupName(info.group))});
  }
  return chapter;
}

// ---- the page

std::string ShownBy(const test::Evidence& evidence, const Chapter& chapter, const Entry& entry) {
  std::string stated = evidence.Stated(chapter.kind, entry.status, entry.name);
  if (stated.empty() && entry.status == kSupported) stated = evidence.Naming(entry.words);
  return stated;
}

std::vector<Chapter> Chapters(const test::Evidence& evidence) {
  return {ProgramTypeChapter(), MapChapter(),     HelperChapter(),
          KfuncChapter(),       CommandChapter(), InstructionChapter(evidence)};
}

std::string Counts(const std::vector<Chapter>& chapters) {
  std::string out =
      "| | in all | supported | verify only | kernel only | no |\n|---|---|---|---|---|---|\n";
  for (const Chapter& chapter : chapters) {
    out += "| " + chapter.title + " | " + std::to_string(chapter.entries.size());
    for (const char* status : {kSupported, kVerifyOnly, "kernel only", kNo}) {
      const auto n = std::count_if(chapter.entries.begin(), chapter.entries.end(),
                                   [&](const Entry& e) { return e.status == status; });
      out += " | " + (n == 0 ? std::string() : std::to_string(n));
    }
    out += " |\n";
  }
  return out;
}

std::string Quoted(std::string_view shown_by) {
  std::string out;
  std::stringstream in{std::string(shown_by)};
  for (std::string item; in >> item;) out += (out.empty() ? "`" : ", `") + item + "`";
  return out;
}

// "hash, array"; of supported members of groups: "base32 (40), base64 (38)".
std::string Names(const std::vector<const Entry*>& entries) {
  std::vector<std::pair<std::string, int>> parts;
  for (const Entry* entry : entries) {
    const bool grouped = !entry->group.empty() && entry->status == kSupported;
    const std::string& name = grouped ? entry->group : entry->name;
    auto part = std::find_if(parts.begin(), parts.end(),
                             [&](const auto& p) { return grouped && p.first == name; });
    if (part == parts.end()) part = parts.insert(parts.end(), {name, 0});
    if (grouped) ++part->second;
  }
  std::string out;
  for (const auto& [name, count] : parts) {
    if (!out.empty()) out += ", ";
    out += count == 0 ? name : name + " (" + std::to_string(count) + ")";
  }
  return out;
}

// A row for each status and test, with all that it shows; in the order of the table.
std::string ChapterText(const test::Evidence& evidence, const Chapter& chapter) {
  std::string out =
      "\n## " + chapter.title + "\n\n" + chapter.about + "\n\n| | | shown by |\n|---|---|---|\n";
  for (const char* status : {kSupported, "kernel only", kVerifyOnly, kNo}) {
    // By what shows them.
    std::vector<std::pair<std::string, std::vector<const Entry*>>> groups;
    for (const Entry& entry : chapter.entries) {
      if (entry.status != status) continue;
      const std::string shown_by = ShownBy(evidence, chapter, entry);
      auto group = std::find_if(groups.begin(), groups.end(),
                                [&](const auto& g) { return g.first == shown_by; });
      if (group == groups.end()) group = groups.insert(groups.end(), {shown_by, {}});
      group->second.push_back(&entry);
    }
    for (const auto& [shown_by, entries] : groups) {
      out +=
          std::string("| ") + status + " | " + Names(entries) + " | " + Quoted(shown_by) + " |\n";
    }
  }
  return out;
}

std::string Page(const test::Evidence& evidence) {
  const std::vector<Chapter> chapters = Chapters(evidence);
  std::string out =
      "# What of Linux's eBPF there is\n\n"
      "<!-- Made from the tables by tests/support_page_test.cc; do not edit. SKEP_BLESS=1 on its\n"
      "test SupportPage rewrites it. Which test shows what: tests/data/shown_by.tsv. -->\n\n"
      "As Linux 6.18 has it. *Supported* runs in process; *verify only* is judged as Linux does, "
      "and\nrefused by name when it is to run or to be created; *no* is refused in words.\n\n";
  out += Counts(chapters);
  out += "\n## The whole\n\n| | | shown by |\n|---|---|---|\n";
  for (const test::EvidenceRow& row : evidence.rows()) {
    if (row.kind != "feature") continue;
    out += "| " + row.status + " | " + row.names + " | " + Quoted(row.shown_by) + " |\n";
  }
  for (const Chapter& chapter : chapters) out += ChapterText(evidence, chapter);
  return out;
}

// ---- tests

class SupportPage : public testing::Test {
 protected:
  const test::Evidence evidence_{SKEP_SOURCE_DIR};
};

TEST_F(SupportPage, NamesTestsAndFilesThatAreThere) {
  ASSERT_FALSE(evidence_.rows().empty());
  for (const test::EvidenceRow& row : evidence_.rows()) {
    EXPECT_FALSE(row.shown_by.empty()) << row.kind << " " << row.names;
    EXPECT_EQ(evidence_.Missing(row.shown_by), "")
        << "tests/data/shown_by.tsv: " << row.kind << " " << row.names;
  }
}

TEST_F(SupportPage, HasATestForAllThatIsSupportedOrVerified) {
  for (const Chapter& chapter : Chapters(evidence_)) {
    for (const Entry& entry : chapter.entries) {
      if (entry.status == kNo) continue;
      EXPECT_NE(ShownBy(evidence_, chapter, entry), "")
          << chapter.kind << " " << entry.name << " is " << entry.status
          << ", but no test names it: add a test, or a line to tests/data/shown_by.tsv";
    }
  }
}

TEST_F(SupportPage, IsMadeFromTheTables) {
  const std::string path = std::string(SKEP_SOURCE_DIR) + "/docs/support.md";
  const std::string page = Page(evidence_);
  const char* bless = std::getenv("SKEP_BLESS");
  if (bless != nullptr && std::string(bless) == "1") std::ofstream(path) << page;
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), page) << "run this test with SKEP_BLESS=1";
}

TEST(Evidence, MissesWhatIsNotThere) {
  const test::Evidence evidence(SKEP_SOURCE_DIR);
  EXPECT_EQ(evidence.Missing("Evidence.MissesWhatIsNotThere SupportPage.* docs/core.md"), "");
  EXPECT_EQ(evidence.Missing("Evidence.NoSuchTest tests/no_such_file.cc NoSuchSuite.*"),
            "Evidence.NoSuchTest, tests/no_such_file.cc, NoSuchSuite.*");
}

}  // namespace
}  // namespace skep
