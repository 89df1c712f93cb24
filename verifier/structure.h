// SPDX-License-Identifier: Apache-2.0
// What can be said about a program before any path is followed: every
// instruction decodes, jumps stay inside their function, every instruction is
// reachable; where functions start; where exploration compares states; which
// registers are live.
//
// Threads: pure functions over values.

#ifndef SKEP_VERIFIER_STRUCTURE_H_
#define SKEP_VERIFIER_STRUCTURE_H_

#include <cstdint>
#include <memory_resource>
#include <string>
#include <vector>

#include "skep/program.h"
#include "skep/verify.h"

#include "isa/decode.h"
#include "verifier/findings.h"
#include "verifier/kfuncs.h"

namespace skep::verifier {

inline constexpr uint32_t kMaxUnprivilegedInsns = 4096;

// One instruction slot.
struct InsnInfo {
  DecodedInsn insn;          // op is kInvalid in the second slot of a wide load
  uint16_t live_before = 0;  // registers that are read later; bit 10 unused
  uint16_t subprogram = 0;
  uint32_t loop = 0;   // the strongly connected component, if it is a loop; 0 for none
  uint16_t kfunc = 0;  // the known kernel function that it calls: Structure::kfuncs; 0 for none
  uint8_t kfunc_arguments = 5;             // how many registers that reads
  bool prune_point : 1 = false;            // states are compared here
  bool jump_point : 1 = false;             // may follow another than the slot before it
  bool checkpoint : 1 = false;             // a state is always kept here
  bool calls_back : 1 = false;             // a helper that calls a subprogram at once
  bool only_callback_repeats : 1 = false;  // and no jump leads back to it
  // An iterator's next call; a prune point, jump point and checkpoint too. Its
  // loop ends by comparison (Verifier::ForkIteration).
  bool iterator_next : 1 = false;
};
static_assert(sizeof(InsnInfo) <= 40);

struct SubprogramInfo {
  uint32_t start = 0;
  uint32_t end = 0;
  bool is_global = false;
  bool has_tail_call = false;
  bool has_ld_abs = false;
  bool changes_packet = false;   // it, or what it calls, moves packet data
  bool calls_tail_call = false;  // it, or what it calls, makes tail calls
  bool might_sleep = false;      // it, or what it calls, calls what may sleep
  bool is_callback = false;
  bool is_async_callback = false;  // run later, on a stack of its own
  bool called = false;             // a global function that a verified path calls
  bool verified = false;           // its own paths were followed
  uint32_t stack_depth = 0;        // bytes, found while exploring
};

struct Structure {
  explicit Structure(std::pmr::memory_resource& memory) : insns(&memory) {}

  std::pmr::vector<InsnInfo> insns;
  std::vector<const KfuncSpec*> kfuncs{nullptr};
  std::vector<SubprogramInfo> subprograms;
  uint32_t exception_callback = 0;  // the subprogram that runs after bpf_throw; 0: the default

  // Set if the program is refused.
  FindingCode failed = FindingCode::kNone;
  uint32_t failed_at = 0;
  std::string message;

  // The subprogram that starts at `slot`, or -1.
  int SubprogramAt(int64_t slot) const;
  // Null if the instruction calls no known kernel function.
  const KfuncSpec* KfuncOf(size_t insn) const { return kfuncs[insns[insn].kfunc]; }
};

// Examines `program`. `helpers` tells which calls change packet data or call back.
// The tables are made of `memory`.
Structure Examine(const Program& program, const Environment& environment,
                  const VerifyOptions& options, std::pmr::memory_resource& memory);

// Some helper with this id, whatever program class it is for; null if there is
// none. All prototypes of one id have the same flags and argument registers.
const HelperSpec* FindAnyHelper(const Environment& environment, uint32_t id);

// Fills InsnInfo::live_before (liveness.cc).
//
// Sound because: a register is left out only if every path from the instruction
// writes it before it reads it, over all edges of the control flow graph.
void ComputeLiveRegisters(Structure& structure, const Environment& environment);

// Fills InsnInfo::loop (loops.cc): the strongly connected components of the code
// with more than one instruction or a way back to itself, callbacks included.
void FindLoops(Structure& structure);

}  // namespace skep::verifier

#endif  // SKEP_VERIFIER_STRUCTURE_H_
