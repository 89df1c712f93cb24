// SPDX-License-Identifier: Apache-2.0
// MasmX64: the x86-64 port of jit/masm.h, through asmjit's Assembler as encoder.
//
// Registers (System V: arguments rdi rsi rdx rcx r8 r9, result rax; rbx rbp
// r12-r15 belong to the caller):
//
//   r0 rax   r1 rdi   r2 rsi   r3 rdx   r4 rcx   r5 r8    results and arguments
//   r6 rbx   r7 rbp   r8 r14   r9 r15                     kept over calls
//   r10      rsp + a constant of the frame
//   r13      the ExecutionContext, in programs that need it
//   r12      the fuel, in metered programs that jump back or call; else not used
//   r9 r10 r11  temporaries
//
// So a helper call moves one register: the context is the sixth argument.
//
// Frames: a function pushes what it changes of rbx, rbp, r14, r15 (the main
// function also r13 and r12), then makes room for its stack. A function that calls
// nothing keeps up to 128 bytes below rsp (the red zone) and moves nothing.
//
// The host enters the main function with r1 in rdi, r2 in rsi, the context in rdx, all
// other registers its own. A tail call leaves its own frame first, so the target returns
// to whoever called the function that made the tail call; but r13 stays as it is, and
// what the target shall restore to it lies above the return address. So chains of tail
// calls do not move the context to and fro: they enter behind the place where the main
// function saved r13, or, where it saves none, at code that takes it off the stack.

#ifndef SKEP_JIT_X64_MASM_X64_H_
#define SKEP_JIT_X64_MASM_X64_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <asmjit/x86.h>

#include "jit/masm.h"

namespace skep::jit {

class MasmX64 {
 public:
  using Gp = asmjit::x86::Gp;

  // With `text`, keeps the text of what is emitted for TakeText.
  MasmX64(Cpu cpu, bool text);
  MasmX64(const MasmX64&) = delete;
  MasmX64& operator=(const MasmX64&) = delete;

  // ---- program and places
  static constexpr uint32_t kNearBytes = 127;
  static constexpr uint32_t kLoopAlignment = 64;
  static constexpr uint32_t kMaxArenaBytes = 80;
  static constexpr uint32_t MaxBytes(Op op, bool names_r10, bool metered);

  uint32_t offset() const { return static_cast<uint32_t>(asm_.offset()); }
  Label NewLabel() { return asm_.newLabel().id(); }
  void Bind(Label label);
  void AlignLoop() { asm_.align(asmjit::AlignMode::kCode, kLoopAlignment); }
  // Asks for room for this many bytes of code.
  void Reserve(size_t bytes);
  // The finished program. Fails with kSystem or kResourceLimit if there is no
  // memory for it.
  Result<CodeMemory> Finish();
  // Where tail calls enter. REQUIRES: Finish.
  uint32_t tail_offset() const { return tail_offset_; }
  // Returns the text emitted since the last call.
  std::string TakeText();

  // ---- frames
  void Enter(const Frame& frame);
  void Exit();
  void EmitCold();
  void EnterCallback(Label function, bool counts_fuel);

  // ---- arithmetic
  void LoadConstant(Reg dst, uint64_t value);
  void LoadFunction(Reg dst, Label callback);
  void Alu(OpKind kind, int width, Reg dst, Operand b);
  // dst = a `kind` b. REQUIRES: shifts by a register have dst == a.
  void AluTo(OpKind kind, int width, Reg dst, Reg a, Operand b);
  void Divide(const Division& division);
  void AddressOf(int width, Reg dst, const Address& address);
  void MultiplyBy(int width, Reg dst, Reg src, int32_t factor);
  void RotateLeft(int width, Reg dst, Reg src, int count);
  void ZeroExtendTo(Reg dst, Reg src, int bits);

