// SPDX-License-Identifier: Apache-2.0
// Runtime: owns the tables of helpers and program types, CPU slots and ids; and
// Instance: the maps of one object and the programs loaded with them.
//
//   auto object = skep::Object::Open("filter.bpf.o");
//   auto runtime = skep::Runtime::Create({});
//   auto instance = (*runtime)->Instantiate(*object);
//   auto loaded = (*instance)->Load("filter", {});
//   auto context = (*runtime)->NewContext();
//   skep::RunResult r = loaded->executable->RunPacket(**context, {.data = packet});
//
// Two runtimes in one process know nothing of each other.
// Threads: all methods may be called from any thread. Lifetime: a Runtime must
// outlive everything made from it.

#ifndef SKEP_RUNTIME_H_
#define SKEP_RUNTIME_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "skep/engine.h"
#include "skep/execution_context.h"
#include "skep/export.h"
#include "skep/helper.h"
#include "skep/helper_control.h"
#include "skep/map.h"
#include "skep/program.h"
#include "skep/program_type.h"
#include "skep/result.h"
#include "skep/verify.h"

namespace skep {

struct RuntimeOptions {
  // CPUs that programs see; fixes per-CPU strides. 0: possible CPUs, at least 64.
  uint32_t cpu_slots = 0;
  // Added to Linux's. Ids from kFirstHostHelperId; names must be new.
  std::vector<HelperSpec> helpers{};
  // What Linux's helpers do here. The prototype stays, and the function must keep
  // to it: what it returns and writes is what the verifier takes for granted of
  // Linux's. Not for tail_call, which engines do themselves.
  std::vector<HelperReplacement> replaced_helpers{};
  // Ids of helpers that no program may call; the verifier says so.
  std::vector<uint32_t> forbidden_helpers{};
  // The embedder's own; ids from kFirstHostProgramType.
  std::vector<ProgramType> program_types{};
  // Gets each context that the runtime makes for callbacks of timers and work
  // queues, at most one for each of the two, before its first run: the place for
  // hooks and a budget. On the thread that initialises the first timer.
  std::function<void(ExecutionContext&)> on_callback_context{};
};

struct LoadOptions {
  Engine engine = Engine::kJit;
  VerifyOptions verify;  // by default the rules for untrusted programs
  // Metered code honours budgets and Interrupt(). Interpreters always do.
  bool metered = false;
};

struct LoadOutcome {
  VerifierReport report;
  std::shared_ptr<Executable> executable;  // null if rejected
};

class Instance;

class SKEP_EXPORT Runtime {
 public:
  // Fails with kInvalidArgument if the options' helpers or types clash, or name a
  // helper to replace or to forbid that there is not.
  static Result<std::unique_ptr<Runtime>> Create(RuntimeOptions options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // What programs are verified against. Valid as long as the runtime.
  const Environment& environment() const;
  uint32_t cpu_slots() const;

  // Fails with kResourceLimit if every CPU slot has a context.
  Result<std::unique_ptr<ExecutionContext>> NewContext();

  // Fails with the errno that bpf(BPF_MAP_CREATE) gives for the same spec. Map
  // types with prog array slots are emptied when the Instance that owns them goes.
  // Without an object there are no types: values have no locks or timers.
  Result<std::shared_ptr<Map>> CreateMap(const MapSpec& spec);

  // Creates the object's maps and fills them with their initial contents.
  Result<std::shared_ptr<Instance>> Instantiate(const Object& object);
  // For programs that come without an object.
  Result<std::shared_ptr<Instance>> Instantiate(std::span<const MapSpec> maps);

  // Verified -> lowered -> prepared. `maps` are the program's, by index.
  Result<std::shared_ptr<Executable>> Prepare(const VerifiedProgram& program, Engine engine,
                                              std::span<const std::shared_ptr<Map>> maps,
                                              bool metered = false);
  // The door for unverified code: engine must be kChecked.
  Result<std::shared_ptr<Executable>> PrepareUnverified(const Program& program, Engine engine,
                                                        std::span<const std::shared_ptr<Map>> maps);
  // For conformance runs of kMemory programs on trusting engines: the caller
  // vouches that every run is safe, because the same run (same bytes, same
  // program) ended without a trap on the checked engine.
  Result<std::shared_ptr<Executable>> PrepareVouched(const Program& program, Engine engine,
                                                     std::span<const std::shared_ptr<Map>> maps);

 private:
  struct State;
  Result<std::shared_ptr<Instance>> MakeInstance(std::span<const MapSpec> maps,
                                                 const btf::Btf* types);
  explicit Runtime(std::unique_ptr<State> state);
  friend class Instance;
  std::unique_ptr<State> state_;
};

class SKEP_EXPORT Instance {
 public:
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // The map of this name; null if there is none.
  std::shared_ptr<Map> FindMap(const std::string& name) const;
  const std::map<std::string, std::shared_ptr<Map>>& maps() const;

  // Verifies and prepares a program of the object. Programs that the object
  // puts into prog arrays are loaded with the first one that uses the array.
  // Fails with kUnresolved if there is no such program, or as its link,
  // lowering or the engine did. A rejected program is not a failure.
  Result<LoadOutcome> Load(const std::string& program, const LoadOptions& options);
  Result<LoadOutcome> Load(const Program& program, const LoadOptions& options);

  // Puts a prepared program into a slot of a prog array. Returns 0 or -errno:
  // -EINVAL if the array's programs are of another type or engine.
  int SetProgram(Map& prog_array, uint32_t index, const std::shared_ptr<Executable>& program);

 private:
  friend class Runtime;
  struct State;
  explicit Instance(std::unique_ptr<State> state);
  Result<void> LinkTailCalls(const Program& program, const LoadOptions& options);
  std::unique_ptr<State> state_;
};

}  // namespace skep

#endif  // SKEP_RUNTIME_H_
