// SPDX-License-Identifier: Apache-2.0
// Which function of a program runs after bpf_throw.
//
// Threads: pure functions over values.

#ifndef SKEP_VERIFIER_EXCEPTIONS_H_
#define SKEP_VERIFIER_EXCEPTIONS_H_

#include <cstdint>
#include <string>

#include "skep/program.h"

#include "verifier/findings.h"

namespace skep::verifier {

struct ExceptionCallback {
  uint32_t subprogram = 0;  // 0: none is named, the default one runs
  // Set if the program names one in a way that Linux refuses.
  FindingCode failed = FindingCode::kNone;
  std::string message;
};

// What the main function's BTF tag "exception_callback:NAME" names.
ExceptionCallback FindExceptionCallback(const Program& program);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_EXCEPTIONS_H_
