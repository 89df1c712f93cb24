// SPDX-License-Identifier: Apache-2.0
#include "skep/runtime.h"

#include <algorithm>
#include <string>
#include <utility>

#include <sys/random.h>
#include <unistd.h>

#include "base/epoch.h"
#include "helpers/helper_table.h"
#include "helpers/kfunc_table.h"
#include "maps/shared_map.h"
#include "model/execution_layout.h"
#include "model/packet_state.h"
#include "vm/executable.h"
#include "vm/guarded_load.h"
#include "vm/lower.h"
#include "vm/packet_load.h"
#include "vm/program_types.h"
#include "vm/runtime_state.h"

namespace skep {
namespace {

constexpr uint32_t kMinCpuSlots = 64;
constexpr uint32_t kMaxCpuSlots = 4096;

uint32_t PossibleCpus() {
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  return cpus < 1 ? 1 : static_cast<uint32_t>(cpus);
}

Error Invalid(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message), 22};
}

bool IsBuiltin(uint32_t id) {
  const auto table = HelperTable();
  return std::any_of(table.begin(), table.end(), [=](const HelperSpec& h) { return h.id == id; });
}

Result<void> CheckControl(const RuntimeOptions& options) {
  for (size_t i = 0; i < options.replaced_helpers.size(); ++i) {
    const HelperReplacement& replacement = options.replaced_helpers[i];
    const std::string which = "helper " + std::to_string(replacement.id);
    if (!IsBuiltin(replacement.id)) return Invalid(which + " is none of Linux's to replace");
    if (replacement.id == model::kHelperTailCall) {
      return Invalid(which + " (tail_call) cannot be replaced: engines make tail calls themselves");
    }
    if (replacement.function == nullptr) return Invalid(which + " is replaced by no function");
    for (size_t k = 0; k < i; ++k) {
      if (options.replaced_helpers[k].id == replacement.id) {
        return Invalid(which + " is replaced twice");
      }
    }
  }
  for (const uint32_t id : options.forbidden_helpers) {
    if (!IsBuiltin(id)) return Invalid("helper " + std::to_string(id) + " is none of Linux's");
  }
  return {};
}

// What the host says of Linux's helpers.
void ApplyControl(const RuntimeOptions& options, std::vector<HelperSpec>& helpers) {
  for (HelperSpec& helper : helpers) {
    for (const HelperReplacement& replacement : options.replaced_helpers) {
      if (replacement.id != helper.id) continue;
      helper.function = replacement.function;
      helper.flags = static_cast<uint16_t>(helper.flags | kHelperReplaced);
    }
    if (std::find(options.forbidden_helpers.begin(), options.forbidden_helpers.end(), helper.id) !=
        options.forbidden_helpers.end()) {
      helper.flags = static_cast<uint16_t>(helper.flags | kHelperForbidden);
    }
  }
}

Result<void> CheckHostTables(const RuntimeOptions& options) {
  for (const HelperSpec& helper : options.helpers) {
    const std::string name(helper.name);
    if (helper.id < kFirstHostHelperId) {
      return Invalid("helper '" + name + "' has id " + std::to_string(helper.id) +
                     ", own helpers start at " + std::to_string(kFirstHostHelperId));
    }
    if (helper.function == nullptr) return Invalid("helper '" + name + "' has no function");
    for (const HelperSpec& builtin : HelperTable()) {
      if (builtin.name == helper.name) return Invalid("helper '" + name + "' is one of Linux's");
    }
    for (const HelperSpec& other : options.helpers) {
      if (&other != &helper && (other.id == helper.id || other.name == helper.name)) {
        return Invalid("helper '" + name + "' is there twice");
      }
    }
  }
  SKEP_TRY_VOID(CheckControl(options));
  for (const ProgramType& type : options.program_types) {
    if (static_cast<uint32_t>(type.id) < kFirstHostProgramType) {
      return Invalid("program type '" + std::string(type.name) + "' has id " +
                     std::to_string(static_cast<uint32_t>(type.id)) + ", own types start at " +
                     std::to_string(kFirstHostProgramType));
    }
    if (!type.fields.empty() && type.packet != PacketAccess::kNone) {
      return Invalid("program type '" + std::string(type.name) +
                     "': packet access of own types is not supported");
    }
  }
  return {};
}

}  // namespace

uint64_t RandomSeed() {
  uint64_t seed = 0;
  // Only fails before the system's pool is ready; then the address of a stack
  // variable is all the randomness there is, and enough for a default seed.
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed) {
    seed = reinterpret_cast<uintptr_t>(&seed);
  }
  return seed;
}

std::optional<uint32_t> CpuSlots::Take() {
  const std::lock_guard lock(mutex_);
  for (uint32_t i = 0; i < taken_.size(); ++i) {
    if (taken_[i]) continue;
    taken_[i] = true;
    return i;
  }
  return std::nullopt;
}

void CpuSlots::Give(uint32_t slot) {
  const std::lock_guard lock(mutex_);
  taken_[slot] = false;
}

Runtime::State::State(uint32_t slots, uint32_t first_slot)
    : cpus(std::make_shared<CpuSlots>(slots, first_slot)), async([this] {
        auto context = NewContext();
        if (context && on_callback_context) on_callback_context(**context);
        return context;
      }) {
  services = {.heap = &heap,
              .async = &async,
              .cpu_slots = slots,
              .shared_rings = &shared_rings,
              .waiting = std::vector<std::atomic<const void*>>(slots)};
}

