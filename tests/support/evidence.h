// SPDX-License-Identifier: Apache-2.0
// Evidence: which test shows that something is supported. tests/data/shown_by.tsv
// says so by hand; what it leaves out is found by what the tests name.
//
// Threads: one.

#ifndef SKEP_TESTS_SUPPORT_EVIDENCE_H_
#define SKEP_TESTS_SUPPORT_EVIDENCE_H_

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace skep::test {

struct EvidenceRow {
  std::string kind;    // "helper", "map", ...
  std::string status;  // "supported", "verify only", "no"
  std::string names;   // patterns with '*', separated by blanks; text for a feature
  std::string shown_by;
};

class Evidence {
 public:
  // Reads the table and the tests of the source tree.
  explicit Evidence(const std::string& source_dir);

  const std::vector<EvidenceRow>& rows() const { return rows_; }
  // What the table says of it; empty if nothing.
  std::string Stated(std::string_view kind, std::string_view status, std::string_view name) const;
  // The first test file, those of the preferred folders before others, that has
  // one of the words; empty if none does. Words are identifiers with "::" in
  // them, what follows "call" ("call 12", "call tail_call") and, in test files,
  // what follows "type" ("type xdp").
  std::string Naming(const std::vector<std::string>& words) const;
  // Whether a test file that fits the pattern says what a run gives.
  bool Runs(std::string_view pattern) const;
  // What of a `shown_by` there is not: a test "Suite.Name" or "Suite.*" that no
  // source defines, a path that matches no file. Empty if all is there.
  std::string Missing(std::string_view shown_by) const;

 private:
  struct TestFile {
    std::string path;  // below the source tree
    std::unordered_set<std::string> words;
    int rank = 0;
  };
  void ReadTests();
  void AddFile(const std::string& path);

  std::string source_dir_;
  std::vector<EvidenceRow> rows_;
  std::vector<TestFile> files_;            // that run something, best first
  std::vector<std::string> paths_;         // all files of tests/, examples/ and docs/
  std::unordered_set<std::string> tests_;  // "Suite.Name"
};

}  // namespace skep::test

#endif  // SKEP_TESTS_SUPPORT_EVIDENCE_H_
