// SPDX-License-Identifier: Apache-2.0
// ExecProgram: a program as engines run it. Made by Lower (from a
// VerifiedProgram) or LowerUnverified, immutable afterwards.
//
// Against the Program it came from:
//   - one ExecInsn per logical instruction (a two-slot load is one), jumps and
//     local calls hold the index of their target;
//   - a helper call's imm is the byte offset of its HelperEntry from call_base;
//   - map references are addresses: a Map*, or the address of value bytes;
//   - the value of a function (kLdFunc) is what the engine's ExecutionContext::Call
//     takes; the instruction holds the index where the function starts;
//   - kAddrSpaceCast makes the pointer that user space sees out of the low half of
//     src; wide() is the upper half of such pointers;
//   - a call of a kernel function is a helper call;
//   - context accesses of verified programs address the host's structure.
// Unverified programs (verified == false) keep the program's own context
// offsets; only the checked engines may run them.

#ifndef SKEP_MODEL_EXEC_PROGRAM_H_
#define SKEP_MODEL_EXEC_PROGRAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "skep/map.h"
#include "skep/program.h"
#include "skep/program_type.h"

#include "isa/op.h"
#include "model/arena_view.h"
#include "model/facts.h"
#include "model/helper_entry.h"
#include "model/program_handle.h"
#include "model/value_type.h"

namespace skep::btf {
class Btf;
}

namespace skep::model {

struct ExecProgram;

struct ExecInsn {
  Op op{};
  uint8_t dst = 0;
  uint8_t src = 0;
  uint8_t in_arena = 0;  // 1: a memory access, at the low half of the address in the arena
  int16_t off = 0;       // memory accesses
  uint16_t reserved2 = 0;
  int32_t imm = 0;  // two-slot load: low half
  // Jump, local call, bpf_loop with a known callback: index of the target; two-slot
  // load: high half.
  uint32_t target = 0;

  uint64_t wide() const { return (uint64_t{target} << 32) | static_cast<uint32_t>(imm); }
  void set_wide(uint64_t v) {
    imm = static_cast<int32_t>(static_cast<uint32_t>(v));
    target = static_cast<uint32_t>(v >> 32);
  }
};
static_assert(sizeof(ExecInsn) == 16);

struct ExecSubprogram {
  std::string name;
  uint32_t start = 0;  // index of the first ExecInsn
  uint32_t end = 0;
  // Bytes below r10 that it may use: what was proved, or 512 for unverified code.
  uint32_t stack_depth = 0;
  bool tail_call_reachable = false;
};

// What Linux's verifier fills in for a call of a kernel function: the function
// gets its address in the register that KfuncSpec::InfoRegister says.
struct KfuncCallInfo {
  const ExecProgram* program = nullptr;
  // The program's own types; null if it has none.
  std::shared_ptr<const btf::Btf> btf;
  // In `btf`: the struct that the call makes, takes or gives back. 0 if none or
  // not the same on all paths.
  uint32_t object_type = 0;
  // What it is made of; null if object_type is 0.
  std::shared_ptr<const ValueType> type;
};

struct ExecProgram {
  std::string name;
  ProgramTypeId type = ProgramTypeId::kUnspec;
  const ProgramType* program_type = nullptr;  // of the environment
  bool verified = false;

  std::vector<ExecInsn> insns;
  std::vector<uint32_t> origin;  // slot in Program::insns(), for each ExecInsn
  std::vector<ExecSubprogram> subprograms;
  // What was proved, for each ExecInsn; empty if not verified. `map` indexes
  // `maps`.
  std::vector<InsnFact> facts;
  // Same indexes as Program::maps(). Keeps them alive.
  std::vector<std::shared_ptr<Map>> maps;

  // How the program names itself to what calls its functions later.
  std::unique_ptr<ProgramHandle> handle;
  // One for each call of a kernel function that gets one; they do not move.
  std::vector<std::unique_ptr<const KfuncCallInfo>> kfunc_calls;

  // The function that runs after bpf_throw: the index of its first instruction; 0
  // for none, then what was thrown is the result.
  uint32_t exception_callback = 0;

  // Plain-byte contexts must have at least this many bytes.
  uint32_t context_bytes = 0;

  const HelperEntry* call_base = nullptr;
  uint32_t helper_count = 0;
  // Of the one arena that the program uses, which `maps` keeps alive; null if none.
  const ArenaView* arena = nullptr;

  // What a program holds on the checked engine to name its function that starts
  // at `index`, for a helper to call: no address, nor 0.
  static constexpr uint64_t FunctionValue(uint32_t index) { return (uint64_t{0xfc} << 48) | index; }

  const HelperEntry& HelperAt(const ExecInsn& call) const {
    return call_base[static_cast<uint32_t>(call.imm) / sizeof(HelperEntry)];
  }
};

}  // namespace skep::model

#endif  // SKEP_MODEL_EXEC_PROGRAM_H_
