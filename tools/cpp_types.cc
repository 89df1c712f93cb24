// SPDX-License-Identifier: Apache-2.0
#include "tools/cpp_types.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace skep::tools {
namespace {

using btf::Kind;

// Types of objects nest a few levels; deeper ones become bytes.
constexpr int kMaxDepth = 64;

// Keywords, and names that common headers define as macros.
constexpr std::string_view kReserved[] = {
    "EOF",          "NULL",          "alignas",     "alignof",   "and",
    "and_eq",       "asm",           "assert",      "auto",      "bitand",
    "bitor",        "bool",          "break",       "case",      "catch",
    "char",         "char16_t",      "char32_t",    "char8_t",   "class",
    "co_await",     "co_return",     "co_yield",    "compl",     "concept",
    "const",        "const_cast",    "consteval",   "constexpr", "constinit",
    "continue",     "decltype",      "default",     "delete",    "do",
    "double",       "dynamic_cast",  "else",        "enum",      "errno",
    "explicit",     "export",        "extern",      "false",     "float",
    "for",          "friend",        "goto",        "i386",      "if",
    "inline",       "int",           "linux",       "long",      "mutable",
    "namespace",    "new",           "noexcept",    "not",       "not_eq",
    "nullptr",      "offsetof",      "operator",    "or",        "or_eq",
    "private",      "protected",     "public",      "register",  "reinterpret_cast",
    "requires",     "return",        "short",       "signed",    "sizeof",
    "static",       "static_assert", "static_cast", "stderr",    "stdin",
    "stdout",       "struct",        "switch",      "template",  "this",
    "thread_local", "throw",         "true",        "try",       "typedef",
    "typeid",       "typename",      "union",       "unix",      "unsigned",
    "using",        "virtual",       "void",        "volatile",  "wchar_t",
    "while",        "xor",           "xor_eq",      "int8_t",    "int16_t",
    "int32_t",      "int64_t",       "uint8_t",     "uint16_t",  "uint32_t",
    "uint64_t"};

std::optional<std::string> Number(uint32_t size, bool is_signed) {
  if (size != 1 && size != 2 && size != 4 && size != 8) return std::nullopt;
  return fmt::format("{}{}_t", is_signed ? "int" : "uint", size * 8);
}

std::string EnumValue(int64_t value, bool is_signed) {
  if (!is_signed) return fmt::format("{}u", static_cast<uint64_t>(value));
  if (value == INT64_MIN) return "INT64_MIN";
  return std::to_string(value);
}

}  // namespace

std::string CppName(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool is_word =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    out += is_word ? c : '_';
  }
  if (out.empty() || (out[0] >= '0' && out[0] <= '9')) out = "n" + out;
  if (std::find(std::begin(kReserved), std::end(kReserved), out) != std::end(kReserved)) out += '_';
  return out;
}

std::string CppNames::Take(std::string_view name) {
  std::string taken = CppName(name);
  while (!used_.insert(taken).second) taken += '_';
  return taken;
}

CppTypes::CppTypes(const btf::Btf& btf, std::string scope) : btf_(btf), scope_(std::move(scope)) {
  names_.Take(scope_);  // no member may have the name of its class
}

CppTypes::Spelled CppTypes::Bytes(uint32_t size) {
  return {"uint8_t", fmt::format("[{}]", size), 1};
}

CppTypes::Spelled CppTypes::SpellInt(uint32_t id, uint32_t size) const {
  const btf::IntInfo info = btf_.integer(id);
  const auto number = Number(size, info.is_signed && !info.is_bool);
  if (!number || info.bits != size * 8) return Bytes(size);
  if (btf_.name(id) == "char") return {"char", "", 1};
  return {*number, "", size};
}

// The members that can be fields: with a name, and in whole bytes.
std::vector<CppTypes::Field> CppTypes::FieldsOf(uint32_t id) const {
  std::vector<Field> fields;
  for (uint32_t i = 0; i < btf_.type(id).vlen; ++i) {
    const btf::Member member = btf_.member(id, i);
    if (member.bitfield_size != 0 || member.bit_offset % 8 != 0 || member.name.empty()) continue;
    // A last array without elements has none that the host could reach.
    const uint32_t size = btf_.SizeOf(member.type).value_or(0);
    if (size != 0) fields.push_back({member.name, member.type, member.bit_offset / 8, size});
  }
  return fields;
}

CppTypes::Spelled CppTypes::Composite(uint32_t id, std::string_view type_name, int depth) {
  if (const auto found = known_.find(id); found != known_.end()) return found->second;
  const btf::Type type = btf_.type(id);
  const std::vector<Field> fields = FieldsOf(id);
  if (depth > kMaxDepth || fields.empty()) return Bytes(type.size_or_type);
  const std::string_view plain = type.name.empty() ? type_name : type.name;
  const std::string name = names_.Take(plain.empty() ? fmt::format("unnamed_{}", id) : plain);
  std::string text;
  Spelled spelled;
  if (type.kind == Kind::kUnion) {
    spelled = Union(id, name, depth);
  } else {
    spelled = Write(name, scope_, fields, type.size_or_type, depth, text);
    definitions_ += text;
  }
  return known_[id] = spelled;
}

