// SPDX-License-Identifier: Apache-2.0
// Helpers that test programs call, and runs with what a run leaves behind.

#ifndef SKEP_TESTS_JIT_CALL_SUPPORT_H_
#define SKEP_TESTS_JIT_CALL_SUPPORT_H_

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "model/execution_layout.h"
#include "model/fuel.h"
#include "tests/jit/exec_from_text.h"

namespace skep::jit {

using model::ExecutionLayout;

inline uint64_t Digits(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
                       ExecutionContext&) noexcept {
  return ((((r1 * 10 + r2) * 10 + r3) * 10 + r4) * 10 + r5);
}
inline uint64_t CpuOfContext(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                             ExecutionContext& context) noexcept {
  return context.cpu();
}
// Whether the stack is aligned as the machine's calls demand.
inline uint64_t StackAlignment(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                               ExecutionContext&) noexcept {
  return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) % 16;
}
inline uint64_t CallTwice(uint64_t function, uint64_t argument, uint64_t, uint64_t, uint64_t,
                          ExecutionContext& context) noexcept {
  const uint64_t first = context.Call(function, argument, 1, 2, 3, 4);
  if (context.stopped()) return 0;
  return first * 1000 + context.Call(function, argument + 1, 1, 2, 3, 4);
}
inline uint64_t StopTheRun(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                           ExecutionContext& context) noexcept {
  context.Stop(TrapCode::kBadCall, "the helper says so");
  return 77;
}

inline HelperSpec Helper(uint32_t id, HelperFunction function, uint16_t flags = 0) {
  HelperSpec spec;
  spec.id = id;
  spec.name = "helper";
  spec.flags = flags;
  spec.function = function;
  return spec;
}

inline std::vector<HelperSpec> Helpers() {
  return {Helper(kFirstHostHelperId, Digits),
          Helper(kFirstHostHelperId + 1, CpuOfContext),
          Helper(kFirstHostHelperId + 2, StackAlignment),
          Helper(kFirstHostHelperId + 3, CallTwice, kHelperCallsBack),
          Helper(kFirstHostHelperId + 4, StopTheRun, kHelperCallsBack),
          Helper(kFirstHostHelperId + 5, StopTheRun),
          Helper(model::kHelperGetSmpProcessorId, nullptr),
          Helper(model::kHelperMapLookup, nullptr),
          Helper(model::kHelperTailCall, nullptr)};
}

inline std::unique_ptr<TestProgram> Program(std::string_view text) {
  return FromText(text, Helpers());
}

struct Outcome {
  uint64_t r0 = 0;
  TrapCode trap = TrapCode::kNone;
  uint32_t insn = 0;
};

inline Outcome RunOnce(const CompiledCode& code, ExecutionContext& context, uint64_t r1 = 0) {
  ExecutionLayout::call(context) = &CallFunction;
  ExecutionLayout::trap(context) = TrapCode::kNone;
  ExecutionLayout::tail_calls(context) = 0;
  model::StartFuel(context);
  Outcome outcome;
  outcome.r0 = code.entry(r1, 0, &context);
  outcome.trap = ExecutionLayout::trap(context);
  outcome.insn = ExecutionLayout::trap_insn(context);
  return outcome;
}

inline CompiledCode MustCompile(const model::ExecProgram& exec,
                                const CompileOptions& options = {}) {
  auto code = Compile(exec, options);
  EXPECT_TRUE(bool(code)) << code.error().message;
  return *std::move(code);
}

}  // namespace skep::jit

#endif  // SKEP_TESTS_JIT_CALL_SUPPORT_H_
