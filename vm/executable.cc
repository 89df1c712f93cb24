// SPDX-License-Identifier: Apache-2.0
#include "vm/executable.h"

#include <chrono>
#include <utility>

#include "skep/engine.h"

#include "base/check.h"
#include "jit/compile.h"
#include "model/execution_layout.h"
#include "model/fuel.h"
#include "model/runtime_services.h"
#include "vm/checked.h"
#include "vm/interpreter.h"

namespace skep {
namespace {

using model::ExecutionLayout;

// What every run starts and ends with. Entering the epoch keeps alive what the
// run may find in prog arrays and outer maps.
class RunScope {
 public:
  RunScope(ExecutionContext& context, void* program_context) : context_(context) {
    ExecutionLayout::tail_calls(context) = 0;
    ExecutionLayout::trap(context) = TrapCode::kNone;
    ExecutionLayout::program_context(context) = program_context;
    ExecutionLayout::extras(context).epoch.Enter();
  }
  ~RunScope() {
    model::ExecutionExtras& extras = ExecutionLayout::extras(context_);
    if (context_.stopped()) [[unlikely]] {
      extras.held.Release();
      extras.owned.clear();
      extras.lent.clear();
    }
    extras.epoch.Leave();
  }
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;

  RunResult Result(uint64_t value) const {
    if (context_.stopped()) [[unlikely]] {
      return {0, ExecutionLayout::trap(context_), ExecutionLayout::trap_insn(context_)};
    }
    return {value, TrapCode::kNone, 0};
  }

