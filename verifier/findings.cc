// SPDX-License-Identifier: Apache-2.0
#include "verifier/findings.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iterator>

#include "base/check.h"

namespace skep {
namespace verifier {
namespace {

// In ascending order of codes, which the table's test checks.
constexpr FindingRow kRows[] = {
#define SKEP_FINDING(name, code, error, kind, text, advice) \
  {FindingCode::k##name, #name, error, FindingKind::k##kind, text, advice},
#include "verifier/findings.def"
};

}  // namespace

std::span<const FindingRow> FindingTable() { return kRows; }

const FindingRow& RowOf(FindingCode code) {
  const auto* row = std::lower_bound(std::begin(kRows), std::end(kRows), code,
                                     [](const FindingRow& r, FindingCode c) { return r.code < c; });
  SKEP_CHECK(row != std::end(kRows) && row->code == code);
  return *row;
}

void Arg::AppendTo(std::string& out) const {
  if (is_text_) {
    out.append(text_);
  } else if (is_unsigned_) {
    out.append(std::to_string(static_cast<uint64_t>(number_)));
  } else {
    out.append(std::to_string(number_));
  }
}

std::string FillIn(std::string_view text, Args args) {
  std::string out;
  const Arg* next = args.begin();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' && i + 1 < text.size() && text[i + 1] == '}') {
      SKEP_CHECK(next != args.end());
      next++->AppendTo(out);
      ++i;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace verifier

std::string FindingName(FindingCode code) {
  char name[8];
  std::snprintf(name, sizeof(name), "V%03u", static_cast<unsigned>(code));
  return name;
}

}  // namespace skep
