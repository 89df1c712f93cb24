// SPDX-License-Identifier: Apache-2.0
// The header is one class: types of the object, a struct for each data section,
// members for sections, maps and programs, and Open and Load.
#include "tools/skeleton.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "btf/btf.h"
#include "tools/cpp_types.h"

namespace skep::tools {
namespace {

// A data section: a map whose one value holds variables.
struct DataSection {
  std::string member;  // "bss"
  std::string type;    // "bss_section"
  std::string map;     // "filter.bss", as a literal
  const MapSpec* spec = nullptr;
};

// A string literal; names come from an object, and may hold anything.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\' && c != '?';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("\\{:03o}", byte);
    }
  }
  return out + "\"";
}

constexpr std::string_view kHead = R"(// Made by `skep gen skeleton` of {object}; do not edit.
//
//   auto skeleton = {name}::Open();  // parses the object, which is in this header
//   skeleton->SECTION->VARIABLE = value;  // before Load: what programs start with
//   auto loaded = skeleton->Load(*runtime);  // makes maps, verifies and compiles programs
//   skeleton->programs.NAME->RunPacket(...);  // and its like, see skep/engine.h
//   skeleton->SECTION->VARIABLE  // what programs see now
//
// Threads: one for Open, Load and the members; what `maps` and `programs` point to may be
// used as their headers say. Variables that a program changes meanwhile need atomic access.
// Lifetime: the Runtime must outlive it.
#ifndef {guard}
#define {guard}

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <{library}>

class {name} {{
 public:
)";

constexpr std::string_view kOpen = R"(
  // Fails as skep::Object::Parse. What the object refers to in a kernel is in `options`.
  static skep::Result<{name}> Open(const skep::ObjectOptions& options = {{}}) {{
    auto object = skep::Object::Parse(bytes(), {file}, options);
    if (!object) return std::move(object).error();
    return {name}(*std::move(object));
  }}
  {name}({name}&&) = default;
  {name}& operator=({name}&&) = default;
  ~{name}() = default;

  const skep::Object& object() const {{ return object_; }}
  // The maps and programs that Load made; null before.
  const std::shared_ptr<skep::Instance>& instance() const {{ return instance_; }}
)";

constexpr std::string_view kLoad = R"(
  // Loads the programs that `autoload` names, with the sections as they are now. Fails as
  // Runtime::Instantiate and Instance::Load, and with kInvalidArgument and the verifier's
  // first finding if a program is rejected; then nothing is changed.
  skep::Result<void> Load(skep::Runtime& runtime, const skep::LoadOptions& options = {{}}) {{
    std::vector<skep::InitialValue> values;
{values}    auto object = skep::WithInitialValues(object_, values);
    if (!object) return std::move(object).error();
    auto made = runtime.Instantiate(*object);
    if (!made) return std::move(made).error();
    const std::shared_ptr<skep::Instance> instance = *std::move(made);
    Programs loaded;
{programs}    instance_ = instance;
    programs = std::move(loaded);
{maps}    return {{}};
  }}

 private:
  explicit {name}(skep::Object object) : object_(std::move(object)) {{
{starts}  }}
)";

constexpr std::string_view kPrivate = R"(
  template <class T>
  T* Start(const char* map, std::unique_ptr<T>& start) {
    start = std::make_unique<T>();
    for (const skep::MapSpec& spec : object_.maps()) {
      if (spec.name != map || spec.initial_value == nullptr) continue;
      std::memcpy(static_cast<void*>(start.get()), spec.initial_value->data(),
                  std::min(sizeof(T), spec.initial_value->size()));
    }
    return start.get();
  }
  template <class T>
  static std::span<const std::byte> BytesOf(const T& section) {
    return std::as_bytes(std::span(&section, 1));
  }
  static skep::Result<void> LoadOne(skep::Instance& instance, const char* program,
                                    const skep::LoadOptions& options,
                                    std::shared_ptr<skep::Executable>& loaded) {
    auto outcome = instance.Load(program, options);
    if (!outcome) return std::move(outcome).error();
    if (outcome->executable == nullptr) {
      const auto& findings = outcome->report.findings;
      return skep::Error{skep::ErrorCode::kInvalidArgument,
                         std::string("program '") + program + "' is rejected" +
                             (findings.empty() ? "" : ": " + findings[0].message),
                         findings.empty() ? 0 : findings[0].sys_errno};
    }
    loaded = std::move(outcome->executable);
    return {};
  }

  skep::Object object_;
  std::shared_ptr<skep::Instance> instance_;
)";