 private:
  ExecutionContext& context_;
};

uint64_t AsNumber(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

class InterpExecutable final : public Executable {
 public:
  InterpExecutable(Program program, std::unique_ptr<ThreadedProgram> code)
      : Executable(Engine::kInterp, std::move(program), code->exec), code_(std::move(code)) {
    run_ = Run;
  }
  const ThreadedProgram& code_cells() const { return *code_; }

 private:
  void CallFunction(ExecutionContext& context, uint64_t function,
                    const uint64_t* arguments) const noexcept override {
    const RunScope scope(context, nullptr);
    model::StartFuel(context);
    InterpretFunction(*code_, context, function, arguments);
  }
  static RunResult Run(const Executable& self, ExecutionContext& context, void* r1,
                       uint64_t r2) noexcept {
    const RunScope scope(context, r1);
    model::StartFuel(context);
    const auto& code = *static_cast<const InterpExecutable&>(self).code_;
    return scope.Result(Interpret(code, context, AsNumber(r1), r2));
  }
  std::unique_ptr<ThreadedProgram> code_;
};

class CheckedExecutable final : public Executable {
 public:
  CheckedExecutable(Program program, std::shared_ptr<const model::ExecProgram> exec)
      : Executable(Engine::kChecked, std::move(program), std::move(exec)) {
    run_ = Run;
  }

 private:
  void CallFunction(ExecutionContext& context, uint64_t function,
                    const uint64_t* arguments) const noexcept override {
    const RunScope scope(context, nullptr);
    model::StartFuel(context);
    RunCheckedFunction(exec(), context, function, arguments);
  }
  static RunResult Run(const Executable& self, ExecutionContext& context, void* r1,
                       uint64_t r2) noexcept {
    const RunScope scope(context, r1);
    model::StartFuel(context);
    return scope.Result(RunChecked(self.exec(), context, r1, r2));
  }
};

class MachineExecutable final : public Executable {
 public:
  MachineExecutable(Engine engine, Program program, std::shared_ptr<const model::ExecProgram> exec,
                    jit::CompiledCode code, bool metered)
      : Executable(engine, std::move(program), std::move(exec)),
        code_(std::move(code)),
        entry_(code_.entry) {
    run_ = metered ? RunMetered : Run;
  }
  std::span<const std::byte> code() const override {
    return {code_.memory.address(), code_.memory.size()};
  }
  const void* tail_entry() const { return code_.tail_entry; }

 private:
  void CallFunction(ExecutionContext& context, uint64_t function,
                    const uint64_t* arguments) const noexcept override {
    const RunScope scope(context, nullptr);
    model::StartFuel(context);
    ExecutionLayout::call(context) = jit::CallFunction;
    jit::CallFunction(context, function, arguments[0], arguments[1], arguments[2], 0, 0);
  }
  static RunResult Run(const Executable& self, ExecutionContext& context, void* r1,
                       uint64_t r2) noexcept {
    const RunScope scope(context, r1);
    ExecutionLayout::call(context) = jit::CallFunction;
    const auto entry = static_cast<const MachineExecutable&>(self).entry_;
    return scope.Result(entry(AsNumber(r1), r2, &context));
  }
  static RunResult RunMetered(const Executable& self, ExecutionContext& context, void* r1,
                              uint64_t r2) noexcept {
    model::StartFuel(context);
    return Run(self, context, r1, r2);
  }
  jit::CompiledCode code_;
  jit::EntryFunction entry_;
};

}  // namespace

// Fills the target that prog arrays hold. The executable owns it; a slot adds a
// reference to the executable.
struct TailTargetAccess {
  static void Set(Executable& executable, std::unique_ptr<model::TailTarget> target) {
    executable.tail_target_ = std::move(target);
  }
  static void SetHandle(const std::shared_ptr<Executable>& executable) {
    model::ProgramHandle& handle = *executable->exec().handle;
    handle.program = executable;
    handle.call = [](const Executable& program, ExecutionContext& context, uint64_t function,
                     uint64_t r1, uint64_t r2, uint64_t r3) noexcept {
      const uint64_t arguments[] = {r1, r2, r3};
      program.CallFunction(context, function, arguments);
    };
  }
  static void SetPrepareTime(Executable& executable, uint64_t ns) { executable.prepare_ns_ = ns; }
};

namespace {

constexpr uint32_t kXdpHasFrags = 1u << 5;  // BPF_F_XDP_HAS_FRAGS

std::unique_ptr<model::TailTarget> MakeTarget(const Executable& executable, uint32_t id,
                                              model::EngineFamily family) {
  const ProgramData& data = executable.program().data();
  auto target = std::make_unique<model::TailTarget>();
  target->program = &executable.exec();
  target->program_id = id;
  target->owner = {data.type, data.expected_attach_type, family, (data.flags & kXdpHasFrags) != 0};
  return target;
}

Result<std::shared_ptr<Executable>> PrepareInterp(Program program,
                                                  std::shared_ptr<const model::ExecProgram> exec,
                                                  uint32_t id) {
  SKEP_TRY(auto code, Thread(std::move(exec)));
  auto executable = std::make_shared<InterpExecutable>(std::move(program), std::move(code));
  auto target = MakeTarget(*executable, id, model::EngineFamily::kInterpreter);
  target->decoded = &executable->code_cells();
  TailTargetAccess::Set(*executable, std::move(target));
  return std::shared_ptr<Executable>(std::move(executable));
}

Result<std::shared_ptr<Executable>> PrepareMachine(Engine engine, Program program,
                                                   std::shared_ptr<const model::ExecProgram> exec,
                                                   uint32_t id, bool metered) {
  SKEP_TRY(auto code,
           jit::Compile(*exec, {.optimized = engine == Engine::kJit, .metered = metered}));
  auto executable = std::make_shared<MachineExecutable>(engine, std::move(program), std::move(exec),
                                                        std::move(code), metered);
  auto target = MakeTarget(*executable, id, model::EngineFamily::kMachineCode);
  target->machine_entry = executable->tail_entry();
  TailTargetAccess::Set(*executable, std::move(target));
  return std::shared_ptr<Executable>(std::move(executable));
}

Result<std::shared_ptr<Executable>> PrepareOn(Program program,
                                              std::shared_ptr<const model::ExecProgram> exec,
                                              const PrepareOptions& options) {
  if (options.engine != Engine::kChecked && !exec->verified) {
    return Error{ErrorCode::kInvalidArgument,
                 exec->name + ": unverified code runs on the checked engine only, not on " +
                     std::string(EngineName(options.engine)),
                 22};
  }
  switch (options.engine) {
    case Engine::kInterp:
      return PrepareInterp(std::move(program), std::move(exec), options.program_id);
    case Engine::kChecked: {
      auto executable = std::make_shared<CheckedExecutable>(std::move(program), std::move(exec));
      TailTargetAccess::Set(
          *executable, MakeTarget(*executable, options.program_id, model::EngineFamily::kChecked));
      return std::shared_ptr<Executable>(std::move(executable));
    }
    case Engine::kBaseline:
    case Engine::kJit:
      return PrepareMachine(options.engine, std::move(program), std::move(exec), options.program_id,
                            options.metered);
  }
  SKEP_UNREACHABLE();
}

}  // namespace

Result<std::shared_ptr<Executable>> PrepareExecutable(
    Program program, std::shared_ptr<const model::ExecProgram> exec,
    const PrepareOptions& options) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  SKEP_TRY(auto executable, PrepareOn(std::move(program), std::move(exec), options));
  TailTargetAccess::SetHandle(executable);
  const auto spent = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start);
  TailTargetAccess::SetPrepareTime(*executable, static_cast<uint64_t>(spent.count()));
  return executable;
}

}  // namespace skep
