// SPDX-License-Identifier: Apache-2.0
// skep inspect: what is in an object.
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "skep/extern_info.h"
#include "skep/struct_ops.h"

#include "btf/btf.h"
#include "btf/c_dump.h"
#include "model/map_type_info.h"
#include "model/program_type_name.h"
#include "tools/btf_source.h"
#include "tools/command.h"
#include "tools/elf_summary.h"
#include "tools/input.h"
#include "tools/output.h"
#include "tools/typed_value.h"

namespace skep::tools {
namespace {

struct InspectOptions {
  std::string object;
  TargetOptions target;
  BtfDumpOptions btf;
  bool dumps_btf = false;
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
  return rows.size() == 1 ? std::string() : Table(rows);
}

// How many records of each kind the target has, has not, or leaves undecided.
struct CoreCounts {
  size_t records = 0, found = 0, missing = 0, undecided = 0;
};
std::map<std::string_view, CoreCounts> CountCore(const Object& object) {
  std::map<std::string_view, CoreCounts> kinds;
  for (const CoreRelocationInfo& core : object.core_relocations()) {
    CoreCounts& counts = kinds[core.kind];
    ++counts.records;
    ++(!core.problem.empty() ? counts.undecided : core.found ? counts.found : counts.missing);
  }
  return kinds;
}

Json CoreSummaryJson(const Object& object) {
  Json out = Json::object();
  for (const auto& [kind, counts] : CountCore(object)) {
    out[std::string(kind)] = {{"records", counts.records},
                              {"found", counts.found},
                              {"missing", counts.missing},
                              {"undecided", counts.undecided}};
  }
  return out;
}

std::string CoreSummaryText(const Object& object) {
  std::vector<std::vector<std::string>> rows = {
      {"CO-RE KIND", "RECORDS", "FOUND", "MISSING", "UNDECIDED"}};
  for (const auto& [kind, counts] : CountCore(object)) {
    rows.push_back({std::string(kind), std::to_string(counts.records), std::to_string(counts.found),
                    std::to_string(counts.missing), std::to_string(counts.undecided)});
  }
  return rows.size() == 1 ? std::string() : Table(rows);
}

// Types by kind, in the order of the kinds.
std::map<btf::Kind, size_t> CountTypes(const btf::Btf& btf) {
  std::map<btf::Kind, size_t> kinds;
  for (uint32_t id = btf.first_id(); id < btf.type_count(); ++id) ++kinds[btf.kind(id)];
  return kinds;
}

Json BtfJson(const Object& object) {
  if (object.btf() == nullptr) return nullptr;
  Json kinds = Json::object();
  for (const auto& [kind, count] : CountTypes(*object.btf()))
    kinds[std::string(btf::KindName(kind))] = count;
  return {{"types", object.btf()->type_count() - 1}, {"kinds", std::move(kinds)}};
}

std::string BtfSummary(const Object& object) {
  if (object.btf() == nullptr) return "none";
  std::string out = std::to_string(object.btf()->type_count() - 1) + " types (";
  const char* separator = "";
  for (const auto& [kind, count] : CountTypes(*object.btf())) {
    out += separator + std::to_string(count) + " " + std::string(btf::KindName(kind));
    separator = ", ";
  }
  return out + ")";
}

// The type that an extern is declared with.
std::string ExternType(const Object& object, const ExternInfo& one) {
  const auto text = btf::DeclareC(*object.btf(), object.btf()->type(one.type_id).size_or_type, "");
  return text ? *text : TypeText(object, one.type_id);
}

// A value of the configuration by its type, another as it is; null if there is none.
Json ExternValue(const Object& object, const ExternInfo& one) {
  if (!one.found) return nullptr;
  if (one.kind != ExternKind::kConfig) return one.value;
  const btf::Btf& btf = *object.btf();
  const uint32_t size = btf.SizeOf(btf.type(one.type_id).size_or_type).value_or(0);
  for (const MapSpec& map : object.maps()) {
    if (!map.name.ends_with(".kconfig") || map.initial_value == nullptr) continue;
    if (one.value + size > map.initial_value->size()) return nullptr;
    return TypedValue(btf, btf.type(one.type_id).size_or_type,
                      std::span(*map.initial_value).subspan(one.value, size));
  }
  return nullptr;
}

Json ExternsJson(const Object& object) {
  Json rows = Json::array();
  for (const ExternInfo& one : Externs(object)) {
    Json row = {{"name", one.name},
                {"kind", ExternKindName(one.kind)},
                {"type", ExternType(object, one)},
                {"weak", one.weak},
                {"value", ExternValue(object, one)}};
    if (!one.problem.empty()) row["error"] = one.problem;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string ExternsText(const Object& object) {
  std::vector<std::vector<std::string>> rows = {{"EXTERN", "KIND", "TYPE", "VALUE"}};
  for (const ExternInfo& one : Externs(object)) {
    std::string value = one.problem;
    if (value.empty()) {
      const Json found = ExternValue(object, one);
      value = found.is_null() ? "not found, weak"
              : one.kind == ExternKind::kSymbol
                  ? fmt::format("{:#x}", one.value)
                  : found.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    rows.push_back(
        {one.name, std::string(ExternKindName(one.kind)), ExternType(object, one), value});
  }
  return rows.size() == 1 ? std::string() : Table(rows);
}

Json ToJson(const Object& object, const loader::ElfFile* elf) {
  Json programs = Json::array();
  for (const ObjectProgram& entry : object.programs()) programs.push_back(ProgramJson(entry));
  Json maps = Json::array();
  for (const MapSpec& map : AllMaps(object)) maps.push_back(MapJson(map));
  Json json = {{"object", object.name()},
               {"license", object.license()},
               {"programs", std::move(programs)},
               {"maps", std::move(maps)},
               {"externs", ExternsJson(object)},
               {"btf", BtfJson(object)},
               {"core_summary", CoreSummaryJson(object)},
               {"core_relocations", CoreJson(object)}};
  if (elf != nullptr) {
    json["sections"] = SectionsJson(*elf);
    json["relocations"] = RelocationsJson(*elf);
  }
  return json;
}

// Tables, with an empty line between two.
std::string Paragraphs(std::initializer_list<std::string> tables) {
  std::string out;
  for (const std::string& table : tables) {
    if (!table.empty()) out += "\n" + table;
  }
  return out;
}

std::string ProgramsText(const Object& object) {
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
  return Table(rows);
}

std::string MapsText(const Object& object) {
  std::vector<std::vector<std::string>> rows = {
      {"MAP", "TYPE", "KEY", "VALUE", "ENTRIES", "FLAGS"}};
  for (const MapSpec& map : AllMaps(object)) {
    rows.push_back({map.name, MapTypeName(map.type), std::to_string(map.key_size),
                    std::to_string(map.value_size), std::to_string(map.max_entries),
                    std::to_string(map.flags)});
  }
  return Table(rows);
}

std::string ToText(const Object& object, const loader::ElfFile* elf) {
  std::string out = Bold(object.name()) + "\n";
  out += "license: " + (object.license().empty() ? std::string("none") : object.license()) + "\n";
  out += "btf: " + BtfSummary(object) + "\n";
  out += "CO-RE relocations: " + std::to_string(object.core_relocations().size()) + "\n";
  out += Paragraphs({ProgramsText(object), MapsText(object), ExternsText(object),
                     CoreSummaryText(object), CoreText(object)});
  if (elf != nullptr) out += Paragraphs({SectionsText(*elf), RelocationsText(*elf)});
  return out;
}

int DumpBtf(BtfDumpOptions options, const std::string& path) {
  options.path = path;
  const auto text = BtfText(options);
  return text ? Write(*text, kDone) : Fail(text.error());
}

int InspectCommand(const InspectOptions& options) {
  if (options.dumps_btf || options.btf.raw) return DumpBtf(options.btf, options.object);
  auto input = OpenInput(options.object, options.target);
  if (!input) return Fail(input.error());
  std::optional<loader::ElfFile> elf;  // none: a test file
  if (!input->test) {
    auto parsed = loader::ElfFile::Parse(input->bytes);
    if (!parsed) return Fail(std::move(parsed).error().At(options.object));
    elf = *std::move(parsed);
  }
  const loader::ElfFile* parts = elf ? &*elf : nullptr;
  return options.json ? WriteJson(ToJson(input->object, parts), kDone)
                      : Write(ToText(input->object, parts), kDone);
}

}  // namespace

void AddInspect(CLI::App& app, int& status) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* inspect = app.add_subcommand("inspect", "Show what is in an object");
  inspect->add_option("object", options->object, "ELF object, .ebpf file or BTF")->required();
  inspect->add_flag("--json", options->json, "Machine output on standard output");
  CLI::Option* btf = inspect->add_option(
      "--btf", options->btf.type, "Write the types as C: this one and what it needs, or all");
  btf->expected(0, 1);
  inspect->add_flag("--raw", options->btf.raw, "Write the types one by one, not as C");
  inspect->add_option("--base", options->btf.base, "BTF that the one of a module continues");
  AddTargetOptions(inspect, options->target, "--target-btf");
  inspect->footer(
      "Examples:\n"
      "  skep inspect filter.bpf.o\n"
      "  skep inspect filter.bpf.o --json | jq '.maps[].name'\n"
      "  skep inspect /sys/kernel/btf/vmlinux --btf task_struct\n");
  inspect->callback([options, btf, &status] {
    options->dumps_btf = btf->count() > 0;
    status = InspectCommand(*options);
  });
}

}  // namespace skep::tools
