// SPDX-License-Identifier: Apache-2.0
// Places, frames, memory and control flow. Arithmetic is in alu_x64.cc.
#include "jit/x64/masm_x64.h"

#include <bit>
#include <utility>

#include "base/check.h"
#include "jit/compiler.h"
#include "jit/tail_lookup.h"
#include "model/execution_layout.h"
#include "model/fuel.h"
#include "model/packet_load.h"
#include "model/tail_target.h"

namespace skep::jit {

namespace x86 = asmjit::x86;
using model::ExecutionLayout;

namespace {

constexpr uint32_t kRegisterIds[] = {
    x86::Gp::kIdAx, x86::Gp::kIdDi, x86::Gp::kIdSi, x86::Gp::kIdDx,  x86::Gp::kIdCx,
    x86::Gp::kIdR8, x86::Gp::kIdBx, x86::Gp::kIdBp, x86::Gp::kIdR14, x86::Gp::kIdR15,
};
constexpr x86::Gp kContext = x86::r13;
constexpr x86::Gp kFuel = x86::r12;
constexpr int32_t kRedZone = 128;
// Every port's class fits the concept; here, so that the message is near.
static_assert(MacroAssembler<MasmX64>);
static_assert(offsetof(model::TailTarget, machine_entry) == 0, "Tail loads it through the slot");

}  // namespace

MasmX64::MasmX64(Cpu cpu, bool text) {
  SKEP_CHECK(code_.init(asmjit::Environment(asmjit::Arch::kX64)) == asmjit::kErrorOk);
  if (text) code_.setLogger(&logger_);
  SKEP_CHECK(code_.attach(&asm_) == asmjit::kErrorOk);
  has_bmi2_ = cpu == Cpu::kModern ||
              (cpu == Cpu::kHost && asmjit::CpuInfo::host().features().x86().hasBMI2());
}

void MasmX64::Bind(Label label) {
  asm_.bind(At(label));
  flags_at_ = ~size_t{0};
}

void MasmX64::Reserve(size_t bytes) { code_.reserveBuffer(&code_.textSection()->buffer(), bytes); }

Result<CodeMemory> MasmX64::Finish() {
  EmitRefill();
  // asmjit keeps the first error in each step; only memory may be missing.
  asmjit::Error error = code_.flatten();
  if (error == asmjit::kErrorOk) error = code_.resolveUnresolvedLinks();
  if (error == asmjit::kErrorOutOfMemory) {
    return Error{ErrorCode::kResourceLimit, "out of memory while compiling", 0};
  }
  SKEP_CHECK(error == asmjit::kErrorOk);
  SKEP_TRY(WritableCode room, WritableCode::Allocate(code_.codeSize(), near_));
  const auto base = reinterpret_cast<uintptr_t>(room.bytes().data());
  SKEP_CHECK(code_.relocateToBase(base) == asmjit::kErrorOk);
  SKEP_CHECK(code_.copyFlattenedData(room.bytes().data(), room.bytes().size()) == asmjit::kErrorOk);
  return std::move(room).Seal();
}

std::string MasmX64::TakeText() {
  std::string text(logger_.data(), logger_.dataSize());
  logger_.clear();
  return text;
}

x86::Gp MasmX64::Machine(Reg reg, int width) {
  return width == 64 ? Gp(x86::gpq(kRegisterIds[reg])) : Gp(x86::gpd(kRegisterIds[reg]));
}

x86::Gp MasmX64::Read(Reg reg, int width, const Gp& temporary) {
  if (reg != kFramePointer) return Machine(reg, width);
  asm_.lea(temporary.r64(), x86::ptr(x86::rsp, frame_top_));
  return width == 64 ? Gp(temporary.r64()) : Gp(temporary.r32());
}

x86::Mem MasmX64::At(const Address& address, uint32_t bytes) const {
  const bool frame = address.base == kFramePointer;
  const Gp base = frame ? Gp(x86::rsp) : Machine(address.base);
  const int32_t disp = address.disp + (frame ? frame_top_ : 0);
  if (address.index == kNoReg) return x86::ptr(base, disp, bytes);
  return x86::ptr(base, Machine(address.index), address.shift, disp, bytes);
}

x86::Mem MasmX64::ContextField(size_t offset, uint32_t bytes) const {
  return x86::ptr(kContext, static_cast<int32_t>(offset), bytes);
}

// ---- frames ----------------------------------------------------------------

void MasmX64::Enter(const Frame& frame) {
  frame_ = frame;
  stop_ = asmjit::Label();
  int32_t pushed = 0;
  if (frame.keeps_context) {
    asm_.push(kContext);
    asm_.mov(kContext, x86::rdx);
    ++pushed;
  }
  if (frame.is_main && frame.counts_fuel) {
    asm_.push(kFuel);
    LoadFuel();
    ++pushed;
  }
  for (Reg reg = 6; reg <= 9; ++reg) {
    if ((frame.saved & Bit(reg)) == 0) continue;
    asm_.push(Machine(reg));
    ++pushed;
  }
  // The return address and the pushes lie above; rsp is a multiple of 16 where
  // this function calls another.
  const auto stack = static_cast<int32_t>((frame.stack_bytes + 7) & ~7u);
  stack_adjust_ = stack;
  if (frame.calls) {
    if ((8 + 8 * pushed + stack) % 16 != 0) stack_adjust_ += 8;
  } else if (stack <= kRedZone) {
    stack_adjust_ = 0;
  }
  frame_top_ = stack_adjust_;
  if (stack_adjust_ != 0) asm_.sub(x86::rsp, stack_adjust_);
}

// Clobbers: flags.
void MasmX64::LeaveFrame() {
  if (frame_.counts_fuel && (frame_.is_main || frame_.shares_fuel)) StoreFuel();
  if (stack_adjust_ != 0) asm_.add(x86::rsp, stack_adjust_);
  for (Reg reg = 10; reg-- > 6;) {
    if ((frame_.saved & Bit(reg)) != 0) asm_.pop(Machine(reg));
  }
  if (frame_.is_main && frame_.counts_fuel) asm_.pop(kFuel);
  if (frame_.keeps_context) asm_.pop(kContext);
}

void MasmX64::StoreFuel() { asm_.mov(ContextField(ExecutionLayout::kFuel, 8), kFuel); }
void MasmX64::LoadFuel() { asm_.mov(kFuel, ContextField(ExecutionLayout::kFuel, 8)); }

void MasmX64::Exit() {
  LeaveFrame();
  asm_.ret();
}

asmjit::Label MasmX64::StopLabel() {
  if (!stop_.isValid()) stop_ = asm_.newLabel();
  return stop_;
}

void MasmX64::EmitCold() {
  for (size_t i = 0; i < cold_.size(); ++i) {
    const Cold& cold = cold_[i];
    asm_.bind(cold.entry);
    if (cold.kind == Cold::Kind::kRefill) {
      asm_.call(refill_);
      asm_.jnz(cold.back);
    }
    asm_.mov(ContextField(ExecutionLayout::kTrapInsn, 4), cold.insn);
    StopLabel();
    if (i + 1 < cold_.size()) asm_.jmp(stop_);  // the last one falls through
  }
  cold_.clear();
  if (!stop_.isValid()) return;
  asm_.bind(stop_);
  asm_.xor_(x86::eax, x86::eax);
  Exit();
}

// A helper's call of a function of the program: r1 .. r5 stand where the
// machine passes arguments, and the context is the sixth.
void MasmX64::EnterCallback(Label function, bool counts_fuel) {
  asm_.push(kContext);
  asm_.mov(kContext, x86::r9);
  if (counts_fuel) {
    asm_.push(kFuel);
    asm_.sub(x86::rsp, 8);
    LoadFuel();
  }
  asm_.call(At(function));
  if (counts_fuel) {
    StoreFuel();
    asm_.add(x86::rsp, 8);
    asm_.pop(kFuel);
  }
  asm_.pop(kContext);
  asm_.ret();
}

// Shared by all places that count fuel: asks for more. Keeps every register of
// the program; zero flag set: the run is stopped.
// Clobbers: r9, r10, r11, flags.
void MasmX64::EmitRefill() {
  if (!refill_.isValid()) return;
  asm_.bind(refill_);
  const Gp kept[] = {x86::rax, x86::rdi, x86::rsi, x86::rdx, x86::rcx, x86::r8};
  for (const Gp& reg : kept) asm_.push(reg);
  asm_.sub(x86::rsp, 8);
  StoreFuel();
  asm_.mov(x86::rdi, kContext);
  CallAddress(reinterpret_cast<const void*>(&model::RefillFuel), "RefillFuel");
  LoadFuel();
  asm_.test(x86::al, x86::al);
  asm_.lea(x86::rsp, x86::ptr(x86::rsp, 8));
  for (size_t i = std::size(kept); i-- > 0;) asm_.pop(kept[i]);
  asm_.ret();
}

// ---- memory ----------------------------------------------------------------

// Acquiring loads are plain loads here: the CPU does not reorder loads.
void MasmX64::Load(int width, bool sign, Reg dst, const Address& address) {
  const auto bytes = static_cast<uint32_t>(width / 8);
  const x86::Mem memory = At(address, bytes);
  if (sign) {
    if (width == 32) {
      asm_.movsxd(Machine(dst), memory);
    } else {
      asm_.movsx(Machine(dst), memory);
    }
  } else if (width == 64) {
    asm_.mov(Machine(dst), memory);
  } else if (width == 32) {
    asm_.mov(Machine(dst, 32), memory);
  } else {
    asm_.movzx(Machine(dst, 32), memory);
  }
}

// Releasing stores are plain stores here: the CPU does not reorder stores.
// Clobbers: r11.
void MasmX64::Store(int width, const Address& address, Operand value) {
  const x86::Mem memory = At(address, static_cast<uint32_t>(width / 8));
  if (!value.is_reg()) {
    // Sign-extended to the width, as eBPF's.
    const int64_t imm = width == 8    ? static_cast<int8_t>(value.imm)
                        : width == 16 ? static_cast<int16_t>(value.imm)
                                      : value.imm;
    asm_.mov(memory, asmjit::imm(imm));
    return;
  }
  const Gp from = Read(value.reg, 64, x86::r11);
  switch (width) {
    case 8:
      asm_.mov(memory, from.r8());
      break;
    case 16:
      asm_.mov(memory, from.r16());
      break;
    case 32:
      asm_.mov(memory, from.r32());
      break;
    default:
      asm_.mov(memory, from);
      break;
  }
}

// Clobbers: r9, r10, r11, flags.
void MasmX64::Atomic(OpKind kind, int width, const Address& address, Reg src, RegSet live) {
  const x86::Mem memory = At(address, static_cast<uint32_t>(width / 8));
  const Gp value = Read(src, width, x86::r11);
  switch (kind) {
    case OpKind::kAtomicAdd:
      asm_.lock().add(memory, value);
      break;
    case OpKind::kAtomicOr:
      asm_.lock().or_(memory, value);
      break;
    case OpKind::kAtomicAnd:
      asm_.lock().and_(memory, value);
      break;
    case OpKind::kAtomicXor:
      asm_.lock().xor_(memory, value);
      break;
    case OpKind::kAtomicFetchAdd:
      asm_.lock().xadd(memory, value);
      break;
    case OpKind::kXchg:
      asm_.xchg(memory, value);  // locked without the prefix
      break;
    case OpKind::kCmpXchg:
      asm_.lock().cmpxchg(memory, value, width == 64 ? Gp(x86::rax) : Gp(x86::eax));
      // The CPU leaves the upper half of rax alone when the values are equal.
      if (width == 32) asm_.mov(x86::eax, x86::eax);
      break;
    case OpKind::kAtomicFetchOr:
    case OpKind::kAtomicFetchAnd:
    case OpKind::kAtomicFetchXor:
      FetchLoop(kind, width, address, src, live);
      break;
    default:
      SKEP_UNREACHABLE();
  }
}

// Outside the packet the function returns 0.
// Clobbers: r1 .. r5, r9, r10, r11, flags.
void MasmX64::LoadPacket(int width, Reg index, int32_t offset) {
  if (index == kNoReg) {
    asm_.mov(x86::esi, offset);
  } else {
    // Only the low half of the sum counts.
    asm_.lea(x86::esi, x86::ptr(Read(index, 64, x86::r11), offset));
  }
  asm_.mov(x86::rdi, Machine(6));
  asm_.mov(x86::edx, width / 8);
  CallAddress(reinterpret_cast<const void*>(&model::LoadPacket), "LoadPacket");
  static_assert(model::kPacketLoadFailed == ~uint64_t{0});
  asm_.cmp(x86::rax, -1);
  asm_.je(StopLabel());
}

// The CPU has no such instruction: read, compute, and write if nothing changed
// since. The old value must be in rax, so r0 moves aside.
// Clobbers: r9 (r0's old value), r10, r11, flags; rax unless live.
void MasmX64::FetchLoop(OpKind kind, int width, const Address& address, Reg src, RegSet live) {
  const Gp old = width == 64 ? Gp(x86::rax) : Gp(x86::eax);
  const Gp next = width == 64 ? Gp(x86::r10) : Gp(x86::r10d);
  const bool uses_r0 = address.base == 0 || src == 0;
  const bool keep_r0 = src != 0 && (live & Bit(0)) != 0;
  if (uses_r0 || keep_r0) asm_.mov(x86::r9, x86::rax);
  const Gp value =
      src == 0 ? (width == 64 ? Gp(x86::r9) : Gp(x86::r9d)) : Read(src, width, x86::r11);
  x86::Mem memory = At(address, static_cast<uint32_t>(width / 8));
  if (address.base == 0) memory.setBase(x86::r9);

  const asmjit::Label again = asm_.newLabel();
  asm_.mov(old, memory);
  asm_.bind(again);
  asm_.mov(next, old);
  if (kind == OpKind::kAtomicFetchOr) asm_.or_(next, value);
  if (kind == OpKind::kAtomicFetchAnd) asm_.and_(next, value);
  if (kind == OpKind::kAtomicFetchXor) asm_.xor_(next, value);
  asm_.lock().cmpxchg(memory, next, old);
  asm_.jnz(again);
  if (src == 0) return;
  asm_.mov(Machine(src, width), old);
  if (keep_r0) asm_.mov(x86::rax, x86::r9);
}

// ---- control ---------------------------------------------------------------

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
void MasmX64::Branch(OpKind kind, int width, Reg a, Operand b, bool negate, JumpTo to) {
  x86::CondCode condition = ConditionOf(kind);
  const bool against_zero = !b.is_reg() && b.imm == 0 && kind != OpKind::kJSet;
  // The flags say already whether the value is zero.
  const bool known = against_zero && flags_at_ == asm_.offset() && flags_reg_ == a &&
                     (flags_width_ == width || (flags_width_ == 32 && width == 64)) &&
                     (kind == OpKind::kJEq || kind == OpKind::kJNe);
  if (!known) {
    const Gp left = Read(a, width, x86::r10);
    if (b.is_reg()) {
      const Gp right = Read(b.reg, width, x86::r11);
      if (kind == OpKind::kJSet) {
        asm_.test(left, right);
      } else {
        asm_.cmp(left, right);
      }
    } else if (kind == OpKind::kJSet) {
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
  JumpIf(negate ? x86::negateCond(condition) : condition, to);
}

// Clobbers: r9, r10, r11, flags.
void MasmX64::Meter(uint32_t cost, uint32_t insn) {
  if (!refill_.isValid()) refill_ = asm_.newLabel();
  Cold cold{Cold::Kind::kRefill, asm_.newLabel(), asm_.newLabel(), insn};
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
  Cold cold{Cold::Kind::kStop, asm_.newLabel(), {}, insn};
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
  asm_.mov(x86::rdx, kContext);
  LeaveFrame();
  asm_.jmp(x86::r11);
  asm_.bind(failed);
}

}  // namespace skep::jit
