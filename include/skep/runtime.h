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
#include "skep/map_file.h"
#include "skep/program.h"
#include "skep/program_type.h"
#include "skep/result.h"
#include "skep/verify.h"

namespace skep {

struct RuntimeOptions {
  // CPUs that programs see; fixes per-CPU strides. 0: possible CPUs, at least 64.
  uint32_t cpu_slots = 0;
  // Contexts get the slots from this one on. Processes that share per-CPU maps use
  // different slots, so that no two threads act on one value.
  uint32_t first_cpu_slot = 0;
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

// Maps of an object that are not made anew, but shared with other instances or
// processes.
struct InstanceOptions {
  // By name. Of the type, sizes and flags that the object says. Not for maps whose
  // contents the object freezes.
  std::map<std::string, std::shared_ptr<Map>> maps{};
  // Where the files are of maps that the object pins by name: each is opened, or
  // made if it is not there. Empty: such maps are made anew, for this instance.
  std::string pin_directory{};
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

  // Maps that processes share (skep/map_file.h): in memory that another process
  // gets by a descriptor, or in a file that it opens by name. They go on when
  // the process ends; the file stays until it is removed. A process that opens a map
  // where another one died mends it first.
  // Creating fails as CreateMap, with kUnsupported if maps of the type or such
  // values cannot be shared, with kSystem (EEXIST) if `path` is there.
  Result<SharedMap> CreateSharedMap(const MapSpec& spec);
  Result<std::shared_ptr<Map>> CreateMapFile(const MapSpec& spec, const std::string& path);
  // Opening fails as ReadMapFile, with kInvalidArgument if a per-CPU map has fewer
  // CPU slots than the runtime, with kResourceLimit if 128 have it open. `fd` stays
  // the caller's; memory that others could cut short is refused.
  Result<std::shared_ptr<Map>> OpenSharedMap(int fd);
  Result<std::shared_ptr<Map>> OpenMapFile(const std::string& path);

  // Creates the object's maps and fills them with their initial contents.
  Result<std::shared_ptr<Instance>> Instantiate(const Object& object);
  // With maps that there are already. Fails with kInvalidArgument if one is not
  // what the object says, with kUnresolved if the object has none of the name.
  Result<std::shared_ptr<Instance>> Instantiate(const Object& object,
                                                const InstanceOptions& options);
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
                                                 const btf::Btf* types,
                                                 const InstanceOptions& options);
  Result<std::shared_ptr<Map>> MapFor(const MapSpec& spec, const btf::Btf* types,
                                      const InstanceOptions& options);
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
