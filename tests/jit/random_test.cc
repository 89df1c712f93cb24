// SPDX-License-Identifier: Apache-2.0
// Random programs: machine code in all its variants and the interpreter agree
// on the result and on every byte of memory. SKEP_JIT_PROGRAMS sets how many
// (and so how many seeds).
#include <array>
#include <cstdlib>

#include <gtest/gtest.h>

#include "model/execution_layout.h"
#include "model/fuel.h"
#include "tests/jit/exec_from_text.h"
#include "tests/jit/random_program.h"
#include "vm/interpreter.h"

namespace skep::jit {
namespace {

using Memory = std::array<uint64_t, kRandomMemory / 8>;

Memory Start(uint64_t seed) {
  Memory memory;
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = (seed + i) * 0x9e3779b97f4a7c15;
  return memory;
}

uint64_t Address(Memory& memory) { return reinterpret_cast<uintptr_t>(memory.data()); }

TEST(RandomPrograms, GiveTheInterpretersResultsAsMachineCode) {
  const char* asked = std::getenv("SKEP_JIT_PROGRAMS");
  const uint64_t count = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 3000;
  constexpr CompileOptions kVariants[] = {
      {.optimized = false, .metered = false, .cpu = Cpu::kHost},
      {.optimized = false, .metered = false, .cpu = Cpu::kPortable},
      {.optimized = false, .metered = true, .cpu = Cpu::kHost},
      {.optimized = true, .metered = false, .cpu = Cpu::kHost},
      {.optimized = true, .metered = false, .cpu = Cpu::kPortable},
      {.optimized = true, .metered = true, .cpu = Cpu::kHost}};
  TestContext context;
  for (uint64_t seed = 0; seed < count; ++seed) {
    const auto exec = std::make_shared<const model::ExecProgram>(
        RandomProgram(seed, 10 + static_cast<int>(seed * 7 % 250)));
    auto threaded = Thread(exec);
    ASSERT_TRUE(bool(threaded)) << threaded.error().message;
    Memory expected_memory = Start(seed);
    model::StartFuel(*context);
    const uint64_t expected = Interpret(**threaded, *context, Address(expected_memory), 0);
    ASSERT_FALSE((*context).stopped());
    for (const CompileOptions& options : kVariants) {
      auto code = Compile(*exec, options);
      ASSERT_TRUE(bool(code)) << code.error().message;
      Memory memory = Start(seed);
      model::StartFuel(*context);
      ASSERT_EQ(code->entry(Address(memory), 0, &*context), expected)
          << "seed " << seed << (options.optimized ? ", optimized" : "");
      ASSERT_EQ(memory, expected_memory) << "seed " << seed;
      ASSERT_FALSE((*context).stopped());
    }
  }
}

}  // namespace
}  // namespace skep::jit
