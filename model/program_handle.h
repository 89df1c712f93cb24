// SPDX-License-Identifier: Apache-2.0
// ProgramHandle: how a program that runs names itself to a helper that will call
// one of its functions later, and how that call is made.
//
// Threads: set once before the program runs, then read by any.

#ifndef SKEP_MODEL_PROGRAM_HANDLE_H_
#define SKEP_MODEL_PROGRAM_HANDLE_H_

#include <cstdint>
#include <memory>

namespace skep {
class Executable;
class ExecutionContext;
}  // namespace skep

namespace skep::model {

struct ProgramHandle {
  // Runs the function as a run of its own: r1, r2 and r3 are given. What trapped
  // it, if anything did, is in the context.
  using CallLater = void (*)(const Executable& program, ExecutionContext& context,
                             uint64_t function, uint64_t r1, uint64_t r2, uint64_t r3) noexcept;

  std::weak_ptr<const Executable> program;
  CallLater call = nullptr;
};

}  // namespace skep::model

#endif  // SKEP_MODEL_PROGRAM_HANDLE_H_
