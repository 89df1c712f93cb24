// SPDX-License-Identifier: Apache-2.0
// Two verifier logs of one program (level 2): where do they part?
//
// Threads: pure functions.

#ifndef SKEP_TOOLS_LOG_COMPARE_H_
#define SKEP_TOOLS_LOG_COMPARE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skep::tools {

struct LogDifference {
  size_t step = 0;    // instructions that both walked alike before
  uint32_t insn = 0;  // the instruction of that step in the first log
  std::string what;   // "path", "end", or a register or stack slot: "R1", "fp-8"
  std::string first;  // what each log says about it
  std::string second;
};

// The first step at which the logs walk another way or know something else of
// a register or stack slot that both print. Ids, precision marks and addresses
// are not compared, since they are names only. None if there is no such step.
std::optional<LogDifference> CompareLogs(std::string_view first, std::string_view second);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_LOG_COMPARE_H_