  // ---- memory
  void Load(int width, bool sign, Reg dst, const Address& address);
  // dst = dst `kind` memory: add, or, and, xor; 32 or 64 bits.
  void AluLoad(OpKind kind, int width, Reg dst, const Address& address);
  void Store(int width, const Address& address, Operand value);
  void Atomic(OpKind kind, int width, const Address& address, Reg src, RegSet live);
  // r0 = packet bytes at `index` (kNoReg: none) + offset; r6 is the context.
  void LoadPacket(int width, Reg index, int32_t offset);
  // Addresses have a base and a displacement.
  void LoadFromArena(const model::ArenaView& arena, int width, bool sign, Reg dst,
                     const Address& address);
  void StoreToArena(const model::ArenaView& arena, int width, const Address& address,
                    Operand value);
  void AtomicInArena(const model::ArenaView& arena, OpKind kind, int width, const Address& address,
                     Reg src);
  // dst = the low half of src, and `upper` unless that is 0.
  void CastToUser(Reg dst, Reg src, uint64_t upper);

  // ---- control
  void Jump(JumpTo to);
  void Branch(OpKind kind, int width, Reg a, Operand b, bool negate, JumpTo to);
  // If the condition holds, dst = src. `compared`: the flags are those of the same
  // condition, which the operation before asked.
  void Select(const Condition& condition, Reg dst, Reg src, bool compared);
  // Jumps to table[value], or to `otherwise` if the value is not below the size,
  // which `in_range` rules out. 64 bits. Clobbers: r10, r11.
  void Switch(Reg value, std::span<const Label> table, bool in_range, Label otherwise);
  // The count of may_goto lies at r10 + offset.
  void StartMayGoto(int32_t offset);
  void MayGoto(int32_t offset, Label target);
  void Meter(uint32_t cost, uint32_t insn);
  // `name` is for the text.
  void CallHelper(HelperFunction function, std::string_view name, bool calls_back);
  void CallFunction(Label function);
  void StopIfStopped();
  void StopIfStoppedAt(uint32_t insn);
  void Lookup(const ArrayLookup& lookup);
  void LoadCpu();
  // r0 = bpf_loop(r1, function, r3, 0).
  void Loop(Label function, bool may_stop);
  // r0 = bpf_iter_num_next(r1).
  void IterateNumbers();
  void Tail(const TailCall& call);

 private:
  // Code that is rarely executed, emitted behind its function.
  struct Cold {
    enum class Kind : uint8_t { kRefill, kStop, kMayGoto };
    Kind kind;
    asmjit::Label entry;
    asmjit::Label back;  // kRefill, kMayGoto
    uint32_t insn = 0;
    asmjit::Label target{};  // kMayGoto: where it jumps
    int32_t count = 0;       // kMayGoto: where its count is, from rsp
  };

  // Keeps the first failure of asmjit, which otherwise drops the instruction.
  class FirstError final : public asmjit::ErrorHandler {
   public:
    void handleError(asmjit::Error error, const char*, asmjit::BaseEmitter*) override {
      if (error_ == asmjit::kErrorOk) error_ = error;
    }
    asmjit::Error error() const { return error_; }

   private:
    asmjit::Error error_ = asmjit::kErrorOk;
  };

  asmjit::Label At(Label id) const { return asmjit::Label(id); }
  // The machine register of r0 .. r9.
  static Gp Machine(Reg reg, int width = 64);
  // The machine register that holds `reg`. Clobbers: temporary, if reg is r10.
  Gp Read(Reg reg, int width, const Gp& temporary);
  asmjit::x86::Mem At(const Address& address, uint32_t bytes) const;
  asmjit::x86::Mem ContextField(size_t offset, uint32_t bytes) const;
  void LeaveFrame();
  void LeaveAllButContext();
  void EmitTailEntry();
  void StoreFuel();
  void LoadFuel();
  void CallAddress(const void* function, std::string_view name);
  void JumpIf(asmjit::x86::CondCode condition, JumpTo to);
  // Leaves the function with r0 = 0; returns its place.
  asmjit::Label StopLabel();
  void Compare(const Condition& condition);
  void EmitRefill();
  void EmitMayGotoCheck();
  void EmitTables();
  void EmitCatch();
  // Where C++ is called from in the middle of a function: all registers of the
  // program are kept. Between the two, rsp is a multiple of 16.
  void PushAll();
  void PopAll();

