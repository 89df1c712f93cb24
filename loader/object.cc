// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "skep/extern_info.h"
#include "skep/initial_value.h"
#include "skep/inner_map.h"
#include "skep/program.h"
#include "skep/struct_ops.h"

#include "loader/core_apply.h"
#include "loader/link.h"
#include "loader/object_part.h"
#include "loader/read_file.h"
#include "loader/section_rules.h"
#include "loader/target_need.h"

namespace skep {

struct Object::Data {
  std::string name;
  std::vector<ObjectProgram> programs;
  std::vector<MapSpec> maps;
  std::vector<MapSpec> struct_ops;
  std::shared_ptr<const btf::Btf> btf;
  std::string license;
  std::set<std::string, std::less<>> names;  // what the next one views
  std::vector<CoreRelocationInfo> core_relocations;
  std::vector<ExternInfo> externs;
  bool needs_target_btf = false;
};

namespace loader {
namespace {

constexpr size_t kMaxLicense = 63;  // as libbpf keeps

// What linked programs may take together: so many times the file's size, where
// real objects stay below 2, and what a small file may want.
constexpr uint64_t kBudgetFactor = 32;
constexpr uint64_t kBudgetBase = 1u << 18;

// "dir/packet.bpf.o" is the object "packet".
std::string_view ObjectName(std::string_view path) {
  if (const size_t slash = path.rfind('/'); slash != std::string_view::npos)
    path.remove_prefix(slash + 1);
  return path.substr(0, path.find('.'));
}

Result<std::string> ReadLicense(const ElfFile& elf) {
  if (const Section* version = elf.FindSection("version");
      version != nullptr && version->data.size() != 4)
    return Error{ErrorCode::kMalformedObject,
                 fmt::format("section version: {} bytes, need 4", version->data.size())};
  const Section* section = elf.FindSection("license");
  if (section == nullptr) return std::string();
  std::string license;
  for (const std::byte c : section->data.first(std::min(section->data.size(), kMaxLicense))) {
    if (c == std::byte{0}) break;
    license += static_cast<char>(c);
  }
  return license;
}

Result<ObjectFile> TakeApart(std::span<const std::byte> bytes, std::string_view object_name,
                             const ObjectOptions& options) {
  SKEP_TRY(ElfFile elf, ElfFile::Parse(bytes));
  SKEP_TRY(ObjectTypes types, ReadTypes(elf));
  SKEP_TRY(FunctionTable functions, FunctionTable::Read(elf));
  SKEP_TRY(MapTable maps, ReadMaps(elf, types, functions, object_name));
  SKEP_TRY(ExternTable externs, ExternTable::Read(elf, types, options, object_name, maps));
  SKEP_TRY(StructOps struct_ops, StructOps::Read(elf, types, functions, options.target_btf.get()));
  SKEP_TRY(std::string license, ReadLicense(elf));
  CoreTable core = CoreTable::Resolve(types, options.target_btf.get());
  return ObjectFile{
      std::move(elf),     std::move(types),      std::move(functions), std::move(maps),
      std::move(externs), std::move(struct_ops), std::move(license),   options,
      std::move(core)};
}

std::vector<ObjectProgram> LinkAll(const ObjectFile& object, uint64_t file_size) {
  LinkBudget budget(kBudgetBase + kBudgetFactor * file_size);
  std::vector<ObjectProgram> programs;
  for (uint32_t i = 0; i < object.functions.all().size(); ++i) {
    const Function& function = object.functions.all()[i];
    if (!function.entry) continue;
    const SectionMeaning meaning = ReadSectionName(object.elf.sections()[function.section].name);
    const ProgramTypeId type =
        meaning.rule != nullptr ? meaning.rule->type : ProgramTypeId::kUnspec;
    programs.push_back({std::string(function.name), std::string(meaning.name),
                        LinkProgram(object, i, budget).At(fmt::format("program {}", function.name)),
                        type, meaning.autoload});
  }
  return programs;
}

}  // namespace
}  // namespace loader

Result<Object> Object::Open(const std::string& path, const ObjectOptions& options) {
  SKEP_TRY(const std::vector<std::byte> bytes, loader::ReadFile(path));
  return Parse(bytes, path, options);
}

Result<Object> Object::Parse(std::span<const std::byte> bytes, const std::string& name,
                             const ObjectOptions& options) {
  auto object = loader::TakeApart(bytes, loader::ObjectName(name), options);
  if (!object) return std::move(object).error().At(name);
  auto data = std::make_shared<Data>();
  data->name = name;
  data->core_relocations = loader::ListCore(*object);
  for (CoreRelocationInfo& info : data->core_relocations)
    info.function = *data->names.emplace(info.function).first;
  data->externs = object->externs.Describe();
  data->needs_target_btf = loader::NeedsTargetBtf(*object);
  data->programs = loader::LinkAll(*object, bytes.size());
  data->maps = std::move(object->maps.specs);
  data->struct_ops = std::move(object->struct_ops.maps());
  data->btf = std::move(object->types.btf);
  data->license = std::move(object->license);
  return Object(std::move(data));
}

Object Object::FromPrograms(std::string name, std::vector<ObjectProgram> programs,
                            std::vector<MapSpec> maps) {
  auto data = std::make_shared<Data>();
  data->name = std::move(name);
  data->programs = std::move(programs);
  data->maps = std::move(maps);
  return Object(std::move(data));
}

namespace {

// A copy of the object and its programs after `change`, which gets a spec and
// says whether it changed it, has seen every map.
template <class Change>
Result<Object> WithMaps(const Object& object, const Change& change) {
  auto data = std::make_shared<Object::Data>(object.data());
  for (MapSpec& map : data->maps) change(map);
  for (ObjectProgram& entry : data->programs) {
    if (!entry.program) continue;
    ProgramData changed = entry.program->data();
    bool any = false;
    for (MapSpec& map : changed.maps) any |= change(map);
    if (any) entry.program = Program::Create(std::move(changed));
  }
  // The copied records view names of the copied object.
  for (CoreRelocationInfo& info : data->core_relocations)
    info.function = *data->names.find(info.function);
  return Object(std::move(data));
}

Result<const MapSpec*> FindSpec(const Object& object, const std::string& map) {
  const auto at = std::find_if(object.maps().begin(), object.maps().end(),
                               [&](const MapSpec& spec) { return spec.name == map; });
  if (at != object.maps().end()) return &*at;
  return Error{ErrorCode::kUnresolved, fmt::format("{}: no map '{}'", object.name(), map), ENOENT};
}

}  // namespace

Result<Object> WithInnerMap(const Object& object, const std::string& map, const MapSpec& inner) {
  const auto is_outer = [](const MapSpec& spec) {
    return spec.type == MapType::kArrayOfMaps || spec.type == MapType::kHashOfMaps;
  };
  SKEP_TRY(const MapSpec* at, FindSpec(object, map));
  if (!is_outer(*at) || at->inner != nullptr || is_outer(inner)) {
    const std::string_view what = !is_outer(*at)         ? "is no map of maps"
                                  : at->inner != nullptr ? "has an inner map in the object"
                                                         : "cannot hold maps of maps";
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}: map '{}' {}", object.name(), map, what), EINVAL};
  }
  const auto shared = std::make_shared<const MapSpec>(inner);
  return WithMaps(object, [&](MapSpec& spec) {
    if (spec.name != map) return false;
    spec.inner = shared;
    return true;
  });
}

