// SPDX-License-Identifier: Apache-2.0
// Places and frames. What instructions become is in the other files of this
// folder, by topic.
#include "jit/x64/masm_x64.h"

#include <iterator>
#include <utility>

#include "base/check.h"
#include "jit/x64/registers_x64.h"
#include "model/execution_layout.h"
#include "model/fuel.h"
#include "model/may_goto.h"

namespace skep::jit {

namespace x86 = asmjit::x86;
using model::ExecutionLayout;

namespace {

constexpr int32_t kRedZone = 128;
// Every port's class fits the concept; here, so that the message is near.
static_assert(MacroAssembler<MasmX64>);

}  // namespace

MasmX64::MasmX64(Cpu cpu, bool text) {
  SKEP_CHECK(code_.init(asmjit::Environment(asmjit::Arch::kX64)) == asmjit::kErrorOk);
  code_.setErrorHandler(&errors_);
  if (text) code_.setLogger(&logger_);
  SKEP_CHECK(code_.attach(&asm_) == asmjit::kErrorOk);
  // Padding that control runs through is few long instructions, not many short ones.
  asm_.addEncodingOptions(asmjit::EncodingOptions::kOptimizedAlign);
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
  EmitMayGotoCheck();
  EmitTables();
  EmitTailEntry();
  asmjit::Error error = errors_.error();
  if (error == asmjit::kErrorOk) error = code_.flatten();
  if (error == asmjit::kErrorOk) error = code_.resolveUnresolvedLinks();
  // Only memory may be missing; anything else is a bug of this port.
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
    if (frame.is_main) tail_offset_ = offset();
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
  LeaveAllButContext();
  if (frame_.keeps_context) asm_.pop(kContext);
}

void MasmX64::LeaveAllButContext() {
  if (frame_.counts_fuel && (frame_.is_main || frame_.shares_fuel)) StoreFuel();
  if (stack_adjust_ != 0) asm_.add(x86::rsp, stack_adjust_);
  for (Reg reg = 10; reg-- > 6;) {
    if ((frame_.saved & Bit(reg)) != 0) asm_.pop(Machine(reg));
  }
  if (frame_.is_main && frame_.counts_fuel) asm_.pop(kFuel);
}

// Where a main function that keeps no context is entered by a tail call.
void MasmX64::EmitTailEntry() {
  if (tail_offset_ != 0) return;
  tail_offset_ = offset();
  asm_.pop(kContext);
  // To the first byte, where the main function is.
  constexpr uint8_t kJumpNear = 0xe9;
  constexpr uint32_t kJumpBytes = 5;
  const uint32_t end = offset() + kJumpBytes;
  asm_.db(kJumpNear);
  asm_.dd(0u - end);
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
    if (cold.kind == Cold::Kind::kMayGoto) {
      asm_.lea(x86::r11, x86::ptr(x86::rsp, cold.count));
      asm_.call(may_goto_);
      asm_.jnz(cold.back);
      asm_.jmp(cold.target);
      continue;
    }
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
  if (frame_.catches) EmitCatch();
  asm_.xor_(x86::eax, x86::eax);
  Exit();
}

// What was thrown has arrived in the main function.
void MasmX64::EmitCatch() {
  const asmjit::Label stopped = asm_.newLabel();
  static_assert(sizeof(model::kThrown) == 1);
  asm_.cmp(ContextField(ExecutionLayout::kTrap, 1), static_cast<uint8_t>(model::kThrown));
  asm_.jne(stopped);
  asm_.mov(x86::rdi, kContext);
  CallAddress(reinterpret_cast<const void*>(&model::TakeThrown), "TakeThrown");
  if (frame_.exception_callback) {
    asm_.mov(x86::rdi, x86::rax);
    CallFunction(*frame_.exception_callback);
    asm_.cmp(ContextField(ExecutionLayout::kTrap, 1), 0);
    asm_.jne(stopped);
  }
  Exit();
  asm_.bind(stopped);
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
  PushAll();
  StoreFuel();
  asm_.mov(x86::rdi, kContext);
  CallAddress(reinterpret_cast<const void*>(&model::RefillFuel), "RefillFuel");
  LoadFuel();
  asm_.test(x86::al, x86::al);
  PopAll();
  asm_.ret();
}

// Shared by all may_goto: r11 is the address of the count. Keeps every register of
// the program; zero flag set: the jump is taken.
// Clobbers: r9, r10, r11, flags.
void MasmX64::EmitMayGotoCheck() {
  if (!may_goto_.isValid()) return;
  asm_.bind(may_goto_);
  PushAll();
  asm_.mov(x86::rdi, x86::r11);
  CallAddress(reinterpret_cast<const void*>(&model::MayGotoGoesOn), "MayGotoGoesOn");
  asm_.test(x86::al, x86::al);
  PopAll();
  asm_.ret();
}

namespace {
constexpr x86::Gp kVolatile[] = {x86::rax, x86::rdi, x86::rsi, x86::rdx, x86::rcx,
                                 x86::r8,  x86::r9,  x86::r10, x86::r11};
}  // namespace

void MasmX64::PushAll() {
  for (const Gp& reg : kVolatile) asm_.push(reg);
}

// Keeps the flags.
void MasmX64::PopAll() {
  for (size_t i = std::size(kVolatile); i-- > 0;) asm_.pop(kVolatile[i]);
}

}  // namespace skep::jit