  void Move(int width, Reg dst, Operand b);
  void Simple(OpKind kind, int width, Reg dst, Operand b);
  void SimpleImm(OpKind kind, int width, Reg dst, int32_t imm);
  void Shift(OpKind kind, int width, Reg dst, Operand b);
  void Swap(int width, Reg dst);
  bool DivideByConstant(const Division& division);
  void DivideByMultiplying(bool remainder, Reg dst, uint32_t divisor);
  bool DivideByMultiplying64(const Division& division);
  void DivideByRegister(const Division& division, const Gp& divisor);
  void UnsignedDivision(const Division& division, const Gp& divisor, const Gp& dividend);
  void SignedDivision(const Division& division, const Gp& divisor);
  void LoadAt(int width, bool sign, Reg dst, const asmjit::x86::Mem& memory);
  void StoreAt(int width, const asmjit::x86::Mem& memory, Operand value, const Gp& temporary);
  void AtomicAt(OpKind kind, int width, const asmjit::x86::Mem& memory, const Gp& value);
  asmjit::Label ArenaPage(const model::ArenaView& arena, const Address& address);
  void FetchLoop(OpKind kind, int width, const Address& address, Reg src, RegSet live);
  // Remembers that the flags are those of `reg`'s value: the next instruction
  // may branch on them.
  void FlagsOf(int width, Reg reg);

  FirstError errors_;  // outlives code_, which refers to it
  asmjit::CodeHolder code_;
  asmjit::x86::Assembler asm_;
  asmjit::StringLogger logger_;
  bool has_bmi2_ = false;
  const void* near_ = nullptr;  // the first function outside that is called

  Frame frame_;
  uint32_t tail_offset_ = 0;  // 0: not known yet
  int32_t stack_adjust_ = 0;  // bytes that Enter took from rsp below the pushes
  int32_t frame_top_ = 0;     // r10 - rsp
  std::vector<Cold> cold_;
  struct Table {
    asmjit::Label at;
    std::vector<asmjit::Label> targets;
  };
  std::vector<Table> tables_;     // emitted behind the program
  asmjit::Label stop_;            // of the function in hand
  asmjit::Label refill_;          // of the program
  asmjit::Label may_goto_;        // of the program
  size_t flags_at_ = ~size_t{0};  // offset at which the flags are flags_reg_'s
  Reg flags_reg_ = 0;
  int flags_width_ = 0;
};

// Loose where it does not matter, exact for what stands between branches.
constexpr uint32_t MasmX64::MaxBytes(Op op, bool names_r10, bool metered) {
  const OpInfo& info = Info(op);
  const uint32_t r10 = names_r10 ? 9 : 0;  // lea temporary, [rsp + disp32]
  const uint32_t meter = metered ? 16 : 0;
  switch (ClassOf(info.kind)) {
    case OpClass::kAlu:
      switch (info.kind) {
        case OpKind::kDiv:
        case OpKind::kMod:
        case OpKind::kSDiv:
        case OpKind::kSMod:
          return 96;
        case OpKind::kLsh:
        case OpKind::kRsh:
        case OpKind::kArsh:
          return info.operands == Operands::kDstImm ? 4 : r10 + 13;
        case OpKind::kToBe:
        case OpKind::kBswap:
          return 9;
        default:
          return r10 + (info.operands == Operands::kDstSrc ? 4 : 8);
      }
    case OpClass::kLoad:
      return 10;
    case OpClass::kStore:
      return r10 + 14;
    case OpClass::kAtomic:
      return 72;
    case OpClass::kWideLoad:
      return 10;
    case OpClass::kJump:
      return 5 + meter;
    case OpClass::kBranch:
      return r10 + (info.operands == Operands::kBranchReg ? 9 : 13) + meter;
    case OpClass::kCall:
      return info.kind == OpKind::kCallLocal ? 24 + meter : 176;
    case OpClass::kExit:
      return 24;
    case OpClass::kPacketLoad:
      return r10 + 32;
    case OpClass::kMayGoto:
      return 32 + meter;
    case OpClass::kCast:
      return 32;
  }
  return 0;
}

}  // namespace skep::jit

#endif  // SKEP_JIT_X64_MASM_X64_H_
