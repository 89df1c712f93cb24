// SPDX-License-Identifier: Apache-2.0
// Programs of tests/data/run on any engine, with a host beside them.

#ifndef SKEP_TESTS_VM_OBJECTS_OF_PROGRAMS_H_
#define SKEP_TESTS_VM_OBJECTS_OF_PROGRAMS_H_

#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "skep/btf.h"
#include "skep/runtime.h"

#include "tests/vm/engine_fixture.h"

namespace skep::test {

// An object of the folder; skips the test if it was not built.
#define SKEP_OPEN_OR_SKIP(object, name)                                                          \
  const std::string object##_path =                                                              \
      std::string(SKEP_BINARY_DIR) + "/tests/data/run/" + (name) + ".bpf.o";                     \
  if (!std::filesystem::exists(object##_path)) GTEST_SKIP() << object##_path << " is not built"; \
  Object object = test::OpenRunObject(object##_path)

inline Object OpenRunObject(const std::string& path) {
  ObjectOptions options;
  if (std::filesystem::exists(kKernelBtfPath)) options.target_btf = *OpenBtf(kKernelBtfPath);
  auto object = Object::Open(path, options);
  if (!object) ADD_FAILURE() << object.error().message;
  return *std::move(object);
}

class RunObjectTest : public EngineTest {
 protected:
  std::shared_ptr<Executable> LoadNamed(Instance& instance, const std::string& name,
                                        bool metered = false) {
    auto outcome = instance.Load(name, Privileged(GetParam(), metered));
    if (!outcome) {
      ADD_FAILURE() << outcome.error().message;
      return nullptr;
    }
    if (outcome->executable == nullptr) ADD_FAILURE() << outcome->report.log;
    return outcome->executable;
  }
  RunResult RunOn(const Executable& executable, ExecutionContext& context) {
    std::vector<std::byte> packet(64);
    return executable.RunPacket(context, {.data = packet});
  }
  // The result of an XDP program, as a signed number.
  int Run(const std::shared_ptr<Executable>& executable) {
    const RunResult result = RunOn(*executable, *context_);
    EXPECT_EQ(result.trap, TrapCode::kNone) << context_->trap_detail();
    return static_cast<int>(result.value);
  }

  // The bytes at `offset` of the section's only value.
  template <class T>
  static T Global(Instance& instance, const std::string& section, size_t offset) {
    const auto map = instance.FindMap(section);
    const uint32_t zero = 0;
    std::vector<std::byte> value(map->host_value_size());
    EXPECT_EQ(map->HostLookup(reinterpret_cast<const std::byte*>(&zero), value.data()), 0);
    T out{};
    std::memcpy(&out, value.data() + offset, sizeof out);
    return out;
  }

  // Waits up to two seconds until it is true.
  template <class Condition>
  static bool Eventually(Condition condition) {
    for (int i = 0; i < 2000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return condition();
  }
};

}  // namespace skep::test

#endif  // SKEP_TESTS_VM_OBJECTS_OF_PROGRAMS_H_
