// SPDX-License-Identifier: Apache-2.0
// What the interpreter's handlers are composed of. Handle<links, backward, ops...>
// executes one instruction or a fused sequence; opcodes.def and semantics.h give
// the arithmetic, so there is no case written by hand.
//
// A fused handler executes the cells that follow as they stand, each by its own
// operands: those cells keep handlers of their own, so a jump may enter in the
// middle of a sequence, and where a run stops is told by the cell it stops at.
// What one instruction leaves in a register and the next one uses goes through
// a machine register (Links); it is not written to the register file if the
// next instruction overwrites it.

#ifndef SKEP_VM_INTERPRETER_HANDLERS_H_
#define SKEP_VM_INTERPRETER_HANDLERS_H_

#include <cstring>
#include <tuple>
#include <type_traits>

#include "base/memory_access.h"
#include "isa/op.h"
#include "isa/semantics.h"
#include "model/execution_layout.h"
#include "model/fuel.h"
#include "model/helper_entry.h"
#include "vm/fusions.h"
#include "vm/interpreter.h"

namespace skep {

struct InterpreterFrame {
  const Cell* return_to;
  const model::HelperEntry* call_base;
  const ThreadedProgram* program;
  uint32_t main_depth;
  uint64_t saved[4];  // r6 .. r9
};

struct Machine {
  uint64_t r[kRegisterCount];
  ExecutionContext* context;
  const model::HelperEntry* call_base;
  const ThreadedProgram* program;
  uint64_t stack_low;
  uint32_t depth;
  uint32_t main_depth;   // of the main function of `program`
  uint32_t frame_bytes;  // of the function that calls a helper which may call back
  InterpreterFrame frames[model::kMaxNestedFrames];
};

// SKEP_NEXT(cell) ends a handler. Each handler jumps to the next one, so that
// the branch predictor sees one indirect jump per handler: clang guarantees the
// jump, g++ makes it when it optimises. Elsewhere the driver calls the next
// handler, which is slower but needs no tail calls.
#if defined(__clang__)
#define SKEP_NEXT(cell)                                        \
  do {                                                         \
    const Cell* const next_ = cell;                            \
    [[clang::musttail]] return next_->handler(next_, machine); \
  } while (false)
#elif defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(SKEP_INTERPRETER_LOOP)
#define SKEP_NEXT(cell)                    \
  do {                                     \
    const Cell* const next_ = cell;        \
    return next_->handler(next_, machine); \
  } while (false)
#else
#define SKEP_NEXT(cell) return cell
#endif

namespace interpreter {

template <int width>
using Uint = std::conditional_t<
    width == 8, uint8_t,
    std::conditional_t<width == 16, uint16_t, std::conditional_t<width == 32, uint32_t, uint64_t>>>;

constexpr bool WritesDst(Op op) { return Info(op).Has(kWritesDst); }
constexpr uint32_t CellsOf(Op op) { return op == Op::kLdImm64 || op == Op::kLdFunc ? 2 : 1; }
constexpr bool UsesSrc(Op op) {
  return UsesSrcRegister(Info(op).operands) || Info(op).operands == Operands::kDstMem;
}

// The links that can matter between two operations.
constexpr unsigned PossibleLinks(Op before, Op op) {
  if (!WritesDst(before)) return 0;
  const bool dst = Info(op).Has(kReadsDst | kWritesDst);
  return (dst ? kDstLink : 0) | (UsesSrc(op) ? kSrcLink : 0);
}

// The new dst of arithmetic, loads and moves.
template <Op op>
[[gnu::always_inline]] inline uint64_t Compute(const Cell* pc, uint64_t dst, uint64_t src) {
  constexpr OpInfo info = Info(op);
  if constexpr (ClassOf(op) == OpClass::kAlu) {
    return EvalAlu<info.kind, info.width>(dst, src);
  } else if constexpr (ClassOf(op) == OpClass::kLoad) {
    using T = Uint<info.width>;
    const uint64_t address = src + static_cast<uint64_t>(int64_t{pc->off});
    const T value =
        info.kind == OpKind::kLoadAcquire ? LoadAcquire<T>(address) : LoadRelaxed<T>(address);
    return info.kind == OpKind::kLoadSx ? SignExtend(value, info.width) : uint64_t{value};
  } else {
    static_assert(op == Op::kLdImm64 || op == Op::kLdFunc);
    uint64_t value;
    std::memcpy(&value, static_cast<const void*>(pc + 1), sizeof value);
    return value;
  }
}

template <Op op>
[[gnu::always_inline]] inline void Store(const Cell* pc, uint64_t dst, uint64_t src) {
  constexpr OpInfo info = Info(op);
  using T = Uint<info.width>;
  const uint64_t address = dst + static_cast<uint64_t>(int64_t{pc->off});
  if constexpr (info.kind == OpKind::kStoreRelease) {
    StoreRelease<T>(address, static_cast<T>(src));
  } else {
    StoreRelaxed<T>(address, static_cast<T>(src));
  }
}

// Read-modify-write. BPF's rule is the kernel's: those that fetch are fully
// ordered, the others relaxed.
template <Op op>
[[gnu::always_inline]] inline void Atomic(const Cell* pc, uint64_t* r, uint64_t dst, uint64_t src) {
  constexpr OpInfo info = Info(op);
  using T = Uint<info.width>;
  auto* memory = reinterpret_cast<Untyped<T>*>(dst + static_cast<uint64_t>(int64_t{pc->off}));
  const auto value = static_cast<T>(src);
  constexpr OpKind kind = info.kind;
  if constexpr (kind == OpKind::kAtomicAdd) __atomic_fetch_add(memory, value, __ATOMIC_RELAXED);
  if constexpr (kind == OpKind::kAtomicOr) __atomic_fetch_or(memory, value, __ATOMIC_RELAXED);
  if constexpr (kind == OpKind::kAtomicAnd) __atomic_fetch_and(memory, value, __ATOMIC_RELAXED);
  if constexpr (kind == OpKind::kAtomicXor) __atomic_fetch_xor(memory, value, __ATOMIC_RELAXED);
  if constexpr (kind == OpKind::kAtomicFetchAdd) {
    r[pc->src] = __atomic_fetch_add(memory, value, __ATOMIC_SEQ_CST);
  }
  if constexpr (kind == OpKind::kAtomicFetchOr) {
    r[pc->src] = __atomic_fetch_or(memory, value, __ATOMIC_SEQ_CST);
  }
  if constexpr (kind == OpKind::kAtomicFetchAnd) {
    r[pc->src] = __atomic_fetch_and(memory, value, __ATOMIC_SEQ_CST);
  }
  if constexpr (kind == OpKind::kAtomicFetchXor) {
    r[pc->src] = __atomic_fetch_xor(memory, value, __ATOMIC_SEQ_CST);
  }
  if constexpr (kind == OpKind::kXchg) {
    r[pc->src] = __atomic_exchange_n(memory, value, __ATOMIC_SEQ_CST);
  }
  if constexpr (kind == OpKind::kCmpXchg) {
    auto expected = static_cast<T>(r[0]);
    __atomic_compare_exchange_n(memory, &expected, value, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    r[0] = expected;
  }
}

// The last instruction of a sequence: its cell, and whether it jumps.
struct Last {
  const Cell* cell;
  bool taken;
};

// `carried` is what the instruction before has left in its dst.
template <unsigned links, Op op, Op... rest>
[[gnu::always_inline]] inline Last Execute(const Cell* pc, uint64_t* r, uint64_t carried) {
  constexpr OpInfo info = Info(op);
  constexpr OpClass op_class = ClassOf(op);
  uint64_t dst = carried;
  if constexpr (info.Has(kReadsDst) && (links & kDstLink) == 0) dst = r[pc->dst];
  uint64_t src = carried;
  if constexpr (!UsesSrc(op)) {
    src = static_cast<uint64_t>(int64_t{pc->imm});
  } else if constexpr ((links & kSrcLink) == 0) {
    src = r[pc->src];
  }
  uint64_t result = 0;
  if constexpr (op_class == OpClass::kBranch) {
    static_assert(sizeof...(rest) == 0, "a branch ends its sequence");
    return {pc, EvalJump<info.kind, info.width>(dst, src)};
  } else if constexpr (op_class == OpClass::kJump) {
    static_assert(sizeof...(rest) == 0, "a jump ends its sequence");
    return {pc, true};
  } else if constexpr (op_class == OpClass::kStore) {
    Store<op>(pc, dst, src);
  } else if constexpr (op_class == OpClass::kAtomic) {
    Atomic<op>(pc, r, dst, src);
  } else {
    result = Compute<op>(pc, dst, src);
  }
  if constexpr (sizeof...(rest) == 0) {
    if constexpr (WritesDst(op)) r[pc->dst] = result;
    return {pc + CellsOf(op) - 1, false};
  } else {
    constexpr Op next = std::get<0>(std::tuple{rest...});
    constexpr bool overwritten = ((links >> kLinkBits) & kDstLink) != 0 && WritesDst(next);
    if constexpr (WritesDst(op) && !overwritten) r[pc->dst] = result;
    return Execute<(links >> kLinkBits), rest...>(pc + CellsOf(op), r, result);
  }
}

// Ends the run at `cell`; what stopped it is in the context.
inline const Cell* StopAt(const Cell* cell, Machine& machine) noexcept {
  const ThreadedProgram& program = *machine.program;
  model::ExecutionLayout::trap_insn(*machine.context) =
      program.origin[static_cast<size_t>(cell - program.cells.data())];
  machine.r[0] = 0;
  return nullptr;
}

constexpr int64_t DistanceOf(OpClass op_class, const Cell& cell) {
  return op_class == OpClass::kBranch ? cell.off : cell.imm;
}

// The jump of `cell` has used up the fuel.
template <OpClass op_class>
[[gnu::noinline, gnu::cold]] const Cell* RefillAndJump(const Cell* cell,
                                                       Machine& machine) noexcept {
  if (!model::RefillFuel(*machine.context)) return StopAt(cell, machine);
  SKEP_NEXT(cell + DistanceOf(op_class, *cell));
}

template <Op... ops>
inline constexpr Op kLast = std::get<sizeof...(ops) - 1>(std::tuple{ops...});

// `links` holds those of the second instruction in bits 2 and 3, and so on.
// `backward`: the last instruction is a jump to an earlier cell, which pays fuel
// for the distance when taken.
template <unsigned links, bool backward, Op... ops>
const Cell* Handle(const Cell* pc, Machine& machine) noexcept {
  const Last last = Execute<links, ops...>(pc, machine.r, 0);
  constexpr OpClass op_class = ClassOf(kLast<ops...>);
  if constexpr (op_class == OpClass::kBranch || op_class == OpClass::kJump) {
    if (last.taken) {
      const int64_t distance = DistanceOf(op_class, *last.cell);
      if constexpr (backward) {
        int64_t& fuel = model::ExecutionLayout::fuel(*machine.context);
        fuel += distance - 1;
        if (__builtin_expect(fuel < 0, 0)) return RefillAndJump<op_class>(last.cell, machine);
      }
      SKEP_NEXT(last.cell + distance);
    }
  }
  SKEP_NEXT(last.cell + 1);
}

// An access of the arena: see model/arena_view.h.
template <Op op>
const Cell* HandleInArena(const Cell* pc, Machine& machine) noexcept {
  constexpr OpInfo info = Info(op);
  const model::ArenaView& arena = *machine.program->exec->arena;
  uint64_t* const r = machine.r;
  const auto off = static_cast<uint64_t>(int64_t{pc->off});
  if constexpr (ClassOf(op) == OpClass::kLoad) {
    r[pc->dst] = Compute<op>(pc, 0, arena.AddressOf(r[pc->src], pc->off) - off);
  } else {
    const uint64_t address = arena.AddressOf(r[pc->dst], pc->off);
    if (arena.Allocated(address)) {
      if constexpr (ClassOf(op) == OpClass::kStore) {
        const uint64_t value =
            UsesSrcRegister(info.operands) ? r[pc->src] : static_cast<uint64_t>(int64_t{pc->imm});
        Store<op>(pc, address - off, value);
      } else {
        Atomic<op>(pc, r, address - off, r[pc->src]);
      }
    }
  }
  SKEP_NEXT(pc + 1);
}

}  // namespace interpreter
}  // namespace skep

#endif  // SKEP_VM_INTERPRETER_HANDLERS_H_
