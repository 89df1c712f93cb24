// SPDX-License-Identifier: Apache-2.0
// The reasons to reject a program, as a table (verifier/findings.def), and the
// text of one with its arguments filled in.
//
// Threads: constants and pure functions.

#ifndef SKEP_VERIFIER_FINDINGS_H_
#define SKEP_VERIFIER_FINDINGS_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "skep/verify.h"

namespace skep {

enum class FindingCode : uint16_t {
  kNone = 0,
#define SKEP_FINDING(name, code, error, kind, text, advice) k##name = code,
#include "verifier/findings.def"
};

namespace verifier {

enum class FindingKind : uint8_t { kRefused, kUnsupported, kNote };

struct FindingRow {
  FindingCode code;
  std::string_view name;
  int sys_errno;
  FindingKind kind;
  std::string_view text;
  std::string_view advice;
};

// All rows, ascending by code.
std::span<const FindingRow> FindingTable();
// The row of `code`; code must be one of the enumerators but kNone.
const FindingRow& RowOf(FindingCode code);

// One argument of a message.
class Arg {
 public:
  template <class T>
  requires std::is_integral_v<T> && std::is_signed_v<T> Arg(T v)
      : number_(v) {}  // NOLINT: implicit
  template <class T>
  requires std::is_integral_v<T> && std::is_unsigned_v<T> Arg(T v)
      : number_(static_cast<int64_t>(v)), is_unsigned_(true) {}  // NOLINT: implicit
  Arg(std::string_view v) : text_(v), is_text_(true) {}          // NOLINT: implicit
  Arg(const char* v) : Arg(std::string_view(v)) {}               // NOLINT: implicit
  Arg(const std::string& v) : Arg(std::string_view(v)) {}        // NOLINT: implicit
  void AppendTo(std::string& out) const;

 private:
  int64_t number_ = 0;
  std::string_view text_;
  bool is_unsigned_ = false;
  bool is_text_ = false;
};
using Args = std::initializer_list<Arg>;

// `text` with each {} replaced by the next argument.
std::string FillIn(std::string_view text, Args args);

}  // namespace verifier
}  // namespace skep

#endif  // SKEP_VERIFIER_FINDINGS_H_
