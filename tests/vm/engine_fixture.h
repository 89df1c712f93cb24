// SPDX-License-Identifier: Apache-2.0
// Programs from text, loaded on any engine, for the tests of this folder.

#ifndef SKEP_TESTS_VM_ENGINE_FIXTURE_H_
#define SKEP_TESTS_VM_ENGINE_FIXTURE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "skep/runtime.h"

#include "vm/test_file.h"

namespace skep::test {

// REQUIRES: the text is a valid test file.
inline Program ProgramFromText(const std::string& text, const std::string& name = "test") {
  auto file = ParseTestFile(text, name + ".ebpf");
  if (!file) ADD_FAILURE() << file.error().message;
  file->program.name = name;
  auto program = Program::Create(file->program);
  if (!program) ADD_FAILURE() << program.error().message;
  return *program;
}

inline skep::LoadOptions Privileged(Engine engine, bool metered = false) {
  skep::LoadOptions options;
  options.engine = engine;
  options.metered = metered;
  options.verify.rights = Rights::kRoot;
  options.verify.log_level = 1;
  return options;
}

class EngineTest : public testing::TestWithParam<Engine> {
 protected:
  EngineTest() : runtime_(*Runtime::Create({})), context_(*runtime_->NewContext()) {}

  std::shared_ptr<Instance> MapsOf(const Program& program) {
    auto instance = runtime_->Instantiate(program.maps());
    if (!instance) ADD_FAILURE() << instance.error().message;
    return *std::move(instance);
  }
  std::shared_ptr<Executable> Load(Instance& instance, const Program& program,
                                   bool metered = false) {
    auto outcome = instance.Load(program, Privileged(GetParam(), metered));
    if (!outcome) {
      ADD_FAILURE() << outcome.error().message;
      return nullptr;
    }
    if (outcome->executable == nullptr) ADD_FAILURE() << outcome->report.log;
    return outcome->executable;
  }

  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<ExecutionContext> context_;
};

inline std::string EngineParamName(const testing::TestParamInfo<Engine>& info) {
  return std::string(EngineName(info.param));
}

}  // namespace skep::test

#endif  // SKEP_TESTS_VM_ENGINE_FIXTURE_H_
