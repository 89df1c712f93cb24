// SPDX-License-Identifier: Apache-2.0
// ExecutionLayout: how engines and helpers reach the inside of an
// ExecutionContext, and at which offsets machine code finds it.

#ifndef SKEP_MODEL_EXECUTION_LAYOUT_H_
#define SKEP_MODEL_EXECUTION_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "skep/execution_context.h"
#include "skep/map.h"

#include "base/epoch.h"
#include "model/runtime_services.h"

namespace skep {
class CheckedObserver;
}  // namespace skep

namespace skep::model {

struct ExecProgram;
class PacketState;
class SeqBuffer;

inline constexpr uint32_t kMaxTailCalls = 33;
inline constexpr uint32_t kMaxFrames = 8;
inline constexpr uint32_t kFrameBytes = 512;
// A subprogram's tail call keeps the frames of its callers, at most 7 of them
// and (a rule of the verifier) 256 bytes.
inline constexpr uint32_t kMaxNestedFrames = kMaxFrames + kMaxTailCalls * (kMaxFrames - 1);
inline constexpr uint32_t kStackBytes = kMaxFrames * kFrameBytes + kMaxTailCalls * 256;
inline constexpr uint32_t kNestedStackBytes = kMaxNestedFrames * kFrameBytes;

// TrapCode of a run that has thrown and has not reached its main function yet; no
// run ends with it.
inline constexpr TrapCode kThrown{0xff};

// The arguments of a function that a program was called for.
struct CalledFunction {
  const uint64_t* arguments = nullptr;
  size_t count = 0;
  const uint64_t* result = nullptr;  // null: it has not returned
};

// The cold part of an ExecutionContext.
struct ExecutionExtras {
  // Gives the CPU slot back to the runtime.
  std::function<void()> release_cpu;
  ExecutionHooks hooks;
  Invocation invocation;
  const CalledFunction* called = nullptr;  // during Executable::RunCall
  std::string trap_detail;
  std::unique_ptr<std::byte[]> stack;  // kStackBytes, for interpreters
  // kNestedStackBytes, for the checked engine, whose frames are all of full size;
  // made when a program with tail calls first runs on it.
  std::unique_ptr<std::byte[]> nested_stack;
  EpochSlot epoch;                      // entered while a program runs
  CheckedObserver* observer = nullptr;  // watches runs on the checked engine; not owned
  void* machine = nullptr;              // of the engine that runs, for callbacks
  const void* lent_dynptr = nullptr;    // that a helper passes to the callback it runs
  std::vector<Extent> lent;             // memory that a helper passes to the callback it runs
  RuntimeServices* services = nullptr;  // not owned
  HeldResources held;
  // What the run allocated and did not free yet; freed when it is stopped.
  std::vector<std::unique_ptr<uint64_t[]>> owned;
  SeqBuffer* seq = nullptr;             // during RunIterator
  uint64_t thrown = 0;                  // by bpf_throw
  std::unique_ptr<PacketState> packet;  // never null
};

struct ExecutionLayout {
  using C = ExecutionContext;
  // REQUIRES: the slot is the new context's alone until `release_cpu` is called.
  static std::unique_ptr<C> Create(uint32_t cpu, EpochDomain& domain,
                                   std::function<void()> release_cpu);
  static uint64_t& tail_calls(C& c) { return c.tail_calls_; }
  static int64_t& fuel(C& c) { return c.fuel_; }
  static uint64_t& budget_left(C& c) { return c.budget_left_; }
  static TrapCode& trap(C& c) { return c.trap_; }
  static uint32_t& trap_insn(C& c) { return c.trap_insn_; }
  static uint32_t& depth(C& c) { return c.depth_; }
  static std::byte* stack(C& c) { return c.stack_; }
  static void*& program_context(C& c) { return c.program_context_; }
  static auto& call(C& c) { return c.call_; }
  static std::atomic<bool>& interrupted(C& c) { return c.interrupted_; }
  static ExecutionExtras& extras(C& c) { return *c.extras_; }

  // Offsets for machine code.
  static constexpr size_t kTailCalls = 0;
  static constexpr size_t kFuel = 8;
  static constexpr size_t kTrap = 16;
  static constexpr size_t kInterrupted = 17;
  static constexpr size_t kCpu = 20;
  static constexpr size_t kTrapInsn = 24;
  static void CheckOffsets() {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
    static_assert(offsetof(C, tail_calls_) == kTailCalls);
    static_assert(offsetof(C, fuel_) == kFuel);
    static_assert(offsetof(C, trap_) == kTrap);
    static_assert(offsetof(C, interrupted_) == kInterrupted);
    static_assert(offsetof(C, cpu_) == kCpu);
    static_assert(offsetof(C, trap_insn_) == kTrapInsn);
#pragma GCC diagnostic pop
  }
};

// What was thrown; the run goes on. REQUIRES: the trap is kThrown.
inline uint64_t TakeThrown(ExecutionContext& context) noexcept {
  ExecutionLayout::trap(context) = TrapCode::kNone;
  return ExecutionLayout::extras(context).thrown;
}

}  // namespace skep::model

#endif  // SKEP_MODEL_EXECUTION_LAYOUT_H_
