// SPDX-License-Identifier: Apache-2.0
// Direct threading: each cell holds the address of the code that executes it,
// and each piece of code ends with its own indirect jump, so that the branch
// predictor sees one jump per instruction kind and place. There is no case
// written by hand for arithmetic, loads or branches: opcodes.def and
// semantics.h make them.
#include "vm/interpreter.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "skep/map.h"

#include "base/check.h"
#include "base/memory_access.h"
#include "isa/op.h"
#include "isa/semantics.h"
#include "model/execution_layout.h"
#include "model/fuel.h"
#include "model/helper_entry.h"
#include "model/packet_load.h"
#include "model/tail_target.h"

namespace skep {
namespace {

using model::ExecInsn;
using model::ExecutionLayout;

template <int width>
using Uint = std::conditional_t<
    width == 8, uint8_t,
    std::conditional_t<width == 16, uint16_t, std::conditional_t<width == 32, uint32_t, uint64_t>>>;

// Threading sees the handlers' addresses through Interpret's own table.
struct Handlers {
  const void* forward[kOpCount];
  const void* backward[kOpCount];  // branches and jumps to an earlier cell
  const void* tail_call;
};

template <Op op>
inline constexpr OpClass kClass = ClassOf(op);

template <Op op>
[[gnu::always_inline]] inline uint64_t Source(const Cell* pc, const uint64_t* r) {
  if constexpr (UsesSrcRegister(Info(op).operands)) return r[pc->src];
  return static_cast<uint64_t>(int64_t{pc->imm});
}

// Read-modify-write. BPF's rule is the kernel's: those that fetch are fully
// ordered, the others relaxed.
template <Op op>
[[gnu::always_inline]] inline void Atomic(const Cell* pc, uint64_t* r) {
  constexpr OpInfo info = Info(op);
  using T = Uint<info.width>;
  auto* memory =
      reinterpret_cast<Untyped<T>*>(r[pc->dst] + static_cast<uint64_t>(int64_t{pc->off}));
  const auto value = static_cast<T>(r[pc->src]);
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

template <Op op>
[[gnu::always_inline]] inline void Load(const Cell* pc, uint64_t* r) {
  constexpr OpInfo info = Info(op);
  using T = Uint<info.width>;
  const uint64_t address = r[pc->src] + static_cast<uint64_t>(int64_t{pc->off});
  T value;
  if constexpr (info.kind == OpKind::kLoadAcquire) {
    value = LoadAcquire<T>(address);
  } else {
    value = LoadRelaxed<T>(address);
  }
  r[pc->dst] = info.kind == OpKind::kLoadSx ? SignExtend(value, info.width) : uint64_t{value};
}

template <Op op>
[[gnu::always_inline]] inline void Store(const Cell* pc, const uint64_t* r) {
  constexpr OpInfo info = Info(op);
  using T = Uint<info.width>;
  const uint64_t address = r[pc->dst] + static_cast<uint64_t>(int64_t{pc->off});
  const auto value = static_cast<T>(Source<op>(pc, r));
  if constexpr (info.kind == OpKind::kStoreRelease) {
    StoreRelease<T>(address, value);
  } else {
    StoreRelaxed<T>(address, value);
  }
}

// Returns false, with r0 = 0, if the function is to return: the bytes are not
// all inside the packet.
template <Op op>
[[gnu::always_inline]] inline bool LoadPacket(const Cell* pc, uint64_t* r) {
  constexpr OpInfo info = Info(op);
  const uint64_t index = info.kind == OpKind::kLoadPacketInd ? r[pc->src] : 0;
  const auto offset =
      static_cast<int32_t>(static_cast<uint32_t>(index) + static_cast<uint32_t>(pc->imm));
  const auto* skb = reinterpret_cast<const model::SkbContext*>(r[6]);
  r[0] = model::LoadPacket(skb, offset, info.width / 8);
  if (r[0] != model::kPacketLoadFailed) return true;
  r[0] = 0;
  return false;
}

// Executes what neither jumps nor calls, and forward branches. Returns the next
// cell.
template <Op op>
[[gnu::always_inline]] inline const Cell* Step(const Cell* pc, uint64_t* r) {
  constexpr OpInfo info = Info(op);
  if constexpr (kClass<op> == OpClass::kAlu) {
    r[pc->dst] = EvalAlu<info.kind, info.width>(r[pc->dst], Source<op>(pc, r));
  } else if constexpr (kClass<op> == OpClass::kLoad) {
    Load<op>(pc, r);
  } else if constexpr (kClass<op> == OpClass::kStore) {
    Store<op>(pc, r);
  } else if constexpr (kClass<op> == OpClass::kAtomic) {
    Atomic<op>(pc, r);
  } else if constexpr (kClass<op> == OpClass::kBranch) {
    return EvalJump<info.kind, info.width>(r[pc->dst], Source<op>(pc, r)) ? pc + pc->off : pc + 1;
  } else if constexpr (kClass<op> == OpClass::kJump) {
    return pc + pc->imm;
  } else if constexpr (op == Op::kLdImm64) {
    std::memcpy(&r[pc->dst], pc + 1, sizeof(uint64_t));
    return pc + 2;
  }
  return pc + 1;
}

struct Frame {
  const Cell* return_to;
  const model::HelperEntry* call_base;
  const ThreadedProgram* program;
  uint64_t saved[4];  // r6 .. r9
};

const model::TailTarget* FindTailTarget(uint64_t map, uint64_t index, ExecutionContext& context) {
  // Linux reads the index as u32, and counts only calls that find a program.
  const DirectView slots = reinterpret_cast<Map*>(map)->direct_view();
  const auto slot = static_cast<uint32_t>(index);
  if (slot >= slots.max_entries) return nullptr;
  if (ExecutionLayout::tail_calls(context) >= model::kMaxTailCalls) return nullptr;
  const auto address = reinterpret_cast<uint64_t>(slots.base + slot * slots.stride);
  return reinterpret_cast<const model::TailTarget*>(LoadAcquire<uint64_t>(address));
}

// With program == null only writes the table of handlers.
uint64_t Execute(const ThreadedProgram* program, ExecutionContext* context, uint64_t r1,
                 uint64_t r2, Handlers* table) noexcept {
  if (program == nullptr) {
    *table = Handlers{
        {
#define SKEP_OP(name, ...) &&L_##name,
#include "isa/opcodes.def"
        },
        {
#define SKEP_OP(name, ...) &&B_##name,
#include "isa/opcodes.def"
        },
        &&tail_call,
    };
    return 0;
  }

  uint64_t r[kRegisterCount];
  Frame frames[model::kMaxFrames];
  uint32_t depth = 0;
  const model::HelperEntry* call_base = program->exec->call_base;
  const Cell* pc = program->cells.data();
  std::memset(r, 0, sizeof r);
  r[1] = r1;
  r[2] = r2;
  r[kFramePointer] = reinterpret_cast<uint64_t>(ExecutionLayout::stack(*context)) +
                     model::kMaxFrames * model::kFrameBytes;

#define SKEP_DISPATCH() goto*(pc->handler)
  SKEP_DISPATCH();

  // Straight code and forward jumps.
#define SKEP_OP(name, ...)                                                    \
  L_##name : {                                                                \
    if constexpr (kClass<Op::k##name> == OpClass::kExit) goto leave;          \
    if constexpr (kClass<Op::k##name> == OpClass::kPacketLoad) {              \
      if (!LoadPacket<Op::k##name>(pc, r)) goto leave;                        \
    }                                                                         \
    if constexpr (Info(Op::k##name).kind == OpKind::kCallLocal) goto enter;   \
    if constexpr (Info(Op::k##name).kind == OpKind::kCallHelper) goto helper; \
    pc = Step<Op::k##name>(pc, r);                                            \
    SKEP_DISPATCH();                                                          \
  }
#include "isa/opcodes.def"

  // Jumps to an earlier cell pay fuel for the distance when taken.
#define SKEP_OP(name, ...)                                   \
  B_##name : {                                               \
    if constexpr (kClass<Op::k##name> == OpClass::kBranch || \
                  kClass<Op::k##name> == OpClass::kJump) {   \
      const Cell* next = Step<Op::k##name>(pc, r);           \
      if (next <= pc) {                                      \
        int64_t& fuel = ExecutionLayout::fuel(*context);     \
        fuel -= pc - next + 1;                               \
        if (__builtin_expect(fuel < 0, 0)) {                 \
          if (!model::RefillFuel(*context)) goto stopped;    \
        }                                                    \
      }                                                      \
      pc = next;                                             \
    }                                                        \
    SKEP_DISPATCH();                                         \
  }
#include "isa/opcodes.def"

helper : {
  const auto* entry = reinterpret_cast<const model::HelperEntry*>(
      reinterpret_cast<const std::byte*>(call_base) + pc->imm);
  r[0] = entry->function(r[1], r[2], r[3], r[4], r[5], *context);
  if (__builtin_expect(context->stopped(), 0)) goto stopped;
  ++pc;
  SKEP_DISPATCH();
}

enter : {
  if (depth + 1 >= model::kMaxFrames) {
    context->Stop(TrapCode::kCallDepth, "the call stack of 9 frames is too deep");
    goto stopped;
  }
  int64_t& fuel = ExecutionLayout::fuel(*context);
  if (__builtin_expect(--fuel < 0, 0)) {
    if (!model::RefillFuel(*context)) goto stopped;
  }
  Frame& frame = frames[depth++];
  frame.return_to = pc + 1;
  frame.call_base = call_base;
  frame.program = program;
  std::memcpy(frame.saved, &r[6], sizeof frame.saved);
  r[kFramePointer] -= model::kFrameBytes;
  pc += pc->imm;
  SKEP_DISPATCH();
}

leave : {
  if (depth == 0) return r[0];
  const Frame& frame = frames[--depth];
  pc = frame.return_to;
  call_base = frame.call_base;
  program = frame.program;
  std::memcpy(&r[6], frame.saved, sizeof frame.saved);
  r[kFramePointer] += model::kFrameBytes;
  SKEP_DISPATCH();
}

tail_call : {
  const model::TailTarget* target = FindTailTarget(r[2], r[3], *context);
  if (target == nullptr) {
    ++pc;
    SKEP_DISPATCH();
  }
  ++ExecutionLayout::tail_calls(*context);
  program = static_cast<const ThreadedProgram*>(target->decoded);
  call_base = program->exec->call_base;
  pc = program->cells.data();
  SKEP_DISPATCH();
}

stopped:
  ExecutionLayout::trap_insn(*context) =
      program->origin[static_cast<size_t>(pc - program->cells.data())];
  return 0;
#undef SKEP_DISPATCH
}

// Lowering has turned all other operations into these, or refused them.
bool Runs(Op op) {
  switch (ClassOf(op)) {
    case OpClass::kAlu:
    case OpClass::kLoad:
    case OpClass::kStore:
    case OpClass::kAtomic:
    case OpClass::kJump:
    case OpClass::kBranch:
    case OpClass::kExit:
      return true;
    case OpClass::kWideLoad:
      return op == Op::kLdImm64;
    case OpClass::kCall:
      return Info(op).kind != OpKind::kCallKfunc;
    case OpClass::kCast:
    case OpClass::kPacketLoad:
    case OpClass::kMayGoto:
      return false;
  }
  return false;
}

const Handlers& HandlerTable() {
  static const Handlers kHandlers = [] {
    Handlers handlers;
    Execute(nullptr, nullptr, 0, 0, &handlers);
    return handlers;
  }();
  return kHandlers;
}

}  // namespace

Result<std::unique_ptr<ThreadedProgram>> Thread(std::shared_ptr<const model::ExecProgram> exec) {
  SKEP_CHECK(exec->verified);
  const Handlers& handlers = HandlerTable();
  auto out = std::make_unique<ThreadedProgram>();
  std::vector<uint32_t> cell_of(exec->insns.size() + 1);
  uint32_t next = 0;
  for (size_t i = 0; i < exec->insns.size(); ++i) {
    cell_of[i] = next;
    next += exec->insns[i].op == Op::kLdImm64 ? 2u : 1u;
  }
  cell_of[exec->insns.size()] = next;
  out->cells.reserve(next);
  out->origin.reserve(next);

  for (size_t i = 0; i < exec->insns.size(); ++i) {
    const ExecInsn& insn = exec->insns[i];
    const auto op = static_cast<size_t>(insn.op);
    Cell cell{handlers.forward[op], insn.dst, insn.src, insn.off, insn.imm};
    const OpKind kind = Info(insn.op).kind;
    const OpClass op_class = ClassOf(insn.op);
    if (!Runs(insn.op)) {
      return Error{ErrorCode::kUnsupported, exec->name + ": the interpreter does not know " +
                                                std::string(Info(insn.op).name)};
    }
    if (op_class == OpClass::kBranch || op_class == OpClass::kJump || kind == OpKind::kCallLocal) {
      const int64_t distance = int64_t{cell_of[insn.target]} - int64_t{cell_of[i]};
      if (op_class == OpClass::kBranch) {
        if (distance != static_cast<int16_t>(distance)) {
          return Error{ErrorCode::kUnsupported, exec->name + ": a branch is too far to interpret"};
        }
        cell.off = static_cast<int16_t>(distance);
      } else {
        cell.imm = static_cast<int32_t>(distance);
      }
      if (distance <= 0 && kind != OpKind::kCallLocal) cell.handler = handlers.backward[op];
    } else if (kind == OpKind::kCallHelper &&
               exec->HelperAt(insn).spec->id == model::kHelperTailCall) {
      cell.handler = handlers.tail_call;
    }
    out->cells.push_back(cell);
    out->origin.push_back(exec->origin[i]);
    if (insn.op == Op::kLdImm64) {
      Cell value;
      const uint64_t wide = insn.wide();
      std::memcpy(static_cast<void*>(&value), &wide, sizeof wide);
      out->cells.push_back(value);
      out->origin.push_back(exec->origin[i]);
    }
  }
  out->exec = std::move(exec);
  return out;
}

uint64_t Interpret(const ThreadedProgram& program, ExecutionContext& context, uint64_t r1,
                   uint64_t r2) noexcept {
  return Execute(&program, &context, r1, r2, nullptr);
}

}  // namespace skep
