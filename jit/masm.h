// SPDX-License-Identifier: Apache-2.0
// MacroAssembler: what Compiler asks of a machine, in terms of eBPF registers.
//
// A port is one class with these functions, in a folder of its own (jit/x64/);
// every port has the same functions in the same order. Nothing outside a port
// names a machine register or a machine instruction.
//
// Rules for all ports:
//   - r0 .. r9 have fixed machine registers. r10 may be an expression of the
//     stack pointer; it is read-only.
//   - A function emits code that changes only its destination, the port's
//     temporaries and the condition flags. What it changes beyond that, its
//     comment says ("Clobbers:").
//   - `live` is the set of eBPF registers whose values are needed after the
//     instruction (bit n for rn): others need not be preserved.

#ifndef SKEP_JIT_MASM_H_
#define SKEP_JIT_MASM_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "skep/helper.h"
#include "skep/result.h"

#include "isa/op.h"
#include "jit/compile.h"
#include "model/arena_view.h"

namespace skep {
class Map;
}

namespace skep::jit {

using Reg = uint8_t;  // eBPF register, 0 .. 10
inline constexpr Reg kNoReg = 0xff;
// Registers of the port that no eBPF register has, numbered from here on, for
// optimised code. They are among those that functions of the port clobber.
inline constexpr Reg kFirstTemporary = 11;
inline constexpr int kTemporaryCount = 3;

using RegSet = uint16_t;
constexpr RegSet Bit(Reg reg) { return static_cast<RegSet>(1u << reg); }
inline constexpr RegSet kAllRegs = 0x3ff;  // r0 .. r9

// A second operand: a register, or an immediate that stands for its
// sign-extension to 64 bits.
struct Operand {
  Reg reg = kNoReg;
  int32_t imm = 0;

  bool operator==(const Operand&) const = default;

  static Operand Of(Reg reg) { return {reg, 0}; }
  static Operand Imm(int32_t imm) { return {kNoReg, imm}; }
  bool is_reg() const { return reg != kNoReg; }
};

// base + (index << shift) + disp. If either is r10, it is base.
struct Address {
  Reg base = 0;
  Reg index = kNoReg;
  uint8_t shift = 0;
  int32_t disp = 0;
};
// |disp| stays below this, so that ports can add a frame's size.
inline constexpr int64_t kMaxDisp = int64_t{1} << 30;

// A place in the code, by the port's own numbering.
using Label = uint32_t;

struct JumpTo {
  Label label = 0;
  bool near = false;  // less than kNearBytes away, forward
};

// What a function needs of its frame.
struct Frame {
  RegSet saved = 0;            // r6 .. r9 that it changes
  bool is_main = false;        // entered from the host or by a tail call
  bool keeps_context = false;  // main: something in the program needs the context
  bool calls = false;          // calls helpers or functions
  uint32_t stack_bytes = 0;    // below r10; 0 if r10 is not used
  // Main, some function throws: what is thrown ends here, as the result of the
  // exception callback or as the result itself.
  bool catches = false;
  std::optional<Label> exception_callback{};
  // Metered programs that jump back or call: ports keep the fuel in a register.
  bool counts_fuel = false;
  // Functions of the program make tail calls, whose targets count on their own:
  // the context's fuel is right whenever a function returns.
  bool shares_fuel = false;
};

// A division or remainder.
struct Division {
  OpKind kind{};
  int width = 0;
  Reg dst = 0;
  Operand divisor;
  bool nonzero = false;  // fact: nonzero_divisor
  RegSet live = kAllRegs;
};

// An array lookup: r0 = address of the value whose u32 index r2 points to.
struct ArrayLookup {
  const std::byte* base = nullptr;
  uint64_t stride = 0;
  uint64_t cpu_stride = 0;
  uint32_t max_entries = 0;
  bool in_range = false;  // fact: lookup_not_null
};

// If a `kind` b on `width` bits: what branches ask.
struct Condition {
  OpKind kind{};
  int width = 64;
  Reg a = 0;
  Operand b;

  bool operator==(const Condition&) const = default;
};

// A tail call: r1 the program's context, r2 the map, r3 the index.
struct TailCall {
  const std::byte* slots = nullptr;  // null: the map is known at run time only
  uint32_t max_entries = 0;
  std::optional<uint32_t> constant_index;  // fact: constant_index
};

// Everything that a port must have, in the order of its header.
template <class M>
concept MacroAssembler = requires(M m, const M& c, Frame frame, Label label, JumpTo jump, Reg reg,
                                  OpKind kind, int width, Operand operand, Address address,
                                  Division division, ArrayLookup lookup,
                                  const model::ArenaView& arena, TailCall tail, RegSet live,
                                  Condition condition, std::span<const Label> table, uint32_t insn,
                                  HelperFunction helper) {
  // Program and places. MaxBytes: an upper bound for the code of one instruction
  // (its operation, whether it names r10, whether code is metered).
  { M::kNearBytes } -> std::convertible_to<uint32_t>;
  { M::kLoopAlignment } -> std::convertible_to<uint32_t>;
  { M::kMaxArenaBytes } -> std::convertible_to<uint32_t>;
  { M::MaxBytes(Op{}, bool{}, bool{}) } -> std::same_as<uint32_t>;
  { c.offset() } -> std::same_as<uint32_t>;
  { m.NewLabel() } -> std::same_as<Label>;
  m.Bind(label);
  m.AlignLoop();
  m.Reserve(size_t{});
  { m.Finish() } -> std::same_as<Result<CodeMemory>>;
  { m.tail_offset() } -> std::same_as<uint32_t>;
  { m.TakeText() } -> std::same_as<std::string>;
  // Frames.
  m.Enter(frame);
  m.Exit();
  m.EmitCold();
  m.EnterCallback(label, bool{});
  // Arithmetic.
  m.LoadConstant(reg, uint64_t{});
  m.LoadFunction(reg, label);
  m.Alu(kind, width, reg, operand);
  m.AluTo(kind, width, reg, reg, operand);
  m.Divide(division);
  m.AddressOf(width, reg, address);
  m.MultiplyBy(width, reg, reg, int32_t{});
  m.RotateLeft(width, reg, reg, int{});
  m.ZeroExtendTo(reg, reg, int{});
  // Memory.
  m.Load(width, bool{}, reg, address);
  m.AluLoad(kind, width, reg, address);
  m.Store(width, address, operand);
  m.Atomic(kind, width, address, reg, live);
  m.LoadPacket(width, reg, int32_t{});
  m.LoadFromArena(arena, width, bool{}, reg, address);
  m.StoreToArena(arena, width, address, operand);
  m.AtomicInArena(arena, kind, width, address, reg);
  m.CastToUser(reg, reg, uint64_t{});
  // Control.
  m.Jump(jump);
  m.Branch(kind, width, reg, operand, bool{}, jump);
  m.Select(condition, reg, reg, bool{});
  m.Switch(reg, table, bool{}, label);
  m.StartMayGoto(int32_t{});
  m.MayGoto(int32_t{}, label);
  m.Meter(uint32_t{}, insn);
  m.CallHelper(helper, std::string_view{}, bool{});
  m.CallFunction(label);
  m.StopIfStopped();
  m.StopIfStoppedAt(insn);
  m.Lookup(lookup);
  m.LoadCpu();
  m.Loop(label, bool{});
  m.IterateNumbers();
  m.Tail(tail);
};

}  // namespace skep::jit

#endif  // SKEP_JIT_MASM_H_
