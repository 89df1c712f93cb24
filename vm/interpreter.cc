// SPDX-License-Identifier: Apache-2.0
// Calls, returns and the driver; vm/interpreter_handlers.h has the rest, and
// vm/threading.cc makes the cells.
#include "vm/interpreter.h"

#include <cstring>

#include "skep/map.h"

#include "model/may_goto.h"
#include "model/tail_target.h"
#include "vm/interpreter_handlers.h"

namespace skep {

using model::ExecutionLayout;

namespace interpreter {
namespace {

const model::TailTarget* FindTailTarget(uint64_t map, uint64_t index, ExecutionContext& context) {
  // Linux reads the index as u32, and counts only calls that find a program.
  const DirectView slots = reinterpret_cast<Map*>(map)->direct_view();
  const auto slot = static_cast<uint32_t>(index);
  if (slot >= slots.max_entries) return nullptr;
  if (ExecutionLayout::tail_calls(context) >= model::kMaxTailCalls) return nullptr;
  const auto address = reinterpret_cast<uint64_t>(slots.base + slot * slots.stride);
  return reinterpret_cast<const model::TailTarget*>(LoadAcquire<uint64_t>(address));
}

// Enters a function; it returns behind `call`. Returns false if the run is
// stopped.
[[gnu::always_inline]] inline bool PushFrame(const Cell* call, Machine& machine) noexcept {
  const uint64_t frame_pointer = machine.r[kFramePointer] - static_cast<uint64_t>(call->off);
  if (machine.depth >= model::kMaxNestedFrames - 1 ||
      frame_pointer < machine.stack_low + model::kFrameBytes + model::kMayGotoBytes) {
    machine.context->Stop(TrapCode::kCallDepth, "the call stack is too deep");
    return false;
  }
  int64_t& fuel = ExecutionLayout::fuel(*machine.context);
  if (__builtin_expect(--fuel < 0, 0)) {
    if (!model::RefillFuel(*machine.context)) return false;
  }
  InterpreterFrame& frame = machine.frames[machine.depth++];
  frame.return_to = call + 1;
  frame.call_base = machine.call_base;
  frame.program = machine.program;
  frame.main_depth = machine.main_depth;
  std::memcpy(frame.saved, &machine.r[6], sizeof frame.saved);
  machine.r[kFramePointer] = frame_pointer;
  return true;
}

}  // namespace

const Cell* CallLocal(const Cell* pc, Machine& machine) noexcept;

const Cell* CallHelper(const Cell* pc, Machine& machine) noexcept {
  const auto* entry = reinterpret_cast<const model::HelperEntry*>(
      reinterpret_cast<const std::byte*>(machine.call_base) + pc->imm);
  uint64_t* const r = machine.r;
  r[0] = entry->function(r[1], r[2], r[3], r[4], r[5], *machine.context);
  if (__builtin_expect(machine.context->stopped(), 0)) return StopAt(pc, machine);
  SKEP_NEXT(pc + 1);
}

const Cell* Leave(const Cell* pc, Machine& machine) noexcept;

// After bpf_throw: leaves all functions but the main one, which goes on with the
// exception callback.
const Cell* Catch(const Cell* pc, Machine& machine) noexcept {
  machine.r[1] = model::TakeThrown(*machine.context);
  for (; machine.depth > machine.main_depth; --machine.depth) {
    const Cell& call = machine.frames[machine.depth - 1].return_to[-1];
    machine.r[kFramePointer] += static_cast<uint64_t>(call.off);
  }
  if (machine.program->exception_callback == nullptr) {
    machine.r[0] = machine.r[1];
    return Leave(pc, machine);
  }
  SKEP_NEXT(machine.program->exception_callback);
}

const Cell* CallHelperWithCallbacks(const Cell* pc, Machine& machine) noexcept {
  model::ExecutionExtras& extras = ExecutionLayout::extras(*machine.context);
  void* const outer = extras.machine;
  extras.machine = &machine;
  machine.frame_bytes = static_cast<uint32_t>(pc->off);
  const auto* entry = reinterpret_cast<const model::HelperEntry*>(
      reinterpret_cast<const std::byte*>(machine.call_base) + pc->imm);
  uint64_t* const r = machine.r;
  r[0] = entry->function(r[1], r[2], r[3], r[4], r[5], *machine.context);
  extras.machine = outer;
  if (__builtin_expect(machine.context->stopped(), 0)) {
    if (ExecutionLayout::trap(*machine.context) == model::kThrown) return Catch(pc, machine);
    return StopAt(pc, machine);
  }
  SKEP_NEXT(pc + 1);
}

// The cell that a callback returns to: the driver ends.
const Cell* ReturnToHelper(const Cell*, Machine&) noexcept { return nullptr; }

// What helpers call through ExecutionContext::Call.
uint64_t CallBack(ExecutionContext& context, uint64_t function, uint64_t r1, uint64_t r2,
                  uint64_t r3, uint64_t r4, uint64_t r5) noexcept {
  Machine& machine = *static_cast<Machine*>(ExecutionLayout::extras(context).machine);
  const uint32_t frame_bytes = machine.frame_bytes;
  // CallLocal and Leave read the size of the caller's frame from the call.
  const Cell call[2] = {{.handler = CallLocal, .off = static_cast<int16_t>(frame_bytes), .imm = 0},
                        {.handler = ReturnToHelper}};
  if (!PushFrame(call, machine)) return 0;
  machine.r[1] = r1;
  machine.r[2] = r2;
  machine.r[3] = r3;
  machine.r[4] = r4;
  machine.r[5] = r5;
  const auto* pc = reinterpret_cast<const Cell*>(function);
  do {
    pc = pc->handler(pc, machine);
  } while (pc != nullptr);
  machine.frame_bytes = frame_bytes;
  return machine.r[0];
}

const Cell* CallLocal(const Cell* pc, Machine& machine) noexcept {
  if (__builtin_expect(!PushFrame(pc, machine), 0)) return StopAt(pc, machine);
  SKEP_NEXT(pc + pc->imm);
}

const Cell* Leave(const Cell*, Machine& machine) noexcept {
  if (machine.depth == 0) return nullptr;
  const InterpreterFrame& frame = machine.frames[--machine.depth];
  machine.call_base = frame.call_base;
  machine.program = frame.program;
  machine.main_depth = frame.main_depth;
  std::memcpy(&machine.r[6], frame.saved, sizeof frame.saved);
  const Cell& call = frame.return_to[-1];
  machine.r[kFramePointer] += static_cast<uint64_t>(call.off);
  SKEP_NEXT(frame.return_to);
}

const Cell* StartMayGoto(const Cell* pc, Machine& machine) noexcept {
  const uint64_t address = machine.r[kFramePointer] + static_cast<uint64_t>(int64_t{pc->imm});
  *reinterpret_cast<model::MayGotoCount*>(address) = {};
  SKEP_NEXT(pc + 1);
}

const Cell* MayGoto(const Cell* pc, Machine& machine) noexcept {
  const uint64_t address = machine.r[kFramePointer] + static_cast<uint64_t>(int64_t{pc->imm});
  auto& count = *reinterpret_cast<model::MayGotoCount*>(address);
  if (--count.left >= 0 || model::MayGotoGoesOn(count)) SKEP_NEXT(pc + 1);
  if (pc->off <= 0) {
    int64_t& fuel = ExecutionLayout::fuel(*machine.context);
    fuel += pc->off - 1;
    if (fuel < 0 && !model::RefillFuel(*machine.context)) return StopAt(pc, machine);
  }
  SKEP_NEXT(pc + pc->off);
}

const Cell* CastToUser(const Cell* pc, Machine& machine) noexcept {
  const model::ArenaView& arena = *machine.program->exec->arena;
  machine.r[pc->dst] = model::ArenaView::ToUser(machine.r[pc->src], arena.upper);
  SKEP_NEXT(pc + 1);
}

const Cell* TailCall(const Cell* pc, Machine& machine) noexcept {
  const model::TailTarget* target = FindTailTarget(machine.r[2], machine.r[3], *machine.context);
  if (target == nullptr) SKEP_NEXT(pc + 1);
  ++ExecutionLayout::tail_calls(*machine.context);
  machine.program = static_cast<const ThreadedProgram*>(target->decoded);
  machine.call_base = machine.program->exec->call_base;
  machine.main_depth = machine.depth;
  SKEP_NEXT(machine.program->cells.data());
}

}  // namespace interpreter

namespace {

uint64_t RunFrom(const Cell* pc, const ThreadedProgram& program, ExecutionContext& context,
                 uint64_t r1, uint64_t r2, uint64_t r3) noexcept {
  Machine machine;  // the frames are written before they are read
  std::memset(machine.r, 0, sizeof machine.r);
  machine.r[1] = r1;
  machine.r[2] = r2;
  machine.r[3] = r3;
  machine.stack_low = reinterpret_cast<uint64_t>(ExecutionLayout::stack(context));
  machine.r[kFramePointer] = machine.stack_low + model::kStackBytes;
  machine.context = &context;
  machine.call_base = program.exec->call_base;
  machine.program = &program;
  machine.depth = 0;
  machine.main_depth = 0;
  machine.frame_bytes = 0;
  ExecutionLayout::call(context) = interpreter::CallBack;
  do {
    pc = pc->handler(pc, machine);
  } while (pc != nullptr);
  return machine.r[0];
}

}  // namespace

uint64_t Interpret(const ThreadedProgram& program, ExecutionContext& context, uint64_t r1,
                   uint64_t r2) noexcept {
  return RunFrom(program.cells.data(), program, context, r1, r2, 0);
}

// The value of a function is the address of its first cell.
void InterpretFunction(const ThreadedProgram& program, ExecutionContext& context, uint64_t function,
                       const uint64_t* arguments) noexcept {
  RunFrom(reinterpret_cast<const Cell*>(function), program, context, arguments[0], arguments[1],
          arguments[2]);
}

}  // namespace skep
