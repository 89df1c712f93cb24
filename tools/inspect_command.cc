// SPDX-License-Identifier: Apache-2.0
// skep inspect: what is in an object.
#include <memory>
#include <string>
#include <vector>

#include "skep/struct_ops.h"

#include "btf/btf.h"
#include "model/map_type_info.h"
#include "model/program_type_name.h"
#include "tools/command.h"
#include "tools/input.h"
#include "tools/output.h"

namespace skep::tools {
namespace {

struct InspectOptions {
  std::string object;
  TargetOptions target;
  bool json = false;
};

std::string MapTypeName(MapType type) {
  const model::MapTypeInfo* info = model::FindMapType(type);
  return info == nullptr ? "type " + std::to_string(static_cast<uint32_t>(type))
                         : std::string(info->name);
}

Json ProgramJson(const ObjectProgram& entry) {
  Json json = {{"name", entry.name},
               {"section", entry.section},
               {"type", ProgramTypeName(entry.type)},
               {"insns", nullptr},
               {"subprograms", Json::array()}};
  if (!entry.program) {
    json["error"] = entry.program.error().message;
    return json;
  }
  const Program& program = *entry.program;
  json["insns"] = program.insns().size();
  for (const Subprogram& sub : program.subprograms()) {
    json["subprograms"].push_back({{"name", sub.name},
                                   {"start", sub.start},
                                   {"end", sub.end},
                                   {"linkage", sub.is_global ? "global" : "static"}});
  }
  Json maps = Json::array();
  for (const MapSpec& map : program.maps()) maps.push_back(map.name);
  json["maps"] = std::move(maps);
  json["attach_type"] = program.data().expected_attach_type;
  json["sleepable"] = program.data().sleepable;
  json["line_info"] = program.data().lines.size();
  return json;
}

Json MapJson(const MapSpec& map) {
  Json json = {{"name", map.name},
               {"type", MapTypeName(map.type)},
               {"key_size", map.key_size},
               {"value_size", map.value_size},
               {"max_entries", map.max_entries},
               {"flags", map.flags}};
  if (map.inner != nullptr) json["inner"] = MapJson(*map.inner);
  if (map.map_extra != 0) json["map_extra"] = map.map_extra;
  if (map.frozen) json["frozen"] = true;
  if (map.pin_by_name) json["pinning"] = "by_name";
  if (!map.initial_slots.empty()) {
    Json slots = Json::object();
    for (const auto& [index, target] : map.initial_slots) slots[std::to_string(index)] = target;
    json["values"] = std::move(slots);
  }
  return json;
}

std::vector<MapSpec> AllMaps(const Object& object) {
  std::vector<MapSpec> maps(object.maps().begin(), object.maps().end());
  const auto struct_ops = StructOpsMaps(object);
  maps.insert(maps.end(), struct_ops.begin(), struct_ops.end());
  return maps;
}

// "struct task_struct", "int", "enum (unnamed)".
std::string TypeText(const Object& object, uint32_t id) {
  const btf::Btf& btf = *object.btf();  // records come from BTF
  const std::string_view name = btf.name(id);
  std::string out(btf.kind(id) == btf::Kind::kInt ? "" : btf::KindName(btf.kind(id)));
  if (!out.empty()) out += ' ';
  return out + (name.empty() ? "(unnamed)" : std::string(name));
}

Json CoreJson(const Object& object) {
  Json rows = Json::array();
  for (const CoreRelocationInfo& core : object.core_relocations()) {
    Json row = {{"function", core.function}, {"insn", core.insn},
                {"kind", core.kind},         {"type", TypeText(object, core.type_id)},
                {"access", core.access},     {"value", nullptr}};
    if (core.found) row["value"] = core.value;
    if (!core.problem.empty()) row["error"] = core.problem;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string CoreText(const Object& object) {
  std::vector<std::vector<std::string>> rows = {
      {"FUNCTION", "INSN", "CO-RE", "TYPE", "ACCESS", "VALUE"}};
  for (const CoreRelocationInfo& core : object.core_relocations()) {
    std::string value = core.found ? std::to_string(core.value) : "not in the target";
    if (!core.problem.empty()) value = core.problem;
    rows.push_back({std::string(core.function), std::to_string(core.insn), std::string(core.kind),
                    TypeText(object, core.type_id), std::string(core.access), value});
  }
  return rows.size() == 1 ? std::string() : "\n" + Table(rows);
}

Json ToJson(const Object& object) {
  Json programs = Json::array();
  for (const ObjectProgram& entry : object.programs()) programs.push_back(ProgramJson(entry));
  Json maps = Json::array();
  for (const MapSpec& map : AllMaps(object)) maps.push_back(MapJson(map));
  Json btf = nullptr;
  if (object.btf() != nullptr) btf = {{"types", object.btf()->type_count() - 1}};
  return {{"object", object.name()},         {"license", object.license()},
          {"programs", std::move(programs)}, {"maps", std::move(maps)},
          {"btf", std::move(btf)},           {"core_relocations", CoreJson(object)}};
}

std::string ToText(const Object& object) {
  std::string out = Bold(object.name()) + "\n";
  out += "license: " + (object.license().empty() ? std::string("none") : object.license()) + "\n";
  out += "btf: " + (object.btf() == nullptr
                        ? std::string("none")
                        : std::to_string(object.btf()->type_count() - 1) + " types");
  out += ", CO-RE relocations: " + std::to_string(object.core_relocations().size()) + "\n\n";
  std::vector<std::vector<std::string>> rows = {{"PROGRAM", "SECTION", "TYPE", "INSNS", "MAPS"}};
  for (const ObjectProgram& entry : object.programs()) {
    std::string insns = "-", maps = entry.program ? std::string() : entry.program.error().message;
    if (entry.program) {
      insns = std::to_string(entry.program->insns().size());
      for (const MapSpec& map : entry.program->maps()) maps += (maps.empty() ? "" : " ") + map.name;
    }
    rows.push_back(
        {entry.name, entry.section, std::string(ProgramTypeName(entry.type)), insns, maps});
  }
  out += Table(rows) + "\n";
  rows = {{"MAP", "TYPE", "KEY", "VALUE", "ENTRIES", "FLAGS"}};
  for (const MapSpec& map : AllMaps(object)) {
    rows.push_back({map.name, MapTypeName(map.type), std::to_string(map.key_size),
                    std::to_string(map.value_size), std::to_string(map.max_entries),
                    std::to_string(map.flags)});
  }
  return out + Table(rows) + CoreText(object);
}

int InspectCommand(const InspectOptions& options) {
  auto input = OpenInput(options.object, options.target);
  if (!input) return Fail(input.error());
  return options.json ? WriteJson(ToJson(input->object), kDone)
                      : Write(ToText(input->object), kDone);
}

}  // namespace

void AddInspect(CLI::App& app, int& status) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* inspect = app.add_subcommand("inspect", "Show what is in an object");
  inspect->add_option("object", options->object, "ELF object or .ebpf file")->required();
  inspect->add_flag("--json", options->json, "Machine output on standard output");
  AddTargetOptions(inspect, options->target);
  inspect->footer(
      "Examples:\n"
      "  skep inspect filter.bpf.o\n"
      "  skep inspect filter.bpf.o --json | jq '.maps[].name'\n");
  inspect->callback([options, &status] { status = InspectCommand(*options); });
}

}  // namespace skep::tools