class Skeleton {
 public:
  Skeleton(const Object& object, std::string name)
      : object_(object), btf_(object.btf()), name_(std::move(name)) {
    if (btf_ != nullptr) types_ = std::make_unique<CppTypes>(*btf_, "types");
    for (const char* taken : {"maps", "programs", "autoload", "types", "object", "instance",
                              "bytes", "Maps", "Programs", "Autoload", "Open", "Load", "LoadOne",
                              "Start", "BytesOf", "object_", "instance_"}) {
      names_.Take(taken);
    }
    names_.Take(name_);
    for (const MapSpec& map : object.maps()) FindSection(map);
  }

  std::string Text(std::span<const std::byte> bytes) {
    std::string guard = "SKEP_SKELETON_" + name_ + "_H_";
    std::transform(guard.begin(), guard.end(), guard.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    // Before the types, whose text is complete when everything else is written.
    const std::string members = Sections() + Maps() + Programs();
    std::string out =
        fmt::format(kHead, fmt::arg("object", CommentText(object_.name())), fmt::arg("name", name_),
                    fmt::arg("guard", guard), fmt::arg("library", "skep/skep.h"));
    if (types_ != nullptr && !types_->definitions().empty()) {
      out += "  // Types of the object.\n  struct types {\n" + Indented(types_->definitions()) +
             "  };\n\n";
    }
    out += members;
    out += fmt::format(kOpen, fmt::arg("name", name_), fmt::arg("file", Quoted(object_.name())));
    out += BytesText(bytes) + LoadText();
    out += kPrivate;
    for (const DataSection& data : sections_) {
      out += fmt::format("  std::unique_ptr<{}> {}_start_;\n", data.type, data.member);
    }
    return out + "};\n\n#endif  // " + guard + "\n";
  }

 private:
  static std::string CommentText(const std::string& text) {
    const std::string quoted = Quoted(text);
    return quoted.substr(1, quoted.size() - 2);
  }

  // Each line two columns to the right.
  static std::string Indented(std::string_view text) {
    std::string out;
    while (!text.empty()) {
      const size_t length = text.find('\n') + 1;
      out.append("  ").append(text.substr(0, length));
      text.remove_prefix(length);
    }
    return out;
  }

  void FindSection(const MapSpec& map) {
    const size_t dot = map.name.find('.');
    if (map.type != MapType::kArray || map.max_entries != 1 || dot == std::string::npos) return;
    std::string section = map.name.substr(dot);  // cut where names of maps are
    const uint32_t id = map.btf_value_type_id;
    if (btf_ != nullptr && id != 0 && btf_->kind(id) == btf::Kind::kDatasec)
      section = btf_->name(id);
    section.erase(0, section.find_first_not_of('.'));
    DataSection data;
    data.member = names_.Take(section);
    data.type = names_.Take(data.member + "_section");
    data.map = Quoted(map.name);
    data.spec = &map;
    sections_.push_back(std::move(data));
  }
  bool IsSection(const MapSpec& map) const {
    return std::any_of(sections_.begin(), sections_.end(),
                       [&](const DataSection& data) { return data.spec == &map; });
  }

  std::vector<CppTypes::Field> Variables(const MapSpec& map) const {
    std::vector<CppTypes::Field> fields;
    const uint32_t id = map.btf_value_type_id;
    if (btf_ == nullptr || id == 0 || btf_->kind(id) != btf::Kind::kDatasec) {
      return {{"bytes", 0, 0, map.value_size}};
    }
    for (uint32_t i = 0; i < btf_->type(id).vlen; ++i) {
      const btf::SectionVariable variable = btf_->section_variable(id, i);
      if (btf_->kind(variable.type) != btf::Kind::kVar || variable.size == 0) continue;
      fields.push_back({btf_->name(variable.type), btf_->type(variable.type).size_or_type,
                        variable.offset, variable.size});
    }
    return fields;
  }

  std::string Sections() {
    std::string out;
    for (const DataSection& data : sections_) {
      if (types_ != nullptr) {
        out += types_->Struct(data.type, "", Variables(*data.spec), data.spec->value_size);
      } else {
        out += fmt::format("  struct {} {{\n    uint8_t bytes[{}];\n  }};\n", data.type,
                           data.spec->value_size);
      }
      out += fmt::format("  // {}\n  {}* {} = nullptr;\n\n",
                         data.spec->frozen ? "Constants of programs: changes after Load reach none."
                                           : "Before Load what programs start with.",
                         data.type, data.member);
    }
    return out;
  }

  std::string Maps() {
    std::string out = "  struct Maps {\n";
    CppNames names;
    std::string aliases;
    for (const MapSpec& map : object_.maps()) {
      if (IsSection(map)) continue;
      const std::string member = names.Take(map.name);
      map_members_.emplace_back(member, Quoted(map.name));
      out += fmt::format("    std::shared_ptr<skep::Map> {};\n", member);
      const auto alias = [&](const char* what, uint32_t type, uint32_t size) {
        if (type == 0 || size == 0 || types_ == nullptr) return;
        aliases += "    " + types_->Alias(names.Take(member + what), type, size) + "\n";
      };
      alias("_key", map.btf_key_type_id, map.key_size);
      alias("_value", map.btf_value_type_id, map.value_size);
    }
    return out + aliases + "  } maps;  // null before Load\n\n";
  }

  std::string Programs() {
    std::string out = "  struct Programs {\n", autoload;
    CppNames names;
    for (const ObjectProgram& program : object_.programs()) {
      const std::string member = names.Take(program.name);
      program_members_.emplace_back(member, Quoted(program.name));
      out += fmt::format("    std::shared_ptr<skep::Executable> {};\n", member);
      autoload += fmt::format("    bool {} = {};\n", member, program.autoload);
    }
    return out +
           "  } programs;  // null before Load, and without autoload\n"
           "  // What Load loads.\n  struct Autoload {\n" +
           autoload + "  } autoload;\n";
  }

  std::string LoadText() const {
    std::string values, programs, maps, starts;
    for (const DataSection& data : sections_) {
      values += fmt::format("    values.push_back({{{}, BytesOf(*{}_start_)}});\n", data.map,
                            data.member);
      starts += fmt::format("    {0} = Start({1}, {0}_start_);\n", data.member, data.map);
      if (data.spec->frozen) continue;
      maps += fmt::format(
          "    {} = reinterpret_cast<{}*>(instance->FindMap({})->direct_view().base);\n",
          data.member, data.type, data.map);
    }
    for (const auto& [member, name] : map_members_) {
      maps += fmt::format("    maps.{} = instance->FindMap({});\n", member, name);
    }
    for (const auto& [member, name] : program_members_) {
      programs += fmt::format(
          "    if (autoload.{0}) {{\n"
          "      auto done = LoadOne(*instance, {1}, options, loaded.{0});\n"
          "      if (!done) return done;\n    }}\n",
          member, name);
    }
    if (program_members_.empty()) programs = "    static_cast<void>(options);\n";
    return fmt::format(kLoad, fmt::arg("name", name_), fmt::arg("values", values),
                       fmt::arg("programs", programs), fmt::arg("maps", maps),
                       fmt::arg("starts", starts));
  }

  static std::string BytesText(std::span<const std::byte> bytes) {
    constexpr size_t kBytesALine = 24;
    std::string out = "  // The object file.\n  static std::span<const std::byte> bytes() {\n";
    out += "    static constexpr char kBytes[] =";
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (i % kBytesALine == 0) out += i == 0 ? "\n        \"" : "\"\n        \"";
      out += fmt::format("\\x{:02x}", std::to_integer<int>(bytes[i]));
    }
    return out + "\";\n    return std::as_bytes(std::span(kBytes, sizeof(kBytes) - 1));\n  }\n";
  }

  const Object& object_;
  const std::shared_ptr<const btf::Btf> btf_;
  const std::string name_;
  std::unique_ptr<CppTypes> types_;  // null without BTF
  CppNames names_;                   // members of the class
  std::vector<DataSection> sections_;
  // Member and name as a literal.
  std::vector<std::pair<std::string, std::string>> map_members_, program_members_;
};

}  // namespace

std::string SkeletonText(const Object& object, const std::string& name,
                         std::span<const std::byte> bytes) {
  return Skeleton(object, name).Text(bytes);
}

}  // namespace skep::tools
