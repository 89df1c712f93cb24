// SPDX-License-Identifier: Apache-2.0
// Runs test files on the engines of this build.
//
// Threads: pure but for the runtime it makes.

#ifndef SKEP_VM_TEST_RUNNER_H_
#define SKEP_VM_TEST_RUNNER_H_

#include <span>
#include <string>
#include <vector>

#include "skep/engine.h"
#include "skep/verify.h"

#include "vm/test_file.h"

namespace skep {

enum class TestOutcome : uint8_t { kPass, kFail, kSkip };

struct TestRow {
  std::string engine;  // "verifier" for a verdict
  TestOutcome outcome = TestOutcome::kFail;
  std::string detail;  // empty if passed
};

struct TestRunOptions {
  std::vector<Engine> engines = {Engine::kInterp, Engine::kChecked, Engine::kJit};
  uint64_t budget = 100'000'000;  // instructions a run, so that each test ends
  VerifyOptions verify;
};

// One row for the verdict if the file asks for one, then one for each engine
// if the file says what the run gives. Programs of types other than plain
// memory run only when the verifier accepts them. Plain memory programs run on
// the checked engine first; trusting engines run them when that run ended
// without a trap, which vouches for theirs.
std::vector<TestRow> RunTestFile(const TestFile& file, const TestRunOptions& options);

// r0 of one run on one engine. Fails if the code is no program, the verifier
// rejects it (types other than plain memory) or the run traps.
Result<uint64_t> RunOnce(const TestFile& file, Engine engine, TestRunOptions options);

// The rows of a file that could not be read or parsed.
std::vector<TestRow> FailedTestFile(const Error& error, const TestRunOptions& options);

}  // namespace skep

#endif  // SKEP_VM_TEST_RUNNER_H_
