// SPDX-License-Identifier: Apache-2.0
#include "verifier/findings_doc.h"

#include <cstring>

#include "verifier/findings.h"

namespace skep::verifier {
namespace {

constexpr const char* kIntro =
    "# Findings\n\n"
    "Every reason for which the verifier refuses a program has a stable code. The text is that of\n"
    "Linux 6.18, with `…` for what differs from program to program; errno is what\n"
    "`bpf(BPF_PROG_LOAD)` gives for it.\n\n"
    "This page is made from `verifier/findings.def`; a test fails when it is out of date.\n";

std::string Escape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' && i + 1 < text.size() && text[i + 1] == '}') {
      out += "…";
      ++i;
    } else {
      if (text[i] == '|') out.push_back('\\');
      out.push_back(text[i]);
    }
  }
  return out;
}

void AddTable(FindingKind kind, std::string_view title, std::string_view about, std::string& out) {
  out += "\n## " + std::string(title) + "\n\n" + std::string(about) +
         "\n\n| code | errno | text | what usually mends it |\n|---|---|---|---|\n";
  for (const FindingRow& row : FindingTable()) {
    if (row.kind != kind) continue;
    out += "| " + FindingName(row.code) + " | " + strerrorname_np(row.sys_errno) + " | `" +
           Escape(row.text) + "` | " + Escape(row.advice) + " |\n";
  }
}

}  // namespace

std::string FindingsMarkdown() {
  std::string out = kIntro;
  AddTable(FindingKind::kRefused, "Refused", "Linux refuses these programs too.", out);
  AddTable(FindingKind::kUnsupported, "Not supported",
           "This verifier does not model these yet; Linux may accept the program.", out);
  AddTable(FindingKind::kNote, "Notes",
           "Lines of the log in front of the reason; never a reason themselves.", out);
  return out;
}

}  // namespace skep::verifier
