// SPDX-License-Identifier: Apache-2.0
// TailTarget: what a slot of a prog array holds: one prepared program, in the
// form that each engine jumps to. Owned by shared_ptr; slots point to it and
// the epoch domain frees it when no run can hold it any more.

#ifndef SKEP_MODEL_TAIL_TARGET_H_
#define SKEP_MODEL_TAIL_TARGET_H_

#include <cstdint>
#include <memory>

#include "skep/program_type.h"

namespace skep::model {

struct ExecProgram;

// Programs in one prog array must run on one engine (Linux: the array's owner
// says whether its programs are JIT-compiled).
enum class EngineFamily : uint8_t { kInterpreter, kChecked, kMachineCode };

// A prog array takes only programs like its first one; what must be equal.
struct TailOwner {
  ProgramTypeId type = ProgramTypeId::kUnspec;
  uint32_t expected_attach_type = 0;
  EngineFamily engine = EngineFamily::kInterpreter;
  bool xdp_has_frags = false;
  bool operator==(const TailOwner&) const = default;
};

struct TailTarget {
  // First: machine code loads it through the slot. Null for interpreters.
  // Entered with r1 = context, after the caller has left its own frame, as the port says.
  const void* machine_entry = nullptr;
  const ExecProgram* program = nullptr;
  const void* decoded = nullptr;  // the interpreter's own form
  uint32_t program_id = 0;        // what the host reads back from the slot
  TailOwner owner;
  std::shared_ptr<const void> keep_alive;  // the Executable
};

}  // namespace skep::model

#endif  // SKEP_MODEL_TAIL_TARGET_H_
