// SPDX-License-Identifier: Apache-2.0
// ExecutionContext: all mutable state of one run (stack, tail-call count,
// budget, CPU slot, random state, hooks). Make one for each thread and use it
// for any number of runs, of any programs of the same runtime.
//
// Threads: one run at a time; Interrupt() alone may come from another thread.
// Lifetime: must not outlive the Runtime it was made from.

#ifndef SKEP_EXECUTION_CONTEXT_H_
#define SKEP_EXECUTION_CONTEXT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "skep/execution_hooks.h"
#include "skep/export.h"
#include "skep/result.h"

namespace skep {

namespace model {
struct ExecutionLayout;
struct ExecutionExtras;
}  // namespace model

// Why a run stopped before its program returned.
enum class TrapCode : uint8_t {
  kNone = 0,
  kBudget,         // the instruction budget ran out
  kInterrupted,    // Interrupt() was called
  kBadAccess,      // checked engines: memory outside what the program may touch
  kMisaligned,     // checked engines: a misaligned atomic
  kBadCall,        // checked engines: a helper argument or a call that the rules forbid
  kCallDepth,      // more than 8 frames
  kStackOverflow,  // checked engines: more stack than the frame has
  kBadInsn,        // checked engines: an instruction that does not execute
};
SKEP_EXPORT std::string_view TrapName(TrapCode code);

// r0, or the reason why there is none.
struct RunResult {
  uint64_t value = 0;  // r0; 0 when trapped
  TrapCode trap = TrapCode::kNone;
  uint32_t insn = 0;  // slot in Program::insns() where it trapped
  bool ok() const { return trap == TrapCode::kNone; }
};

class SKEP_EXPORT ExecutionContext {
 public:
  ~ExecutionContext();
  ExecutionContext(const ExecutionContext&) = delete;
  ExecutionContext& operator=(const ExecutionContext&) = delete;

  // The CPU that programs see; below the runtime's cpu_slots.
  uint32_t cpu() const { return cpu_; }

  // Instructions that the next runs may execute, each run anew; counted at
  // backward jumps and calls, so a run ends at most one loop body later.
  // 0 (the default): no limit.
  void set_budget(uint64_t instructions) { budget_ = instructions; }
  uint64_t budget() const { return budget_; }
  // Stops the current run, if its engine is metered, with kInterrupted; any thread.
  void Interrupt() { interrupted_.store(true, std::memory_order_relaxed); }

  void set_hooks(ExecutionHooks hooks);
  const ExecutionHooks& hooks() const;
  // What helpers tell of how programs are called, and what they leave behind.
  Invocation& invocation();
  // Makes get_prandom_u32 repeatable.
  void set_seed(uint64_t seed);

  // What stopped the last run, in words ("read of 4 bytes at 0x10 ..."); empty
  // if it was not stopped.
  const std::string& trap_detail() const;

  // ---- for helpers --------------------------------------------------------
  uint32_t NextRandom() noexcept;
  // Calls a subprogram that the program passed to a helper. Returns its r0.
  // After it, a helper must return at once if stopped().
  uint64_t Call(uint64_t function, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4,
                uint64_t r5) noexcept {
    return call_(*this, function, r1, r2, r3, r4, r5);
  }
  bool stopped() const { return trap_ != TrapCode::kNone; }
  // Marks the run as stopped; it ends when the helper returns.
  void Stop(TrapCode code, std::string detail) noexcept;
  // The run's context (the host structure of the program's type).
  void* program_context() const { return program_context_; }

 private:
  friend struct model::ExecutionLayout;  // engines: offsets and access
  ExecutionContext();

  // The order is the layout that machine code uses; see model/execution_layout.h.
  uint64_t tail_calls_ = 0;  // made in this run, at most 33
  int64_t fuel_ = 0;         // left in this run
  TrapCode trap_ = TrapCode::kNone;
  std::atomic<bool> interrupted_{false};
  uint32_t cpu_ = 0;
  uint32_t trap_insn_ = 0;
  uint32_t depth_ = 0;  // frames in use (interpreters)
  void* program_context_ = nullptr;
  std::byte* stack_ = nullptr;  // lowest byte of the interpreters' stack
  uint64_t (*call_)(ExecutionContext&, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                    uint64_t) noexcept = nullptr;
  uint64_t random_[4] = {};
  uint64_t budget_ = 0;
  uint64_t budget_left_ = 0;                        // not yet handed out as fuel
  std::unique_ptr<model::ExecutionExtras> extras_;  // cold: hooks, stack memory, epoch slot, text
};

}  // namespace skep

#endif  // SKEP_EXECUTION_CONTEXT_H_
