// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "skep/runtime.h"

#include "maps/prog_array.h"
#include "maps/shared_map.h"
#include "model/tail_target.h"
#include "model/value_type.h"
#include "vm/runtime_state.h"
#include "vm/value_types.h"

namespace skep {

struct Instance::State {
  Runtime* runtime = nullptr;
  std::optional<Object> object;  // none: made from map specs
  std::map<std::string, std::shared_ptr<Map>> maps;
  std::map<std::string, MapSpec> specs;
  std::mutex mutex;
  // Prog arrays whose initial slots are filled or being filled; guarded by mutex.
  std::set<std::string> linked_arrays;
};

Instance::Instance(std::unique_ptr<State> state) : state_(std::move(state)) {}

// Programs in a prog array keep their maps alive, and so the array itself. The
// instance is the array's user, as a file descriptor is in Linux: when it goes,
// the slots are emptied.
Instance::~Instance() {
  for (const auto& [name, map] : state_->maps) {
    map->RemoveUser();
    const bool unused = map->type() == MapType::kProgArray && !map->has_user();
    if (unused) static_cast<ProgArray&>(*map).Clear();
  }
}

std::shared_ptr<Map> Instance::FindMap(const std::string& name) const {
  const auto it = state_->maps.find(name);
  return it == state_->maps.end() ? nullptr : it->second;
}

const std::map<std::string, std::shared_ptr<Map>>& Instance::maps() const { return state_->maps; }

namespace {

// Programs that refer to a prog array fix what its programs are like.
Result<void> BindProgArrays(std::span<const std::shared_ptr<Map>> maps,
                            const Executable& executable) {
  for (const auto& map : maps) {
    if (map->type() != MapType::kProgArray) continue;
    const int code = static_cast<ProgArray&>(*map).BindOwner(executable.tail_target().owner);
    if (code != 0) {
      return Error{ErrorCode::kInvalidArgument,
                   executable.program().name() + ": prog array '" + map->spec().name +
                       "' belongs to programs of another type or engine",
                   -code};
    }
  }
  return {};
}

Error MapError(const std::string& map, const std::string& what, int code) {
  return Error{ErrorCode::kInvalidArgument, "map '" + map + "': " + what, code};
}

Result<void> FillOuterMap(const MapSpec& spec, Map& outer,
                          const std::map<std::string, std::shared_ptr<Map>>& maps) {
  for (const auto& [index, inner_name] : spec.initial_slots) {
    const auto inner = maps.find(inner_name);
    if (inner == maps.end()) return MapError(spec.name, "no inner map '" + inner_name + "'", 2);
    const int code =
        outer.SetMap(reinterpret_cast<const std::byte*>(&index), inner->second, kUpdateAny);
    if (code != 0) {
      return MapError(spec.name,
                      "slot " + std::to_string(index) + " does not take '" + inner_name +
                          "': error " + std::to_string(code),
                      -code);
    }
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<Instance>> Runtime::Instantiate(std::span<const MapSpec> specs) {
  return MakeInstance(specs, nullptr, {});
}

namespace {

// As libbpf judges a map that is to be used again.
Result<void> CheckSame(const MapSpec& spec, const Map& map) {
  const MapSpec& other = map.spec();
  if (spec.frozen) return MapError(spec.name, "has contents that nobody may change", 1);
  struct Field {
    const char* name;
    uint64_t ours, theirs;
  };
  const Field fields[] = {
      {"type", static_cast<uint64_t>(spec.type), static_cast<uint64_t>(other.type)},
      {"key_size", spec.key_size, other.key_size},
      {"value_size", spec.value_size, other.value_size},
      {"max_entries", spec.max_entries, other.max_entries},
      {"flags", spec.flags, other.flags},
      {"map_extra", spec.map_extra, other.map_extra},
  };
  for (const Field& field : fields) {
    if (field.ours == field.theirs) continue;
    return MapError(spec.name,
                    std::string("the map that is there has ") + field.name + " " +
                        std::to_string(field.theirs) + ", need " + std::to_string(field.ours),
                    EINVAL);
  }
  return {};
}

// Opens the file, or makes it; whoever makes it first wins.
Result<std::shared_ptr<Map>> OpenPin(const MapSpec& spec, const std::string& path,
                                     const MapEnvironment& environment) {
  for (;;) {
    auto opened = OpenMapFile(path, environment);
    if (opened || opened.error().sys_errno != ENOENT) return opened;
    auto created = CreateMapFile(spec, path, environment);
    if (created || created.error().sys_errno != EEXIST) return created;
  }
}

}  // namespace

Result<std::shared_ptr<Map>> Runtime::MapFor(const MapSpec& spec, const btf::Btf* types,
                                             const InstanceOptions& options) {
  const auto given = options.maps.find(spec.name);
  if (given != options.maps.end()) {
    if (given->second == nullptr) return MapError(spec.name, "is given as null", EINVAL);
    SKEP_TRY_VOID(CheckSame(spec, *given->second));
    return given->second;
  }
  const MapEnvironment environment =
      state_->map_environment(types == nullptr ? nullptr : ReadValueType(types, spec));
  if (!spec.pin_by_name || options.pin_directory.empty()) {
    return skep::CreateMap(spec, environment);
  }
  const std::string path = options.pin_directory + "/" + spec.name;
  SKEP_TRY(std::shared_ptr<Map> map, OpenPin(spec, path, environment));
  if (auto same = CheckSame(spec, *map); !same) return std::move(same).error().At(path);
  return map;
}

Result<std::shared_ptr<Instance>> Runtime::MakeInstance(std::span<const MapSpec> specs,
                                                        const btf::Btf* types,
                                                        const InstanceOptions& options) {
  auto state = std::make_unique<Instance::State>();
  state->runtime = this;
  for (const MapSpec& spec : specs) {
    if (state->maps.contains(spec.name)) return MapError(spec.name, "is there twice", 22);
    MapSpec sized = spec;
    // As libbpf does: an array of perf events without a size has one a CPU.
    if (spec.type == MapType::kPerfEventArray && spec.max_entries == 0) {
      sized.max_entries = cpu_slots();
    }
    auto map = MapFor(sized, types, options);
    if (!map) return std::move(map).error().At("map '" + spec.name + "'");
    if (spec.frozen) {
      if (const int code = (*map)->Freeze(); code != 0) {
        return MapError(spec.name, "cannot be frozen", -code);
      }
    }
    state->specs.emplace(spec.name, spec);
    state->maps.emplace(spec.name, *std::move(map));
  }
  for (const auto& [name, map] : options.maps) {
    if (state->maps.contains(name)) continue;
    return Error{ErrorCode::kUnresolved, "the object has no map '" + name + "'", ENOENT};
  }
  for (const auto& [name, map] : state->maps) map->AddUser();
  for (const MapSpec& spec : specs) {
    if (spec.type == MapType::kProgArray || spec.initial_slots.empty()) continue;
    SKEP_TRY_VOID(FillOuterMap(spec, *state->maps[spec.name], state->maps));
  }
  return std::shared_ptr<Instance>(new Instance(std::move(state)));
}

Result<std::shared_ptr<Instance>> Runtime::Instantiate(const Object& object) {
  return Instantiate(object, {});
}

Result<std::shared_ptr<Instance>> Runtime::Instantiate(const Object& object,
                                                       const InstanceOptions& options) {
  SKEP_TRY(auto instance, MakeInstance(object.maps(), object.btf().get(), options));
  instance->state_->object = object;
  return instance;
}

Result<LoadOutcome> Instance::Load(const std::string& name, const LoadOptions& options) {
  if (!state_->object) {
    return Error{ErrorCode::kUnresolved, "program '" + name + "': there is no object", 2};
  }
  SKEP_TRY(auto program, state_->object->FindProgram(name));
  return Load(program, options);
}

Result<LoadOutcome> Instance::Load(const Program& program, const LoadOptions& options) {
  std::vector<std::shared_ptr<Map>> maps;
  for (const MapSpec& spec : program.maps()) {
    auto map = FindMap(spec.name);
    if (map == nullptr) {
      return Error{ErrorCode::kUnresolved,
                   program.name() + ": map '" + spec.name + "' is not in this instance", 2};
    }
    maps.push_back(std::move(map));
  }
  LoadOutcome outcome;
  VerifyOutcome verified = Verify(program, state_->runtime->environment(), options.verify);
  outcome.report = std::move(verified.report);
  if (!verified.verified) return outcome;
  SKEP_TRY(outcome.executable,
           state_->runtime->Prepare(*verified.verified, options.engine, maps, options.metered));
  SKEP_TRY_VOID(BindProgArrays(maps, *outcome.executable));
  SKEP_TRY_VOID(LinkTailCalls(program, options));
  return outcome;
}

// Loads what the object puts into the program's prog arrays.
Result<void> Instance::LinkTailCalls(const Program& program, const LoadOptions& options) {
  for (const MapSpec& spec : program.maps()) {
    if (spec.type != MapType::kProgArray || spec.initial_slots.empty()) continue;
    {
      const std::lock_guard lock(state_->mutex);
      if (!state_->linked_arrays.insert(spec.name).second) continue;
    }
    for (const auto& [index, target_name] : spec.initial_slots) {
      auto target = Load(target_name, options);
      if (!target) return std::move(target).error().At("prog array '" + spec.name + "'");
      if (target->executable == nullptr) {
        return Error{ErrorCode::kInvalidArgument,
                     "prog array '" + spec.name + "': the verifier rejects '" + target_name +
                         "': " + target->report.findings.front().message,
                     22};
      }
      const int code = SetProgram(*state_->maps[spec.name], index, target->executable);
      if (code != 0) {
        return MapError(spec.name,
                        "slot " + std::to_string(index) + " does not take '" + target_name +
                            "': error " + std::to_string(code),
                        -code);
      }
    }
  }
  return {};
}

int Instance::SetProgram(Map& prog_array, uint32_t index,
                         const std::shared_ptr<Executable>& program) {
  if (prog_array.type() != MapType::kProgArray) return -EINVAL;
  // The slot keeps the executable, which owns its target.
  return static_cast<ProgArray&>(prog_array)
      .SetProgram(index,
                  std::shared_ptr<const model::TailTarget>(program, &program->tail_target()));
}

}  // namespace skep