Result<Object> WithInitialValues(const Object& object, std::span<const InitialValue> values) {
  std::map<std::string_view, std::shared_ptr<const std::vector<std::byte>>> changed;
  for (const InitialValue& value : values) {
    SKEP_TRY(const MapSpec* at, FindSpec(object, value.map));
    if (at->type != MapType::kArray || at->max_entries != 1 ||
        at->value_size != value.bytes.size()) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("{}: map '{}' is no array of one element of {} bytes", object.name(),
                               value.map, value.bytes.size()),
                   EINVAL};
    }
    changed[at->name] =
        std::make_shared<const std::vector<std::byte>>(value.bytes.begin(), value.bytes.end());
  }
  return WithMaps(object, [&](MapSpec& spec) {
    const auto found = changed.find(spec.name);
    if (found == changed.end()) return false;
    spec.initial_value = found->second;
    return true;
  });
}

std::span<const CoreRelocationInfo> Object::core_relocations() const {
  return data_->core_relocations;
}
bool Object::needs_target_btf() const { return data_->needs_target_btf; }
const std::string& Object::name() const { return data_->name; }
std::span<const ObjectProgram> Object::programs() const { return data_->programs; }
std::span<const MapSpec> Object::maps() const { return data_->maps; }
std::span<const ExternInfo> Externs(const Object& object) { return object.data().externs; }
std::span<const MapSpec> StructOpsMaps(const Object& object) { return object.data().struct_ops; }
std::shared_ptr<const btf::Btf> Object::btf() const { return data_->btf; }
const std::string& Object::license() const { return data_->license; }