Result<std::unique_ptr<ExecutionContext>> Runtime::State::NewContext() {
  const auto cpu = cpus->Take();
  if (!cpu) {
    return Error{ErrorCode::kResourceLimit,
                 "all " + std::to_string(cpus->size()) +
                     " cpu slots have a context, need RuntimeOptions.cpu_slots larger"};
  }
  auto context = model::ExecutionLayout::Create(
      *cpu, *epochs, [epochs = epochs, cpus = cpus, slot = *cpu] { cpus->Give(slot); });
  context->set_seed(RandomSeed());
  model::ExecutionLayout::extras(*context).services = &services;
  model::ExecutionLayout::extras(*context).packet->secret = packet_secret;
  return context;
}

Runtime::Runtime(std::unique_ptr<State> state) : state_(std::move(state)) {}
Runtime::~Runtime() = default;

Result<std::unique_ptr<Runtime>> Runtime::Create(RuntimeOptions options) {
  SKEP_TRY_VOID(CheckHostTables(options));
  if (options.cpu_slots > kMaxCpuSlots) {
    return Invalid(std::to_string(options.cpu_slots) + " cpu slots, need at most " +
                   std::to_string(kMaxCpuSlots));
  }
  const uint32_t slots =
      options.cpu_slots != 0 ? options.cpu_slots : std::max(PossibleCpus(), kMinCpuSlots);
  if (options.first_cpu_slot >= slots) {
    return Invalid("the first cpu slot is " + std::to_string(options.first_cpu_slot) +
                   ", need less than " + std::to_string(slots));
  }
  auto state = std::make_unique<State>(slots, options.first_cpu_slot);

  state->on_callback_context = std::move(options.on_callback_context);
  const auto builtin = HelperTable();
  state->helpers.assign(builtin.begin(), builtin.end());
  ApplyControl(options, state->helpers);
  std::sort(options.helpers.begin(), options.helpers.end(),
            [](const HelperSpec& a, const HelperSpec& b) { return a.id < b.id; });
  state->helpers.insert(state->helpers.end(), options.helpers.begin(), options.helpers.end());
  for (const HelperSpec& spec : state->helpers) {
    state->helper_entries.push_back({spec.function, &spec});
  }
  for (const auto specs : {PacketLoadHelpers(), GuardedLoadHelpers()}) {
    for (const HelperSpec& spec : specs) state->helper_entries.push_back({spec.function, &spec});
  }
  state->helper_entries.push_back({InlinedLoop().function, &InlinedLoop()});
  for (const HelperSpec& spec : RunningKfuncs()) {
    state->helper_entries.push_back({spec.function, &spec});
  }
  const auto types = BuiltinProgramTypes();
  state->program_types.assign(types.begin(), types.end());
  state->program_types.insert(state->program_types.end(), options.program_types.begin(),
                              options.program_types.end());
  state->environment = {
      .program_types = state->program_types, .helpers = state->helpers, .cpu_slots = slots};
  return std::unique_ptr<Runtime>(new Runtime(std::move(state)));
}

const Environment& Runtime::environment() const { return state_->environment; }
uint32_t Runtime::cpu_slots() const { return state_->cpus->size(); }

Result<std::unique_ptr<ExecutionContext>> Runtime::NewContext() { return state_->NewContext(); }

Result<std::shared_ptr<Map>> Runtime::CreateMap(const MapSpec& spec) {
  return skep::CreateMap(spec, state_->map_environment());
}

Result<SharedMap> Runtime::CreateSharedMap(const MapSpec& spec) {
  return skep::CreateSharedMap(spec, state_->map_environment());
}
Result<std::shared_ptr<Map>> Runtime::CreateMapFile(const MapSpec& spec, const std::string& path) {
  return skep::CreateMapFile(spec, path, state_->map_environment());
}
Result<std::shared_ptr<Map>> Runtime::OpenSharedMap(int fd) {
  return skep::OpenSharedMap(fd, state_->map_environment());
}
Result<std::shared_ptr<Map>> Runtime::OpenMapFile(const std::string& path) {
  return skep::OpenMapFile(path, state_->map_environment());
}

Result<std::shared_ptr<Executable>> Runtime::Prepare(const VerifiedProgram& program, Engine engine,
                                                     std::span<const std::shared_ptr<Map>> maps,
                                                     bool metered) {
  SKEP_TRY(auto exec, Lower(program, state_->lower_input(maps)));
  return PrepareExecutable(
      program.program(), std::move(exec),
      {.engine = engine, .metered = metered, .program_id = state_->NextProgramId()});
}

Result<std::shared_ptr<Executable>> Runtime::PrepareUnverified(
    const Program& program, Engine engine, std::span<const std::shared_ptr<Map>> maps) {
  SKEP_TRY(auto exec, LowerUnverified(program, state_->lower_input(maps)));
  return PrepareExecutable(program, std::move(exec),
                           {.engine = engine, .program_id = state_->NextProgramId()});
}

Result<std::shared_ptr<Executable>> Runtime::PrepareVouched(
    const Program& program, Engine engine, std::span<const std::shared_ptr<Map>> maps) {
  SKEP_TRY(auto exec, LowerVouched(program, state_->lower_input(maps)));
  return PrepareExecutable(program, std::move(exec),
                           {.engine = engine, .program_id = state_->NextProgramId()});
}

}  // namespace skep
