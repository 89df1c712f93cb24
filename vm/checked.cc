// SPDX-License-Identifier: Apache-2.0
#include "vm/checked.h"

#include <cstring>
#include <string>
#include <vector>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include "base/check.h"
#include "base/memory_access.h"
#include "isa/op.h"
#include "isa/semantics.h"
#include "model/execution_layout.h"
#include "model/fuel.h"
#include "model/helper_entry.h"
#include "model/may_goto.h"
#include "model/packet_load.h"
#include "model/tail_target.h"
#include "vm/checked_calls.h"
#include "vm/checked_memory.h"
#include "vm/checked_observer.h"

namespace skep {
namespace {

using model::ExecInsn;
using model::ExecProgram;
using model::ExecutionLayout;

// Of a frame that a helper entered: its end ends the helper's call.
constexpr uint32_t kToHelper = 0xffffffff;

struct Frame {
  const ExecProgram* program;
  uint32_t return_to;
  model::MayGotoCount may_goto;
  uint32_t main_depth;
  uint64_t saved[4];  // r6 .. r9
};

class Machine {
 public:
  Machine(const ExecProgram& program, ExecutionContext& context, void* r1, uint64_t r2)
      : program_(&program), context_(context), memory_(program, context, r1, r2) {
    r_[1] = reinterpret_cast<uintptr_t>(r1);
    // Only plain memory programs get a second argument.
    if (program.type == ProgramTypeId::kMemory) r_[2] = r2;
    r_[kFramePointer] = memory_.stack_top();
    model::ExecutionExtras& extras = ExecutionLayout::extras(context);
    observer_ = extras.observer;
    extras.machine = this;
    ExecutionLayout::call(context) = CallBack;
    if (observer_ != nullptr) observer_->Start(program, memory_, context);
    StartFrame();
  }
  ~Machine() {
    ExecutionLayout::extras(context_).machine = nullptr;
    ExecutionLayout::call(context_) = nullptr;
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  uint64_t Run() {
    Loop(0);
    if (observer_ != nullptr && !context_.stopped()) observer_->End(r_);
    ReleaseRecords(*program_, memory_, context_);
    return context_.stopped() ? 0 : r_[0];
  }

  // What a timer calls: r1 is the map, whose value is r3 and whose key is r2.
  void RunFunction(uint64_t function, const uint64_t* arguments) {
    if (!memory_.IsFunction(function)) {
      return Stop(TrapCode::kBadCall, fmt::format("{:#x} is no function", function));
    }
    auto* map = reinterpret_cast<Map*>(arguments[0]);
    memory_.AddInnerMap(map);
    std::vector<Extent>& lent = ExecutionLayout::extras(context_).lent;
    lent.push_back({reinterpret_cast<std::byte*>(arguments[1]), map->spec().key_size, false});
    std::memcpy(&r_[1], arguments, 3 * sizeof r_[1]);
    pc_ = static_cast<uint32_t>(function - ExecProgram::FunctionValue(0));
    Loop(0);
    lent.pop_back();
    ReleaseRecords(*program_, memory_, context_);
  }

 private:
  void Stop(TrapCode code, std::string why) {
    if (context_.stopped()) return;
    const uint32_t slot = pc_ < program_->origin.size() ? program_->origin[pc_] : pc_;
    context_.Stop(code, fmt::format("instruction {}: {}", slot, why));
  }

  // Runs until the frame at `depth` has returned.
  void Loop(uint32_t depth) {
    while (!done_ && depth_ >= depth && !context_.stopped()) {
      if (pc_ >= program_->insns.size()) {
        Stop(TrapCode::kBadInsn, "control ran off the end of the program");
        break;
      }
      if (observer_ != nullptr && !Observe()) break;
      Step(program_->insns[pc_]);
    }
  }

  // Several instructions may stand for one slot: the first tells.
  bool Observe() {
    if (pc_ > 0 && program_->origin[pc_] == program_->origin[pc_ - 1]) return true;
    if (observer_->At(program_->origin[pc_], r_)) return true;
    Stop(TrapCode::kInterrupted, "stopped by the observer");
    return false;
  }

  // What helpers call through ExecutionContext::Call.
  static uint64_t CallBack(ExecutionContext& context, uint64_t function, uint64_t r1, uint64_t r2,
                           uint64_t r3, uint64_t r4, uint64_t r5) noexcept {
    auto* machine = static_cast<Machine*>(ExecutionLayout::extras(context).machine);
    const uint64_t arguments[] = {r1, r2, r3, r4, r5};
    return machine->EnterFromHelper(function, arguments);
  }

  uint64_t EnterFromHelper(uint64_t function, const uint64_t* arguments) {
    if (!memory_.IsFunction(function)) {
      Stop(TrapCode::kBadCall, fmt::format("{:#x} is no function", function));
      return 0;
    }
    const uint32_t call = pc_;
    uint64_t saved[kRegisterCount];
    std::memcpy(saved, r_, sizeof r_);
    PushFrame(kToHelper);
    if (context_.stopped()) return 0;
    std::memcpy(&r_[1], arguments, 5 * sizeof r_[1]);
    pc_ = static_cast<uint32_t>(function - ExecProgram::FunctionValue(0));
    Loop(depth_);
    const uint64_t result = r_[0];
    std::memcpy(r_, saved, sizeof r_);
    pc_ = call;
    if (observer_ != nullptr && !context_.stopped()) Observe();
    return context_.stopped() ? 0 : result;
  }

  uint32_t Slot() const { return pc_ < program_->origin.size() ? program_->origin[pc_] : pc_; }

  void Step(const ExecInsn& insn) {
    ExecutionLayout::trap_insn(context_) = Slot();
    const OpInfo& info = Info(insn.op);
    const auto source = [&] {
      return UsesSrcRegister(info.operands) ? r_[insn.src]
                                            : static_cast<uint64_t>(int64_t{insn.imm});
    };
    uint32_t next = pc_ + 1;
    switch (ClassOf(info.kind)) {
      case OpClass::kAlu:
        r_[insn.dst] = EvalAlu(info.kind, info.width, r_[insn.dst], source());
        break;
      case OpClass::kLoad:
        Load(insn, info);
        break;
      case OpClass::kStore:
        Store(insn, info, source());
        break;
      case OpClass::kAtomic:
        Atomic(insn, info);
        break;
      case OpClass::kWideLoad:
        r_[insn.dst] =
            info.kind == OpKind::kLoadFunc ? ExecProgram::FunctionValue(insn.target) : insn.wide();
        break;
      case OpClass::kJump:
        next = insn.target;
        break;
      case OpClass::kBranch:
        if (EvalJump(info.kind, info.width, r_[insn.dst], source())) next = insn.target;
        break;
      case OpClass::kCall:
        next = info.kind == OpKind::kCallLocal ? Enter(insn) : CallHelper(insn, next);
        break;
      case OpClass::kExit:
        next = Leave();
        break;
      case OpClass::kPacketLoad:
        next = LoadPacket(insn, info, next);
        break;
      case OpClass::kMayGoto:
        if (insn.imm != model::kMayGotoStarts && !MayGotoGoesOn()) next = insn.target;
        break;
      case OpClass::kCast:
        r_[insn.dst] = model::ArenaView::ToUser(r_[insn.src], insn.wide());
        break;
    }
    if (next <= pc_ && !context_.stopped()) Burn(pc_ - next + 1);
    if (!context_.stopped()) pc_ = next;
  }

  bool MayGotoGoesOn() {
    if (--may_goto_.left >= 0) return true;
    if (observer_ == nullptr) return model::MayGotoGoesOn(may_goto_);
    may_goto_.left = 0;
    return false;
  }

  void Burn(int64_t instructions) {
    int64_t& fuel = ExecutionLayout::fuel(context_);
    fuel -= instructions;
    if (fuel < 0) model::RefillFuel(context_);
  }

  // The place of an access to the arena. nullopt: it has no effect.
  std::optional<CheckedAccess> InArena(const ExecInsn& insn, uint64_t pointer, uint32_t bytes,
                                       AccessMode mode) const {
    const model::ArenaView& arena = *program_->arena;
    const uint64_t address = arena.AddressOf(pointer, insn.off);
    if (mode != AccessMode::kRead && !arena.Allocated(address)) return std::nullopt;
    return CheckedAccess{address, bytes};
  }

  // The place of an access, or nullopt after a trap.
  std::optional<CheckedAccess> Access(uint64_t address, uint32_t bytes, AccessMode mode) {
    const auto access = memory_.Check(address, bytes, mode);
    if (!access) {
      Stop(TrapCode::kBadAccess, fmt::format("{} of {} bytes at {:#x}; allowed: {}",
                                             mode == AccessMode::kRead ? "read" : "write", bytes,
                                             address, memory_.Describe()));
      return std::nullopt;
    }
    if (mode == AccessMode::kAtomic && address % bytes != 0) {
      Stop(TrapCode::kMisaligned,
           fmt::format("atomic access of {} bytes at {:#x}, which is not aligned", bytes, address));
      return std::nullopt;
    }
    return access;
  }

  static uint64_t Read(const CheckedAccess& access) {
    switch (access.bytes) {
      case 1:
        return LoadRelaxed<uint8_t>(access.address);
      case 2:
        return LoadRelaxed<uint16_t>(access.address);
      case 4:
        return LoadRelaxed<uint32_t>(access.address);
      case 8:
        return LoadRelaxed<uint64_t>(access.address);
    }
    SKEP_UNREACHABLE();
  }

  static void Write(const CheckedAccess& access, uint64_t value) {
    switch (access.bytes) {
      case 1:
        return StoreRelaxed(access.address, static_cast<uint8_t>(value));
      case 2:
        return StoreRelaxed(access.address, static_cast<uint16_t>(value));
      case 4:
        return StoreRelaxed(access.address, static_cast<uint32_t>(value));
      case 8:
        return StoreRelaxed(access.address, value);
    }
    SKEP_UNREACHABLE();
  }

  void Load(const ExecInsn& insn, const OpInfo& info) {
    const uint64_t address = r_[insn.src] + static_cast<uint64_t>(int64_t{insn.off});
    const auto access = insn.in_arena != 0
                            ? InArena(insn, r_[insn.src], info.width / 8u, AccessMode::kRead)
                            : Access(address, info.width / 8u, AccessMode::kRead);
    if (!access) return;
    const uint64_t value = Read(*access);
    if (info.kind == OpKind::kLoadAcquire) __atomic_thread_fence(__ATOMIC_ACQUIRE);
    r_[insn.dst] = info.kind == OpKind::kLoadSx ? SignExtend(value, info.width) : value;
  }

  // Returns where to go on: the function returns 0 if the bytes are not all
  // inside the packet.
  uint32_t LoadPacket(const ExecInsn& insn, const OpInfo& info, uint32_t next) {
    const auto* skb =
        static_cast<const model::SkbContext*>(ExecutionLayout::program_context(context_));
    if (r_[6] != reinterpret_cast<uintptr_t>(skb)) {
      Stop(TrapCode::kBadCall, fmt::format("{} needs the context in r6", info.name));
      return next;
    }
    const uint64_t index = info.kind == OpKind::kLoadPacketInd ? r_[insn.src] : 0;
    const auto offset =
        static_cast<int32_t>(static_cast<uint32_t>(index) + static_cast<uint32_t>(insn.imm));
    r_[0] = model::LoadPacket(skb, offset, info.width / 8u);
    if (r_[0] != model::kPacketLoadFailed) return next;
    r_[0] = 0;
    return Leave();
  }

  void Store(const ExecInsn& insn, const OpInfo& info, uint64_t value) {
    const uint64_t address = r_[insn.dst] + static_cast<uint64_t>(int64_t{insn.off});
    const auto access = insn.in_arena != 0
                            ? InArena(insn, r_[insn.dst], info.width / 8u, AccessMode::kWrite)
                            : Access(address, info.width / 8u, AccessMode::kWrite);
    if (!access) return;
    if (info.kind == OpKind::kStoreRelease) __atomic_thread_fence(__ATOMIC_RELEASE);
    Write(*access, value);
  }

  template <class T>
  static uint64_t ReadModifyWrite(OpKind kind, uint64_t address, uint64_t src, uint64_t r0) {
    auto* memory = reinterpret_cast<Untyped<T>*>(address);
    T old = __atomic_load_n(memory, __ATOMIC_SEQ_CST);
    constexpr int kWidth = sizeof(T) * 8;
    while (!__atomic_compare_exchange_n(memory, &old,
                                        static_cast<T>(EvalAtomic(kind, kWidth, old, src, r0)),
                                        false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
    return old;
  }

  void Atomic(const ExecInsn& insn, const OpInfo& info) {
    const uint64_t address = r_[insn.dst] + static_cast<uint64_t>(int64_t{insn.off});
    const auto access = insn.in_arena != 0
                            ? InArena(insn, r_[insn.dst], info.width / 8u, AccessMode::kAtomic)
                            : Access(address, info.width / 8u, AccessMode::kAtomic);
    if (!access) return;
    const uint64_t old =
        info.width == 32
            ? ReadModifyWrite<uint32_t>(info.kind, access->address, r_[insn.src], r_[0])
            : ReadModifyWrite<uint64_t>(info.kind, access->address, r_[insn.src], r_[0]);
    if (info.Has(kWritesSrc)) r_[insn.src] = old;
    if (info.Has(kWritesR0)) r_[0] = old;
  }

  uint32_t Enter(const ExecInsn& insn) {
    PushFrame(pc_ + 1);
    return context_.stopped() ? pc_ : insn.target;
  }

  void PushFrame(uint32_t return_to) {
    // Frames that a tail call left behind do not count, as they do not in Linux.
    if (depth_ - main_depth_ + 1 >= model::kMaxFrames) {
      return Stop(TrapCode::kCallDepth, "the call stack of 9 frames is too deep");
    }
    if (depth_ == frames_.size()) frames_.emplace_back();
    Frame& frame = frames_[depth_++];
    frame.program = program_;
    frame.return_to = return_to;
    frame.may_goto = may_goto_;
    frame.main_depth = main_depth_;
    std::memcpy(frame.saved, &r_[6], sizeof frame.saved);
    r_[kFramePointer] -= model::kFrameBytes;
    memory_.set_stack(r_[kFramePointer] - model::kFrameBytes);
    StartFrame();
    Burn(1);
  }

  uint32_t Leave() {
    if (depth_ == 0) {
      done_ = true;
      return pc_ + 1;
    }
    const Frame& frame = frames_[--depth_];
    program_ = frame.program;
    memory_.set_program(*program_);
    may_goto_ = frame.may_goto;
    main_depth_ = frame.main_depth;
    std::memcpy(&r_[6], frame.saved, sizeof frame.saved);
    r_[kFramePointer] += model::kFrameBytes;
    memory_.set_stack(r_[kFramePointer] - model::kFrameBytes);
    // The jump back is not a loop: pay nothing for it.
    pc_ = 0;
    return frame.return_to;
  }

  // Unverified code may read stack that it did not write: give it zeroes.
  void StartFrame() {
    may_goto_ = {};
    if (observer_ != nullptr) may_goto_.left = observer_->MayGotoRounds();
    if (program_->verified) return;
    std::memset(reinterpret_cast<void*>(r_[kFramePointer] - model::kFrameBytes),
                observer_ != nullptr ? observer_->stack_fill() : 0, model::kFrameBytes);
  }

  uint32_t CallHelper(const ExecInsn& insn, uint32_t next) {
    const model::HelperEntry& entry = program_->HelperAt(insn);
    const std::string refused = CheckHelperCall(*entry.spec, r_, memory_);
    if (!refused.empty()) {
      Stop(TrapCode::kBadCall, fmt::format("call of {}: {}", entry.spec->name, refused));
      return pc_;
    }
    if (entry.spec->id == model::kHelperTailCall) return TailCall(next);
    NoteHelperCall(*entry.spec, r_, memory_);
    r_[0] = entry.function(r_[1], r_[2], r_[3], r_[4], r_[5], context_);
    if (ExecutionLayout::trap(context_) == model::kThrown) return Catch();
    NoteHelperResult(*entry.spec, r_, memory_);
    if (!program_->verified) std::memset(&r_[1], 0, 5 * sizeof r_[1]);
    return next;
  }

  // After bpf_throw: the main function goes on with the exception callback.
  uint32_t Catch() {
    r_[1] = model::TakeThrown(context_);
    while (depth_ > main_depth_) {
      --depth_;
      r_[kFramePointer] += model::kFrameBytes;
    }
    memory_.set_stack(r_[kFramePointer] - model::kFrameBytes);
    StartFrame();
    if (program_->exception_callback != 0) {
      pc_ = 0;
      return program_->exception_callback;
    }
    r_[0] = r_[1];
    return Leave();
  }

  uint32_t TailCall(uint32_t next) {
    const DirectView slots = memory_.FindMap(r_[2])->direct_view();
    const auto slot = static_cast<uint32_t>(r_[3]);
    if (slot >= slots.max_entries) return next;
    if (ExecutionLayout::tail_calls(context_) >= model::kMaxTailCalls) return next;
    const auto place = reinterpret_cast<uint64_t>(slots.base + slot * slots.stride);
    const auto* target = reinterpret_cast<const model::TailTarget*>(LoadAcquire<uint64_t>(place));
    if (target == nullptr) return next;
    ++ExecutionLayout::tail_calls(context_);
    if (observer_ != nullptr) observer_->TailCalled();
    observer_ = nullptr;
    program_ = target->program;
    memory_.set_program(*program_);
    main_depth_ = depth_;
    StartFrame();
    pc_ = 0;
    return 0;
  }

  const ExecProgram* program_;
  ExecutionContext& context_;
  CheckedMemory memory_;
  uint64_t r_[kRegisterCount] = {};
  uint32_t pc_ = 0;
  uint32_t depth_ = 0;
  bool done_ = false;
  uint32_t main_depth_ = 0;  // of the main function of the program
  model::MayGotoCount may_goto_;
  CheckedObserver* observer_ = nullptr;
  std::vector<Frame> frames_;  // those in use first
};

}  // namespace

void RunCheckedFunction(const model::ExecProgram& program, ExecutionContext& context,
                        uint64_t function, const uint64_t* arguments) noexcept {
  Machine machine(program, context, nullptr, 0);
  machine.RunFunction(function, arguments);
}

uint64_t RunChecked(const model::ExecProgram& program, ExecutionContext& context, void* r1,
                    uint64_t r2) noexcept {
  return Machine(program, context, r1, r2).Run();
}

}  // namespace skep
