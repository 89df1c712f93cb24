// SPDX-License-Identifier: Apache-2.0
// Select: from the steps of a block to operations for a port, with what other
// machines than eBPF's have: addresses of three parts, three operands, rotations.
//
// It walks forward and puts off what is cheap: constants, sums, copies and shifts
// stay expressions over what machine registers hold, and become operations only
// where they are needed as they are. What becomes part of an address, of a
// rotation or of an immediate never does.
//
// Correct because of two rules. (1) An expression that is put off names registers
// that hold, until it is used, what they held when it was made: before an operation
// changes a register, all expressions that name it and are still needed are
// computed. (2) An expression names no register whose own value is put off, unless
// that value names nothing but that register (r6 = r6 + 8); and no expression names
// the register that it is the value of together with another one. So computing one
// never needs another one first in a circle, nor changes what a third one names.
//
// Threads: pure functions.

#ifndef SKEP_JIT_OPT_SELECT_H_
#define SKEP_JIT_OPT_SELECT_H_

#include <cstdint>
#include <vector>

#include "jit/opt/form.h"

namespace skep::jit::opt {

enum class Do : uint8_t {
  kConstant,  // dst = value
  kMove,      // dst = a, of `width` bits
  kAlu,       // dst = a `kind` b
  kUnary,     // dst = `kind`(a): sign-extending moves
  kMultiply,  // dst = a * b.imm
  kRotate,    // dst = a rotated left by b.imm
  kAddress,   // dst = address
  kLoad,      // dst = *address
  kStore,     // *address = b
  kAluLoad,   // dst = dst `kind` *address
  kSelect,    // if a `kind` b, then dst = source
  kStep,      // the step as the baseline compiler does it
};

struct Operation {
  Do what{};
  OpKind kind{};
  uint8_t width = 64;
  bool sign = false;
  Reg dst = kNoReg;
  Reg a = kNoReg;
  Reg source = kNoReg;
  Operand b;
  Address address{kNoReg, kNoReg, 0, 0};
  uint64_t value = 0;
  uint32_t step = 0;  // kStep: index in the block's steps
  uint32_t at = 0;    // instruction
  RegSet live = 0;    // machine registers that are needed afterwards
};

struct Selected {
  std::vector<Operation> operations;
  // The condition of the block's end, kBranch; of kSwitch: a.
  OpKind kind{};
  int width = 64;
  Reg a = kNoReg;
  Operand b;
};

// REQUIRES: liveness is known.
Selected Select(const model::ExecProgram& exec, const Block& block);

// What an operation reads and writes, by machine register.
Effect EffectOf(const model::ExecProgram& exec, const Block& block, const Operation& operation);

}  // namespace skep::jit::opt

#endif  // SKEP_JIT_OPT_SELECT_H_
