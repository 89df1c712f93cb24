// SPDX-License-Identifier: Apache-2.0
// Linux's own test programs: what Linux 6.18 refused is refused here, and what
// it accepted and we model is accepted. The objects (GPL) are built outside the
// tree; SKEP_SELFTEST_OBJECTS names the folder. The verdicts are found through
// SKEP_SHARED_DIR, or in ../shared beside the source tree.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "skep/program.h"
#include "skep/verify.h"

#include "vm/program_types.h"

namespace skep::verifier {
namespace {

namespace fs = std::filesystem;

// The text behind "key": in one line of JSON, without quotes.
std::string Field(const std::string& line, const std::string& key) {
  const std::string start = "\"" + key + "\": ";
  const size_t at = line.find(start);
  if (at == std::string::npos) return {};
  size_t begin = at + start.size();
  const char stop = line[begin] == '"' ? '"' : ',';
  if (stop == '"') ++begin;
  return line.substr(begin, line.find(stop, begin) - begin);
}

struct Wanted {
  std::string program, section;
  bool accepted = false;
};

TEST(KernelObjects, AreJudgedAsLinuxDoes) {
  const char* objects = std::getenv("SKEP_SELFTEST_OBJECTS");
  if (objects == nullptr) GTEST_SKIP() << "SKEP_SELFTEST_OBJECTS is not set";
  const char* shared = std::getenv("SKEP_SHARED_DIR");
  const std::string verdicts =
      (shared != nullptr ? std::string(shared) : std::string(SKEP_SOURCE_DIR) + "/../shared") +
      "/kernel-selftests/verdicts.jsonl";
  if (!fs::exists(verdicts)) GTEST_SKIP() << verdicts << " is missing";

  std::map<std::string, std::vector<Wanted>> by_object;
  std::ifstream file(verdicts);
  for (std::string line; std::getline(file, line);) {
    if (Field(line, "env_dependent") != "null}" && Field(line, "env_dependent") != "null") continue;
    by_object[Field(line, "object")].push_back(
        {Field(line, "prog"), Field(line, "section"), Field(line, "kernel_verdict") == "accept"});
  }
  const Environment environment = BuiltinEnvironment(2);
  int agreed = 0, unsupported = 0, stricter = 0;
  for (const auto& [name, wanted] : by_object) {
    const fs::path path = fs::path(objects) / name;
    if (!fs::exists(path)) continue;
    const Result<Object> object = Object::Open(path.string());
    if (!object) continue;
    for (const ObjectProgram& candidate : object->programs()) {
      const auto it = std::find_if(wanted.begin(), wanted.end(), [&](const Wanted& w) {
        return w.program == candidate.name && w.section == candidate.section;
      });
      if (it == wanted.end()) continue;
      if (!candidate.program) {
        ++unsupported;
        continue;
      }
      VerifyOptions options;
      options.rights = Rights::kRoot;
      const VerifierReport report = Verify(*candidate.program, environment, options).report;
      if (report.accepted == it->accepted && (report.accepted || !report.findings[0].unsupported)) {
        ++agreed;
      } else if (report.accepted) {
        ADD_FAILURE() << name << " " << candidate.name << ": Linux refuses it";
      } else if (report.findings[0].unsupported) {
        ++unsupported;
      } else {
        ++stricter;
        std::printf("%s %s: %s\n", name.c_str(), candidate.name.c_str(),
                    report.findings[0].message.c_str());
      }
    }
  }
  std::printf("%d verdicts agree, %d programs not supported yet, %d refused by us alone\n", agreed,
              unsupported, stricter);
  EXPECT_GT(agreed, 700);
  EXPECT_LE(stricter, agreed / 100);
}

}  // namespace
}  // namespace skep::verifier
