// SPDX-License-Identifier: Apache-2.0
// One program run here and in the kernel over the same inputs, and what differs.

#ifndef SKEP_TOOLS_COMPARE_RUN_H_
#define SKEP_TOOLS_COMPARE_RUN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "skep/engine.h"
#include "skep/program.h"

namespace skep::tools {

struct CompareOptions {
  std::vector<Engine> engines;
  uint32_t random = 4;  // random inputs besides the fixed ones
  uint64_t seed = 1;
};

// What one side has and the other has not.
struct Difference {
  std::string input;
  std::string engine;
  std::string what;  // "retval", "packet", "context", "map NAME[KEY]", "records of NAME"
  std::string here;  // in hex; "-" where there is nothing
  std::string kernel;
};

enum class CompareResult : uint8_t {
  kEqual,
  kDiffer,
  kUnstable,  // the kernel does not agree with itself on anything but packets and contexts
  kNotRun,    // by one of the two, `reason` says by which and why
  kRefused,   // by the verifier of one or both
};

// What a program returned on one input: in the kernel, nothing if that varies.
struct CompareValue {
  std::string input;
  std::optional<uint64_t> kernel;
};

struct Comparison {
  CompareResult result = CompareResult::kNotRun;
  std::string reason;
  std::string kernel_verdict;  // "accept", "reject", "" if it was not asked
  std::string verdict;         // "accept", "reject", "error"
  std::vector<CompareValue> values;
  std::vector<Difference> differences;
  std::set<std::string> unstable;  // what the kernel does not repeat
};

// `stage` is told what begins ("kernel", "jit", ...), so that who watches knows
// where a run that does not come back is.
Comparison CompareProgram(const Object& object, const Program& program,
                          const CompareOptions& options,
                          const std::function<void(const std::string&)>& stage);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_COMPARE_RUN_H_
