// SPDX-License-Identifier: Apache-2.0
#include "tests/support/evidence.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fnmatch.h>

namespace skep::test {
namespace {

namespace fs = std::filesystem;

std::string Slurp(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::stringstream in{std::string(text)};
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty() || separator == '\t') parts.push_back(part);
  }
  return parts;
}

bool Matches(const std::string& pattern, std::string_view text) {
  return fnmatch(pattern.c_str(), std::string(text).c_str(), 0) == 0;
}

bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == ':';
}

std::unordered_set<std::string> WordsOf(const std::string& text) {
  std::unordered_set<std::string> words;
  std::string last;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '\\') at += 2;  // "\ncall 5" in a literal
    if (at >= text.size()) break;
    if (!IsWordByte(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && IsWordByte(text[end])) ++end;
    std::string word = text.substr(at, end - at);
    if (last == "call" || last == "CallHelper") words.insert("call " + word);
    if (last == "type") words.insert("type " + word);
    words.insert(word);
    last = std::move(word);
    at = end;
  }
  return words;
}

// Where something runs, and not only verifies, best first; -1: not evidence.
int Rank(const std::string& path, const std::string& text) {
  constexpr std::string_view kFolders[] = {"tests/helpers/", "tests/maps/",    "tests/vm/",
                                           "tests/jit/",     "tests/data/",    "tests/kernel/",
                                           "tests/loader/",  "tests/examples/"};
  if (path.find("_doc_test.") != std::string::npos) return -1;
  if (path.find("_table_test.") != std::string::npos) return -1;
  const bool data = path.ends_with(".ebpf");
  if (data && text.find("\n-- result") == std::string::npos) return -1;
  if (!data && !path.ends_with("_test.cc") && !path.ends_with("_test.py")) return -1;
  for (size_t i = 0; i < std::size(kFolders); ++i) {
    if (path.starts_with(kFolders[i])) return static_cast<int>(i);
  }
  return -1;
}

// The tests that a source defines: TEST(Suite, Name), TEST_F, TEST_P.
void AddTests(const std::string& text, std::unordered_set<std::string>& tests) {
  for (size_t at = text.find("\nTEST"); at != std::string::npos; at = text.find("\nTEST", at + 1)) {
    const size_t open = text.find('(', at), comma = text.find(',', at), close = text.find(')', at);
    if (open > comma || comma > close || close == std::string::npos) continue;
    const size_t name = text.find_first_not_of(" \n", comma + 1);
    const std::string suite = text.substr(open + 1, comma - open - 1);
    tests.insert(suite + "." + text.substr(name, close - name));
    tests.insert(suite + ".*");
  }
}

}  // namespace

Evidence::Evidence(const std::string& source_dir) : source_dir_(source_dir) {
  std::ifstream table(source_dir + "/tests/data/shown_by.tsv");
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> cells = Split(line, '\t');
    cells.resize(4);
    rows_.push_back({cells[0], cells[1], cells[2], cells[3]});
  }
  ReadTests();
}

void Evidence::ReadTests() {
  for (const char* folder : {"tests", "examples", "docs"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(source_dir_) / folder)) {
      if (entry.is_directory()) continue;
      paths_.push_back(fs::relative(entry.path(), source_dir_).string());
    }
  }
  std::sort(paths_.begin(), paths_.end());
  for (const std::string& path : paths_) AddFile(path);
  std::stable_sort(files_.begin(), files_.end(),
                   [](const TestFile& a, const TestFile& b) { return a.rank < b.rank; });
}

void Evidence::AddFile(const std::string& path) {
  const bool source = path.ends_with(".cc");
  if (!source && !path.ends_with(".py") && !path.ends_with(".ebpf")) return;
  const std::string text = Slurp(fs::path(source_dir_) / path);
  if (source) AddTests(text, tests_);
  if (const int rank = Rank(path, text); rank >= 0) files_.push_back({path, WordsOf(text), rank});
}

std::string Evidence::Stated(std::string_view kind, std::string_view status,
                             std::string_view name) const {
  for (const EvidenceRow& row : rows_) {
    if (row.kind != kind || row.status != status) continue;
    for (const std::string& pattern : Split(row.names, ' ')) {
      if (Matches(pattern, name)) return row.shown_by;
    }
  }
  return {};
}

std::string Evidence::Naming(const std::vector<std::string>& words) const {
  for (const TestFile& file : files_) {
    for (const std::string& word : words) {
      if (file.words.contains(word)) return file.path;
    }
  }
  return {};
}

bool Evidence::Runs(std::string_view pattern) const {
  return std::any_of(files_.begin(), files_.end(), [pattern](const TestFile& file) {
    return Matches(std::string(pattern), file.path);
  });
}

std::string Evidence::Missing(std::string_view shown_by) const {
  std::string missing;
  for (const std::string& item : Split(shown_by, ' ')) {
    const bool there = item.find('/') == std::string::npos
                           ? tests_.contains(item)
                           : std::any_of(paths_.begin(), paths_.end(), [&](const auto& path) {
                               return Matches(item, path) || path.starts_with(item + "/");
                             });
    if (!there) missing += (missing.empty() ? "" : ", ") + item;
  }
  return missing;
}

}  // namespace skep::test