CppTypes::Spelled CppTypes::Union(uint32_t id, const std::string& name, int depth) {
  const uint32_t size = btf_.type(id).size_or_type;
  std::string body;
  CppNames names;
  Spelled spelled{scope_ + "::" + name, "", 1};
  for (const Field& field : FieldsOf(id)) {
    if (field.size > size) continue;
    Spelled member = Spell(field.type, field.size, depth + 1);
    if (size % member.align != 0) member = Bytes(field.size);
    spelled.align = std::max(spelled.align, member.align);
    body += fmt::format("    {} {}{};\n", member.before, names.Take(field.name), member.after);
  }
  // Members that are left out may have been the largest.
  body += fmt::format("    uint8_t {}[{}];\n", names.Take("bytes"), size);
  definitions_ += fmt::format("  union {0} {{\n{1}  }};\n  static_assert(sizeof({2}) == {3});\n",
                              name, body, spelled.before, size);
  return spelled;
}

CppTypes::Spelled CppTypes::Enum(uint32_t id, std::string_view type_name, uint32_t size) {
  const btf::Type type = btf_.type(id);
  const auto number = Number(size, type.kind_flag);
  if (!number) return Bytes(size);
  const std::string_view plain = type.name.empty() ? type_name : type.name;
  if (type.vlen == 0 || plain.empty()) return {*number, "", size};
  if (const auto found = known_.find(id); found != known_.end()) return found->second;
  const std::string name = names_.Take(plain);
  definitions_ += fmt::format("  enum {} : {} {{\n", name, *number);
  for (uint32_t i = 0; i < type.vlen; ++i) {
    const btf::Enumerator one = btf_.enumerator(id, i);
    definitions_ +=
        fmt::format("    {} = {},\n", names_.Take(one.name), EnumValue(one.value, type.kind_flag));
  }
  definitions_ += "  };\n";
  return known_[id] = {scope_ + "::" + name, "", size};
}

CppTypes::Spelled CppTypes::Spell(uint32_t type_id, uint32_t size, int depth) {
  const uint32_t id = btf_.SkipModifiers(type_id);
  // What a typedef calls a type that has no name.
  const std::string_view type_name =
      btf_.kind(type_id) == Kind::kTypedef ? btf_.name(type_id) : std::string_view();
  switch (btf_.kind(id)) {
    case Kind::kInt:
      return SpellInt(id, size);
    case Kind::kEnum:
    case Kind::kEnum64:
      return Enum(id, type_name, size);
    case Kind::kPtr:
      return size == 8 ? Spelled{"uint64_t", "", 8} : Bytes(size);
    case Kind::kFloat:
      if (size == 4) return {"float", "", 4};
      if (size == 8) return {"double", "", 8};
      return Bytes(size);
    case Kind::kArray: {
      const btf::ArrayInfo array = btf_.array(id);
      if (array.count == 0 || depth > kMaxDepth) return Bytes(size);
      const Spelled element = Spell(array.element, size / array.count, depth + 1);
      return {element.before, fmt::format("[{}]{}", array.count, element.after), element.align};
    }
    case Kind::kStruct:
    case Kind::kUnion:
      return Composite(id, type_name, depth + 1);
    case Kind::kVoid:
    case Kind::kFwd:
    case Kind::kTypedef:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kFunc:
    case Kind::kFuncProto:
    case Kind::kVar:
    case Kind::kDatasec:
    case Kind::kDeclTag:
    case Kind::kTypeTag:
      return Bytes(size);
  }
  return Bytes(size);
}

std::string CppTypes::Declare(uint32_t type, uint32_t size, const std::string& name) {
  const Spelled spelled = type == 0 ? Bytes(size) : Spell(type, size, 0);
  return fmt::format("{} {}{}", spelled.before, name, spelled.after);
}

std::string CppTypes::Alias(const std::string& name, uint32_t type, uint32_t size) {
  const Spelled spelled = type == 0 ? Bytes(size) : Spell(type, size, 0);
  return fmt::format("using {} = {}{};", name, spelled.before, spelled.after);
}

std::string CppTypes::Struct(const std::string& name, const std::string& scope,
                             std::vector<Field> fields, uint32_t size) {
  std::string out;
  Write(name, scope, std::move(fields), size, 0, out);
  return out;
}

// A struct whose fields are not all aligned is packed, as it was in C.
CppTypes::Spelled CppTypes::Write(const std::string& name, const std::string& scope,
                                  std::vector<Field> fields, uint32_t size, int depth,
                                  std::string& out) {
  std::stable_sort(fields.begin(), fields.end(),
                   [](const Field& a, const Field& b) { return a.offset < b.offset; });
  const std::string full = scope.empty() ? name : scope + "::" + name;
  std::string body, checks;
  CppNames names;
  uint32_t at = 0, align = 1;
  bool packed = false;
  const auto gap = [&](uint32_t to) {
    if (to > at)
      body += fmt::format("    uint8_t {}[{}];\n", names.Take(fmt::format("gap_{}", at)), to - at);
  };
  for (const Field& field : fields) {
    if (field.offset < at || field.offset + uint64_t{field.size} > size) continue;
    gap(field.offset);
    const Spelled spelled =
        field.type == 0 ? Bytes(field.size) : Spell(field.type, field.size, depth);
    packed |= field.offset % spelled.align != 0 || size % spelled.align != 0;
    align = std::max(align, spelled.align);
    const std::string field_name = names.Take(field.name);
    body += fmt::format("    {} {}{};\n", spelled.before, field_name, spelled.after);
    checks +=
        fmt::format("  static_assert(offsetof({}, {}) == {});\n", full, field_name, field.offset);
    at = field.offset + field.size;
  }
  gap(size);
  out += fmt::format("  struct {0}{1} {{\n{2}  }};\n", packed ? "__attribute__((packed)) " : "",
                     name, body);
  out += fmt::format("  static_assert(sizeof({}) == {});\n{}", full, size, checks);
  return {full, "", packed ? 1 : align};
}

}  // namespace skep::tools
