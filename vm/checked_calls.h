// SPDX-License-Identifier: Apache-2.0
// Helper calls on the checked engine: arguments against the helper's
// specification before the call, what the call gave afterwards.

#ifndef SKEP_VM_CHECKED_CALLS_H_
#define SKEP_VM_CHECKED_CALLS_H_

#include <cstdint>
#include <string>

#include "skep/execution_context.h"
#include "skep/helper.h"

#include "model/exec_program.h"
#include "vm/checked_memory.h"

namespace skep {

// Returns why the call is refused; empty if it may be made. `r` is r0..r10.
std::string CheckHelperCall(const HelperSpec& spec, const uint64_t* r, const CheckedMemory& memory);

// Takes from the program what the call that follows takes from it.
void NoteHelperCall(const HelperSpec& spec, const uint64_t* r, CheckedMemory& memory);

// Records what the program may use from now on. `r` holds r1..r5 as they were
// and the result in r0.
void NoteHelperResult(const HelperSpec& spec, const uint64_t* r, CheckedMemory& memory);

// Discards the ring buffer records that the run still holds.
void ReleaseRecords(const model::ExecProgram& program, CheckedMemory& memory,
                    ExecutionContext& context);

}  // namespace skep

#endif  // SKEP_VM_CHECKED_CALLS_H_
