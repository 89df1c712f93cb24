// SPDX-License-Identifier: Apache-2.0
// CheckedObserver: watches a run on the checked engine, instruction by
// instruction. The context that a run is made with names it
// (ExecutionExtras::observer).
//
// Threads: called on the thread of the run.

#ifndef SKEP_VM_CHECKED_OBSERVER_H_
#define SKEP_VM_CHECKED_OBSERVER_H_

#include <cstdint>

#include "model/exec_program.h"
#include "vm/checked_memory.h"

namespace skep {

class CheckedObserver {
 public:
  virtual ~CheckedObserver() = default;
  // A run starts. What the pointers refer to lives as long as the run.
  virtual void Start(const model::ExecProgram& program, const CheckedMemory& memory,
                     const ExecutionContext& context) = 0;
  // The instruction at `slot` of the Program comes next; r is r0..r10. A helper
  // that calls back comes again after each round. Returns false to stop the run.
  virtual bool At(uint32_t slot, const uint64_t* r) = 0;
  // The run has returned r[0]. Not called after a trap or a tail call.
  virtual void End(const uint64_t* r) = 0;
  // Another program goes on; it is not watched.
  virtual void TailCalled() = 0;
  // What new frames are filled with: programs must not rely on it.
  virtual uint8_t stack_fill() const = 0;
  // After how many rounds the next may_goto loop is told to end.
  virtual uint32_t MayGotoRounds() = 0;
};

}  // namespace skep

#endif  // SKEP_VM_CHECKED_OBSERVER_H_
