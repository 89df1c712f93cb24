// SPDX-License-Identifier: Apache-2.0
// Fusion: short runs of instructions that machines do better together. A run
// starts at a given instruction, no jump lands inside it, and what it leaves
// behind equals what its instructions leave one by one, except in registers
// that are dead afterwards.
//
// Threads: pure functions.

#ifndef SKEP_JIT_FUSION_H_
#define SKEP_JIT_FUSION_H_

#include <cstdint>
#include <optional>

#include "jit/masm.h"
#include "jit/program_shape.h"
#include "model/exec_program.h"

namespace skep::jit {

// The instructions of one function, from `at` on.
struct Window {
  const model::ExecInsn* insns;  // of the whole program
  const InsnShape* shapes;
  uint32_t at;
  uint32_t end;  // of the function

  // Instruction `at + n` if control can only come to it from the one before.
  const model::ExecInsn* Next(uint32_t n) const {
    const uint32_t i = at + n;
    return i < end && !shapes[i].Has(kIsTarget) ? &insns[i] : nullptr;
  }
  bool LiveAfter(uint32_t n, Reg reg) const { return (shapes[at + n].live_after & Bit(reg)) != 0; }
};

// `d = s; d += k; d += x` and parts of it: dst = address.
struct AddressRun {
  uint32_t count = 0;  // instructions; 0: no run starts here
  int width = 64;
  Reg dst = 0;
  Address address;
  bool has_move = false;
};
AddressRun MatchAddress(const Window& window);

// A load or store behind an address run, through its dst, which nothing else
// needs: the instruction and the whole address.
struct FoldedAccess {
  const model::ExecInsn* access = nullptr;
  Address address;
};
std::optional<FoldedAccess> FoldIntoAccess(const Window& window, const AddressRun& run);

// `t = x; t >>= w - n; y = x; y <<= n; y |= t` and its variants:
// dst = src rotated left by n.
struct RotateRun {
  uint32_t count = 0;
  int width = 64;
  Reg dst = 0;
  Reg src = 0;
  int left = 0;
};
std::optional<RotateRun> MatchRotate(const Window& window);

// `d = s; d &= 0xff` (0xffff, 0xffffffff): dst = low `bits` of src.
struct ZeroExtendRun {
  uint32_t count = 2;
  Reg dst = 0;
  Reg src = 0;
  int bits = 0;
};
std::optional<ZeroExtendRun> MatchZeroExtend(const Window& window);

// `d = s; d *= k`: dst = src * factor.
struct MultiplyRun {
  uint32_t count = 2;
  int width = 64;
  Reg dst = 0;
  Reg src = 0;
  int32_t factor = 0;
};
std::optional<MultiplyRun> MatchMultiply(const Window& window);

// `d *= 3; d += k` (3, 5, 9).
std::optional<AddressRun> MatchScaledAdd(const Window& window);

}  // namespace skep::jit

#endif  // SKEP_JIT_FUSION_H_