Result<Program> Object::FindProgram(const std::string& name) const {
  constexpr size_t kNamesShown = 20;
  std::string names;
  for (size_t i = 0; i < data_->programs.size(); ++i) {
    const ObjectProgram& program = data_->programs[i];
    if (name.empty() ? data_->programs.size() == 1 : program.name == name) return program.program;
    if (i < kNamesShown) names += (names.empty() ? "" : ", ") + program.name;
    if (i == kNamesShown) names += ", ...";
  }
  if (data_->programs.empty())
    return Error{ErrorCode::kUnresolved, fmt::format("{}: has no programs", data_->name)};
  if (name.empty())
    return Error{ErrorCode::kUnresolved, fmt::format("{}: has {} programs, name one of: {}",
                                                     data_->name, data_->programs.size(), names)};
  return Error{ErrorCode::kUnresolved,
               fmt::format("{}: no program '{}', there are: {}", data_->name, name, names)};
}

// Others have no entries, or get their number from the system.
static bool NeedsEntries(MapType type) {
  switch (type) {
    case MapType::kPerfEventArray:
    case MapType::kRingbuf:
    case MapType::kUserRingbuf:
    case MapType::kCgroupStorage:
    case MapType::kPercpuCgroupStorage:
    case MapType::kSkStorage:
    case MapType::kInodeStorage:
    case MapType::kTaskStorage:
    case MapType::kCgrpStorage:
    case MapType::kStructOps:
      return false;
    default:
      return true;
  }
}

Result<Object> loader::ReducedTo(const Object& object, const std::string& program) {
  SKEP_TRY(const Program main, object.FindProgram(program));
  std::set<std::string> programs, maps;
  std::vector<Program> reached = {main};
  programs.insert(main.name());
  while (!reached.empty()) {
    const Program from = std::move(reached.back());
    reached.pop_back();
    for (const MapSpec& map : from.maps()) {
      if (!maps.insert(map.name).second) continue;
      for (const auto& [index, target] : map.initial_slots) {
        if (map.type != MapType::kProgArray) {
          maps.insert(target);
        } else if (programs.insert(target).second) {
          SKEP_TRY(Program next, object.FindProgram(target));
          reached.push_back(std::move(next));
        }
      }
    }
  }
  const Object::Data& whole = object.data();
  auto data = std::make_shared<Object::Data>();
  data->name = whole.name;
  data->btf = whole.btf;
  data->license = whole.license;
  data->needs_target_btf = whole.needs_target_btf;
  for (const ObjectProgram& entry : whole.programs) {
    if (programs.contains(entry.name)) data->programs.push_back(entry);
  }
  for (const MapSpec& map : whole.maps) {
    if (maps.contains(map.name)) data->maps.push_back(map);
  }
  return Object(std::move(data));
}

namespace {

// All but the core relocations.
std::shared_ptr<Object::Data> CopyOf(const Object& object) {
  const Object::Data& whole = object.data();
  auto data = std::make_shared<Object::Data>();
  data->name = whole.name;
  data->programs = whole.programs;
  data->maps = whole.maps;
  data->btf = whole.btf;
  data->license = whole.license;
  data->needs_target_btf = whole.needs_target_btf;
  return data;
}

}  // namespace

Object loader::WithLeastSizes(const Object& object) {
  constexpr uint32_t kStackBytes = 127 * sizeof(uint64_t);  // Linux's default depth
  auto data = CopyOf(object);
  for (MapSpec& map : data->maps) {
    if (map.max_entries == 0 && NeedsEntries(map.type)) map.max_entries = 1;
    if (map.type == MapType::kStackTrace && map.value_size == 0) map.value_size = kStackBytes;
  }
  return Object(std::move(data));
}

Result<Object> loader::WithPrograms(const Object& object, const std::string& array,
                                    const std::map<uint32_t, std::string>& slots) {
  const auto add = [&](std::vector<MapSpec>& maps) {
    for (MapSpec& map : maps) {
      if (map.name == array) {
        map.initial_slots.insert(map.initial_slots.end(), slots.begin(), slots.end());
      }
    }
  };
  auto data = CopyOf(object);
  const auto at = std::find_if(data->maps.begin(), data->maps.end(),
                               [&](const MapSpec& map) { return map.name == array; });
  if (at == data->maps.end()) {
    return Error{ErrorCode::kUnresolved, object.name() + ": no map '" + array + "'"};
  }
  if (at->type != MapType::kProgArray) {
    return Error{ErrorCode::kInvalidArgument,
                 object.name() + ": map '" + array + "' is no prog_array"};
  }
  add(data->maps);
  for (ObjectProgram& entry : data->programs) {
    if (!entry.program) continue;
    ProgramData program = entry.program->data();
    add(program.maps);
    entry.program = Program::Create(std::move(program));
  }
  return Object(std::move(data));
}

}  // namespace skep
