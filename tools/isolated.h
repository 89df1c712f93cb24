// SPDX-License-Identifier: Apache-2.0
// Work in a process of its own, with a time limit: what it works on may end it.

#ifndef SKEP_TOOLS_ISOLATED_H_
#define SKEP_TOOLS_ISOLATED_H_

#include <functional>
#include <string>

#include "skep/result.h"

namespace skep::tools {

struct IsolatedOutcome {
  std::string result;  // what the work returned; empty if it did not come back
  std::string stage;   // the last that it named
  // Why there is no result, as the end of a sentence ("ended by signal 11"); else empty.
  std::string ended;
};

using Stage = std::function<void(const std::string&)>;

// Runs `work` in a child process, stopped after `seconds`. Its result is taken
// over whole or not at all. Fails with kSystem if there can be no child.
// REQUIRES: no other thread runs in this process.
Result<IsolatedOutcome> RunIsolated(const std::function<std::string(const Stage&)>& work,
                                    uint32_t seconds);

}  // namespace skep::tools

#endif  // SKEP_TOOLS_ISOLATED_H_
