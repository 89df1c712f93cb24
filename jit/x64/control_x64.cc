// SPDX-License-Identifier: Apache-2.0
// Jumps, calls, lookups and tail calls of the x86-64 port.
#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <iterator>

#include "base/check.h"
#include "jit/tail_lookup.h"
#include "jit/x64/masm_x64.h"
#include "jit/x64/registers_x64.h"
#include "model/execution_layout.h"
#include "model/helper_entry.h"
#include "model/may_goto.h"
#include "model/tail_target.h"

namespace skep::jit {

namespace x86 = asmjit::x86;
using model::ExecutionLayout;

static_assert(offsetof(model::TailTarget, machine_entry) == 0, "Tail loads it through the slot");

void MasmX64::Jump(JumpTo to) {
  if (to.near) asm_.short_();
  asm_.jmp(At(to.label));
}

void MasmX64::JumpIf(x86::CondCode condition, JumpTo to) {
  if (to.near) asm_.short_();
  asm_.j(condition, At(to.label));
}

namespace {

x86::CondCode ConditionOf(OpKind kind) {
  switch (kind) {
    case OpKind::kJEq:
      return x86::CondCode::kE;
    case OpKind::kJNe:
    case OpKind::kJSet:
      return x86::CondCode::kNE;
    case OpKind::kJGt:
      return x86::CondCode::kUnsignedGT;
    case OpKind::kJGe:
      return x86::CondCode::kUnsignedGE;
    case OpKind::kJLt:
      return x86::CondCode::kUnsignedLT;
    case OpKind::kJLe:
      return x86::CondCode::kUnsignedLE;
    case OpKind::kJSGt:
      return x86::CondCode::kSignedGT;
    case OpKind::kJSGe:
      return x86::CondCode::kSignedGE;
    case OpKind::kJSLt:
      return x86::CondCode::kSignedLT;
    case OpKind::kJSLe:
      return x86::CondCode::kSignedLE;
    default:
      SKEP_UNREACHABLE();
  }
}

}  // namespace

// Clobbers: r10, r11, flags.
void MasmX64::Compare(const Condition& condition) {
  const Operand b = condition.b;
  const Gp left = Read(condition.a, condition.width, x86::r10);
  if (b.is_reg()) {
    const Gp right = Read(b.reg, condition.width, x86::r11);
    if (condition.kind == OpKind::kJSet) {
      asm_.test(left, right);
    } else {
      asm_.cmp(left, right);
    }
  } else if (condition.kind == OpKind::kJSet) {
    // An immediate that is not negative says nothing about the upper half.
    if (b.imm >= 0) {
      asm_.test(left.r32(), b.imm);
    } else {
      asm_.test(left, b.imm);
    }
  } else if (b.imm == 0) {
    asm_.test(left, left);  // leaves the flags of a comparison with zero
  } else {
    asm_.cmp(left, b.imm);
  }
}

// Clobbers: r10, r11, flags.
void MasmX64::Branch(OpKind kind, int width, Reg a, Operand b, bool negate, JumpTo to) {
  x86::CondCode condition = ConditionOf(kind);
  const bool against_zero = !b.is_reg() && b.imm == 0 && kind != OpKind::kJSet;
  // The flags say already whether the value is zero.
  const bool known = against_zero && flags_at_ == asm_.offset() && flags_reg_ == a &&
                     (flags_width_ == width || (flags_width_ == 32 && width == 64)) &&
                     (kind == OpKind::kJEq || kind == OpKind::kJNe);
  if (!known) Compare({kind, width, a, b});
  JumpIf(negate ? x86::negateCond(condition) : condition, to);
}

namespace {

// The same condition so that one flag tells: greater and less-or-equal need two,
// their counterparts for swapped operands, or for the next number, one.
Condition WithOneFlag(Condition condition) {
  const OpKind kind = condition.kind;
  const bool greater = kind == OpKind::kJGt || kind == OpKind::kJSGt;
  if (!greater && kind != OpKind::kJLe && kind != OpKind::kJSLe) return condition;
  const bool is_signed = kind == OpKind::kJSGt || kind == OpKind::kJSLe;
  if (condition.b.is_reg()) {
    std::swap(condition.a, condition.b.reg);
    condition.kind = greater ? (is_signed ? OpKind::kJSLt : OpKind::kJLt)
                             : (is_signed ? OpKind::kJSGe : OpKind::kJGe);
  } else if (condition.b.imm != INT32_MAX && condition.b.imm != -1) {
    ++condition.b.imm;
    condition.kind = greater ? (is_signed ? OpKind::kJSGe : OpKind::kJGe)
                             : (is_signed ? OpKind::kJSLt : OpKind::kJLt);
  }
  return condition;
}

}  // namespace

// Clobbers: flags.
void MasmX64::Select(const Condition& asked, Reg dst, Reg src, bool compared) {
  const Condition condition = WithOneFlag(asked);
  if (!compared) Compare(condition);
  asm_.cmov(ConditionOf(condition.kind), Machine(dst), Machine(src));
}

void MasmX64::Switch(Reg value, std::span<const Label> table, bool in_range, Label otherwise) {
  // Copies of one jump share their table.
  const bool is_copy =
      !tables_.empty() && std::equal(table.begin(), table.end(), tables_.back().targets.begin(),
                                     tables_.back().targets.end(),
                                     [](Label a, const asmjit::Label& b) { return a == b.id(); });
  if (!is_copy) {
    Table& made = tables_.emplace_back();
    made.at = asm_.newLabel();
    for (const Label target : table) made.targets.push_back(At(target));
  }
  if (!in_range) {
    asm_.cmp(Machine(value), static_cast<int32_t>(table.size()));
    asm_.jae(At(otherwise));
  }
  asm_.lea(x86::r11, x86::ptr(tables_.back().at));
  asm_.jmp(x86::qword_ptr(x86::r11, Machine(value), 3));
}

void MasmX64::EmitTables() {
  if (tables_.empty()) return;
  asm_.align(asmjit::AlignMode::kData, sizeof(uint64_t));
  for (const Table& table : tables_) {
    asm_.bind(table.at);
    for (const asmjit::Label& target : table.targets) asm_.embedLabel(target, sizeof(uint64_t));
  }
}

void MasmX64::StartMayGoto(int32_t offset) {
  static_assert(offsetof(model::MayGotoCount, left) == 0);
  static_assert(offsetof(model::MayGotoCount, since) == 8);
  asm_.mov(x86::qword_ptr(x86::rsp, frame_top_ + offset), model::kMayGotoRounds);
  asm_.mov(x86::qword_ptr(x86::rsp, frame_top_ + offset + 8), 0);
}

// Clobbers: r9, r10, r11, flags.
void MasmX64::MayGoto(int32_t offset, Label target) {
  if (!may_goto_.isValid()) may_goto_ = asm_.newLabel();
  Cold cold{.kind = Cold::Kind::kMayGoto,
            .entry = asm_.newLabel(),
            .back = asm_.newLabel(),
            .target = At(target),
            .count = frame_top_ + offset};
  asm_.sub(x86::qword_ptr(x86::rsp, cold.count), 1);
  asm_.js(cold.entry);
  asm_.bind(cold.back);
  cold_.push_back(cold);
}

// Clobbers: r9, r10, r11, flags.
void MasmX64::Meter(uint32_t cost, uint32_t insn) {
  if (!refill_.isValid()) refill_ = asm_.newLabel();
  Cold cold{
      .kind = Cold::Kind::kRefill, .entry = asm_.newLabel(), .back = asm_.newLabel(), .insn = insn};
  asm_.sub(kFuel, cost);
  asm_.js(cold.entry);
  asm_.bind(cold.back);
  cold_.push_back(cold);
}

void MasmX64::CallAddress(const void* function, std::string_view name) {
  if (near_ == nullptr) near_ = function;
  // asmjit makes it a direct call where the distance allows, else one through a
  // table of addresses behind the code.
  const size_t logged = logger_.dataSize();
  asm_.call(asmjit::imm(reinterpret_cast<uintptr_t>(function)));
  if (logger_.dataSize() == logged) return;  // nobody reads the text
  logger_.content().truncate(logged);
  logger_.content().append("call ");
  logger_.content().append(name.data(), name.size());
  logger_.content().append("\n");
}

// Clobbers: r1 .. r5, r9, r10, r11, flags, as the machine's calls do.
void MasmX64::CallHelper(HelperFunction function, std::string_view name, bool calls_back) {
  // What is called back counts on from the context's fuel.
  const bool shares_fuel = calls_back && frame_.counts_fuel;
  if (shares_fuel) StoreFuel();
  asm_.mov(x86::r9, kContext);
  CallAddress(reinterpret_cast<const void*>(function), name);
  if (shares_fuel) LoadFuel();
}

// Clobbers: as CallHelper.
void MasmX64::CallFunction(Label function) {
  asm_.call(At(function));
  if (frame_.shares_fuel) LoadFuel();
}

// Clobbers: flags.
void MasmX64::StopIfStopped() {
  asm_.cmp(ContextField(ExecutionLayout::kTrap, 1), 0);
  asm_.jne(StopLabel());
}

// As StopIfStopped, and says where. Clobbers: flags.
void MasmX64::StopIfStoppedAt(uint32_t insn) {
  Cold cold{.kind = Cold::Kind::kStop, .entry = asm_.newLabel(), .back = {}, .insn = insn};
  asm_.cmp(ContextField(ExecutionLayout::kTrap, 1), 0);
  asm_.jne(cold.entry);
  cold_.push_back(cold);
}

// r0 is cleared first, so that an index out of range needs no jump of its own.
// Clobbers: r10, r11, flags.
void MasmX64::Lookup(const ArrayLookup& lookup) {
  const asmjit::Label done = asm_.newLabel();
  asm_.mov(x86::r11d, x86::dword_ptr(x86::rsi));
  if (!lookup.in_range) {
    asm_.xor_(x86::eax, x86::eax);
    asm_.cmp(x86::r11d, lookup.max_entries);
    asm_.short_().jae(done);
  }
  if (lookup.cpu_stride != 0) {
    asm_.mov(x86::r10d, ContextField(ExecutionLayout::kCpu, 4));
    asm_.imul(x86::r10, x86::r10, lookup.cpu_stride);
  }
  asm_.mov(x86::rax, asmjit::imm(reinterpret_cast<uintptr_t>(lookup.base)));
  uint32_t shift = 0;
  if (!std::has_single_bit(lookup.stride)) {
    asm_.imul(x86::r11, x86::r11, lookup.stride);
  } else {
    shift = static_cast<uint32_t>(std::countr_zero(lookup.stride));
    if (shift > 3) {
      asm_.shl(x86::r11, shift);
      shift = 0;
    }
  }
  if (shift == 0) {
    asm_.add(x86::rax, x86::r11);
  } else {
    asm_.lea(x86::rax, x86::ptr(x86::rax, x86::r11, shift));
  }
  if (lookup.cpu_stride != 0) asm_.add(x86::rax, x86::r10);
  asm_.bind(done);
}

void MasmX64::LoadCpu() { asm_.mov(x86::eax, ContextField(ExecutionLayout::kCpu, 4)); }

// The loop counts in registers that functions keep, behind pushes of its own.
// Clobbers: as CallHelper.
void MasmX64::Loop(Label function, bool may_stop) {
  const Gp kept[] = {x86::rbx, x86::rbp, x86::r14};
  const asmjit::Label again = asm_.newLabel();
  const asmjit::Label done = asm_.newLabel();
  const asmjit::Label too_many = asm_.newLabel();
  const asmjit::Label end = asm_.newLabel();
  asm_.cmp(x86::rdi, model::kMaxLoops);
  asm_.short_().ja(too_many);
  for (const Gp& reg : kept) asm_.push(reg);
  asm_.sub(x86::rsp, 8);
  asm_.mov(x86::ebx, x86::edi);
  asm_.xor_(x86::ebp, x86::ebp);
  asm_.mov(x86::r14, x86::rdx);
  asm_.test(x86::ebx, x86::ebx);
  asm_.short_().jz(done);
  asm_.bind(again);
  asm_.mov(x86::edi, x86::ebp);
  asm_.mov(x86::rsi, x86::r14);
  CallFunction(function);
  asm_.add(x86::ebp, 1);
  if (frame_.counts_fuel) {
    const asmjit::Label enough = asm_.newLabel();
    if (!refill_.isValid()) refill_ = asm_.newLabel();
    asm_.sub(kFuel, 1);
    asm_.short_().jns(enough);
    asm_.call(refill_);
    asm_.bind(enough);
  }
  if (may_stop) {
    asm_.cmp(ContextField(ExecutionLayout::kTrap, 1), 0);
    asm_.short_().jne(done);
  }
  asm_.test(x86::rax, x86::rax);
  asm_.short_().jnz(done);
  asm_.cmp(x86::ebp, x86::ebx);
  asm_.short_().jb(again);
  asm_.bind(done);
  asm_.mov(x86::eax, x86::ebp);
  asm_.add(x86::rsp, 8);
  for (size_t i = std::size(kept); i-- > 0;) asm_.pop(kept[i]);
  asm_.short_().jmp(end);
  asm_.bind(too_many);
  asm_.mov(x86::eax, -E2BIG);
  asm_.bind(end);
}

// Two s32, the number given last and the end: see helpers/kfunc_iter_num.cc.
// Clobbers: r11, flags.
void MasmX64::IterateNumbers() {
  const asmjit::Label more = asm_.newLabel();
  const asmjit::Label end = asm_.newLabel();
  asm_.mov(x86::r11d, x86::dword_ptr(x86::rdi));
  asm_.xor_(x86::eax, x86::eax);
  asm_.add(x86::r11d, 1);
  asm_.cmp(x86::r11d, x86::dword_ptr(x86::rdi, 4));
  asm_.short_().jl(more);
  asm_.mov(x86::qword_ptr(x86::rdi), 0);
  asm_.short_().jmp(end);
  asm_.bind(more);
  asm_.mov(x86::dword_ptr(x86::rdi), x86::r11d);
  asm_.mov(x86::rax, x86::rdi);
  asm_.bind(end);
}

// Falls through if there is no such program or the limit is reached; counts
// only calls that are made, as Linux's JIT does.
// Clobbers: r2 .. r5 (an unknown map), r11, flags.
void MasmX64::Tail(const TailCall& call) {
  const asmjit::Label failed = asm_.newLabel();
  if (call.slots == nullptr) {
    // r1, the program's context, waits on the stack.
    asm_.sub(x86::rsp, 16);
    asm_.mov(x86::qword_ptr(x86::rsp), x86::rdi);
    asm_.mov(x86::rdi, x86::rsi);
    asm_.mov(x86::esi, x86::edx);
    CallAddress(reinterpret_cast<const void*>(&FindTailTarget), "FindTailTarget");
    asm_.mov(x86::rdi, x86::qword_ptr(x86::rsp));
    asm_.add(x86::rsp, 16);
    asm_.mov(x86::r11, x86::rax);
  } else if (call.constant_index) {
    if (*call.constant_index >= call.max_entries) return;  // always fails
    asm_.mov(x86::r11, asmjit::imm(reinterpret_cast<uintptr_t>(call.slots) +
                                   uint64_t{*call.constant_index} * sizeof(void*)));
    asm_.mov(x86::r11, x86::qword_ptr(x86::r11));
  } else {
    asm_.cmp(x86::edx, call.max_entries);
    asm_.jae(failed);
    asm_.mov(x86::r10d, x86::edx);  // the upper half does not count
    asm_.mov(x86::r11, asmjit::imm(reinterpret_cast<uintptr_t>(call.slots)));
    asm_.mov(x86::r11, x86::qword_ptr(x86::r11, x86::r10, 3));
  }
  asm_.test(x86::r11, x86::r11);
  asm_.jz(failed);
  asm_.cmp(ContextField(ExecutionLayout::kTailCalls, 8), model::kMaxTailCalls);
  asm_.jae(failed);
  asm_.add(ContextField(ExecutionLayout::kTailCalls, 8), 1);
  asm_.mov(x86::r11, x86::qword_ptr(x86::r11));
  LeaveAllButContext();
  if (!frame_.keeps_context) asm_.push(kContext);  // a subprogram, whose r13 is the caller's
  asm_.jmp(x86::r11);
  asm_.bind(failed);
}

}  // namespace skep::jit
