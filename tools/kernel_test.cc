// SPDX-License-Identifier: Apache-2.0
#include "tools/kernel_test.h"

#include <string>
#include <utility>
#include <vector>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "tools/kernel_run.h"

namespace skep::tools {
namespace {

TestRow Row(TestOutcome outcome, std::string detail) {
  return {"kernel", outcome, std::move(detail)};
}

TestRow CompareVerdict(const TestFile& file, const BackendVerdict& verdict) {
  const bool rejects = file.verdict == Expectation::kReject || file.expect_error;
  if (verdict.accepted != rejects) return Row(TestOutcome::kPass, {});
  return Row(TestOutcome::kFail,
             rejects ? "accepted, expected a reject" : "rejected: " + verdict.message);
}

// Fails where the kernel cannot be asked.
Result<TestRow> Ask(const TestFile& file, const Program& program) {
  std::vector<ObjectProgram> programs;
  programs.push_back({.name = program.name(), .section = {}, .program = program});
  const Object object = Object::FromPrograms(file.name, std::move(programs),
                                             {program.maps().begin(), program.maps().end()});
  SKEP_TRY(auto instance, InstantiateOnKernel(object));
  SKEP_TRY(auto load, instance->Load(program, {}));
  if (load.program == nullptr || !file.result) return CompareVerdict(file, load.verdict);
  BackendInput input;
  const std::vector<std::byte> memory = file.memory.value_or(std::vector<std::byte>(64));
  if (TakesPackets(program.type())) {
    input.packet = memory;
  } else {
    input.context = memory;
  }
  SKEP_TRY(const auto output, load.program->Run(input));
  const uint64_t expected = *file.result & 0xffffffff;  // all that the kernel tells
  if (output.value == expected) return Row(TestOutcome::kPass, {});
  return Row(TestOutcome::kFail,
             fmt::format("r0 is {:#x}, expected {:#x}", output.value, expected));
}

}  // namespace

TestRow RunTestFileOnKernel(const TestFile& file) {
  if (file.program.type == ProgramTypeId::kMemory) {
    return Row(TestOutcome::kSkip, "plain memory programs are no program type of Linux");
  }
  if (file.unprivileged) return Row(TestOutcome::kSkip, "unprivileged rules");
  if (!file.load_error.empty()) return Row(TestOutcome::kSkip, file.load_error);
  const auto program = Program::Create(file.program);
  if (!program) return Row(TestOutcome::kSkip, program.error().message);
  auto row = Ask(file, *program);
  return row ? *std::move(row) : Row(TestOutcome::kSkip, row.error().message);
}

}  // namespace skep::tools
