// SPDX-License-Identifier: Apache-2.0
// ExecPrograms for tests of the compiler, from assembled text or instructions,
// without a verifier: the test vouches for its program.

#ifndef SKEP_TESTS_JIT_EXEC_FROM_TEXT_H_
#define SKEP_TESTS_JIT_EXEC_FROM_TEXT_H_

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "skep/execution_context.h"

#include "base/epoch.h"
#include "jit/compile.h"
#include "model/exec_program.h"

namespace skep::jit {

// A program with the helpers it may call.
struct TestProgram {
  std::vector<HelperSpec> specs;
  std::vector<model::HelperEntry> table;
  model::ExecProgram exec;
};

// `helpers` may be called by their ids. Each function has 512 bytes of stack,
// as far as it uses r10. Aborts on text that does not assemble or decode.
std::unique_ptr<TestProgram> FromText(std::string_view text, std::vector<HelperSpec> helpers = {});
std::unique_ptr<TestProgram> FromInsns(std::span<const Insn> insns,
                                       std::vector<HelperSpec> helpers = {});

// An execution context without a runtime.
class TestContext {
 public:
  explicit TestContext(uint32_t cpu = 0);
  ~TestContext();
  ExecutionContext& operator*() { return *context_; }

 private:
  std::unique_ptr<EpochDomain> domain_;
  std::unique_ptr<ExecutionContext> context_;
};

// Compiles and runs; aborts if it does not compile.
uint64_t CompileAndRun(const model::ExecProgram& exec, const CompileOptions& options = {},
                       uint64_t r1 = 0, uint64_t r2 = 0);

}  // namespace skep::jit

#endif  // SKEP_TESTS_JIT_EXEC_FROM_TEXT_H_
