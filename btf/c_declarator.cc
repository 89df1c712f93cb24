// SPDX-License-Identifier: Apache-2.0
// C declares from the inside out: "int (*f[4])(long)" is an array of pointers to
// functions. The types from the outermost (the array) to the innermost (int) are
// put on a stack; the innermost is written first, and arrays and prototypes write
// what is outside of them in the middle, where the name is.
#include "btf/c_declarator.h"

#include <algorithm>

#include <fmt/format.h>

namespace skep::btf {
namespace {

constexpr size_t kMaxText = size_t{64} << 20;
constexpr int kMaxDepth = 512;
constexpr uint64_t kMaxSteps = 1u << 26;

bool IsQualifier(Kind kind) {
  return kind == Kind::kVolatile || kind == Kind::kConst || kind == Kind::kRestrict;
}

std::string WithSuffix(std::string_view name, uint32_t occurrence) {
  return occurrence > 1 ? fmt::format("{}___{}", name, occurrence) : std::string(name);
}

}  // namespace

CDeclarator::CDeclarator(const Btf& btf, std::string& text) : btf_(btf), text_(text), layout_(btf) {
  for (uint32_t id = 1; id < btf.type_count(); ++id) {
    if (btf.kind(id) == Kind::kDeclTag) tags_.emplace(btf.decl_tag(id).target, id);
  }
}

bool CDeclarator::Enter() {
  if (text_.size() > kMaxText || depth_ > kMaxDepth || ++steps_ > kMaxSteps) overflow_ = true;
  return !overflow_;
}

const std::string& CDeclarator::NameOf(uint32_t id) {
  const auto [entry, is_new] = names_.try_emplace(id);
  if (is_new) {
    const Type type = btf_.type(id);
    Counts& counts = type.kind == Kind::kTypedef ? plain_names_ : tag_names_;
    if (!type.name.empty()) {
      entry->second = WithSuffix(type.name, ++counts[std::string(type.name)]);
    }
  }
  return entry->second;
}

// Attributes that clang makes declaration tags of; component -1: the type's own.
void CDeclarator::Tags(uint32_t id, int32_t component) {
  const auto [first, last] = tags_.equal_range(id);
  for (auto it = first; it != last; ++it) {
    if (btf_.decl_tag(it->second).component != component) continue;
    text_ += fmt::format(" __attribute__((btf_decl_tag(\"{}\")))", btf_.name(it->second));
  }
}

void CDeclarator::Padding(uint32_t from, uint32_t to, uint32_t align, bool in_bitfield, int level) {
  for (const struct Padding& pad : PaddingBetween(from, to, align, in_bitfield)) {
    text_ += '\n';
    Indent(level);
    text_ += fmt::format("{}: {};", pad.type, pad.bits);
  }
}

void CDeclarator::CompositeDefinition(uint32_t id, int level) {
  if (!Enter()) return;
  ++depth_;
  const Type type = btf_.type(id);
  const bool is_struct = type.kind == Kind::kStruct;
  const bool packed = is_struct && layout_.IsPacked(id);
  const std::string& name = NameOf(id);
  text_ += fmt::format("{}{}{} {{", is_struct ? "struct" : "union", name.empty() ? "" : " ", name);
  uint32_t at = 0;  // bits
  bool after_bitfield = false;
  for (uint32_t i = 0; i < type.vlen && !overflow_; ++i) {
    const Member member = btf_.member(id, i);
    const bool is_bitfield = member.bitfield_size != 0;
    const uint32_t align = packed ? 1 : layout_.AlignOf(member.type);
    Padding(at, member.bit_offset, align, after_bitfield && is_bitfield, level + 1);
    text_ += '\n';
    Indent(level + 1);
    Declare(member.type, member.name, level + 1);
    if (is_bitfield) text_ += fmt::format(": {}", member.bitfield_size);
    Tags(id, static_cast<int32_t>(i));
    text_ += ';';
    at = member.bit_offset +
         (is_bitfield ? member.bitfield_size : btf_.SizeOf(member.type).value_or(0) * 8);
    after_bitfield = is_bitfield;
  }
  if (is_struct) Padding(at, type.size_or_type * 8, layout_.AlignOf(id), false, level + 1);
  if (type.vlen != 0 || type.size_or_type != 0) {
    text_ += '\n';
    Indent(level);
  }
  text_ += '}';
  if (packed) text_ += " __attribute__((packed))";
  Tags(id, -1);
  --depth_;
}

void CDeclarator::EnumDefinition(uint32_t id, int level) {
  if (!Enter()) return;
  const Type type = btf_.type(id);
  const std::string& name = NameOf(id);
  text_ += fmt::format("enum{}{}", name.empty() ? "" : " ", name);
  if (type.vlen == 0) return;
  const bool wide = type.kind == Kind::kEnum64;
  bool needs_wide = false;  // a value beyond 32 bits makes the enum wide by itself
  text_ += " {";
  for (uint32_t i = 0; i < type.vlen; ++i) {
    const Enumerator e = btf_.enumerator(id, i);
    const auto bits = static_cast<uint64_t>(e.value);
    needs_wide |= bits >> 32 != 0;
    text_ += '\n';
    Indent(level + 1);
    text_ += WithSuffix(e.name, ++plain_names_[std::string(e.name)]);
    text_ += type.kind_flag ? fmt::format(" = {}", e.value) : fmt::format(" = {}", bits);
    if (wide) text_ += type.kind_flag ? "LL" : "ULL";
    text_ += ',';
  }
  text_ += '\n';
  Indent(level);
  text_ += '}';
  if (type.size_or_type == 1) text_ += " __attribute__((mode(byte)))";
  if (type.size_or_type == 2) text_ += " __attribute__((mode(HI)))";
  if (type.size_or_type == 8 && !(wide && needs_wide)) text_ += " __attribute__((mode(word)))";
  Tags(id, -1);
}

void CDeclarator::Forward(uint32_t id) {
  const Type type = btf_.type(id);
  const bool is_union = type.kind == Kind::kUnion || (type.kind == Kind::kFwd && type.kind_flag);
  text_ += fmt::format("{} {}", is_union ? "union" : "struct", NameOf(id));
}

void CDeclarator::TypedefDefinition(uint32_t id) {
  const Type type = btf_.type(id);
  const std::string name = NameOf(id);
  // Old gcc describes its va_list as void.
  if (type.size_or_type == 0 && name == "__gnuc_va_list") {
    text_ += "typedef __builtin_va_list __gnuc_va_list";
    return;
  }
  text_ += "typedef ";
  Declare(type.size_or_type, name, 0);
  Tags(id, -1);
}

void CDeclarator::Declare(uint32_t id, std::string_view name, int level) {
  if (!Enter()) return;
  Chain chain;
  for (;;) {
    chain.push_back(id);
    const Type type = btf_.type(id);
    const bool goes_on = type.kind == Kind::kPtr || IsQualifier(type.kind) ||
                         type.kind == Kind::kTypeTag || type.kind == Kind::kFuncProto;
    if (!goes_on && type.kind != Kind::kArray) break;
    id = goes_on ? type.size_or_type : btf_.array(id).element;
    if (chain.size() > static_cast<size_t>(kMaxDepth)) {
      overflow_ = true;
      return;
    }
  }
  ++depth_;
  DeclareChain(chain, name, level);
  --depth_;
}

// Writes the qualifiers that come next, in front of what they qualify.
void CDeclarator::Qualifiers(Chain& chain) {
  for (; !chain.empty() && IsQualifier(btf_.kind(chain.back())); chain.pop_back()) {
    text_ += KindName(btf_.kind(chain.back()));
    text_ += ' ';
  }
}

// gcc qualifies arrays and functions beside their elements and results; it means
// nothing, and C cannot say it.
void CDeclarator::DropQualifiers(Chain& chain) const {
  while (!chain.empty() && IsQualifier(btf_.kind(chain.back()))) chain.pop_back();
}

void CDeclarator::Name(std::string_view name, bool after_pointer) {
  if (!name.empty() && !after_pointer) text_ += ' ';
  text_ += name;
}

void CDeclarator::DeclareChain(Chain& chain, std::string_view name, int level) {
  // Of a chain that begins with a pointer the star follows a parenthesis.
  bool after_pointer = true;
  while (!chain.empty() && Enter()) {
    const uint32_t id = chain.back();
    chain.pop_back();
    const Type type = btf_.type(id);
    switch (type.kind) {
      case Kind::kPtr:
        text_ += after_pointer ? "*" : " *";
        break;
      case Kind::kVolatile:
      case Kind::kConst:
      case Kind::kRestrict:
        text_ += ' ';
        text_ += KindName(type.kind);
        break;
      case Kind::kTypeTag:
        Qualifiers(chain);
        text_ += fmt::format(" __attribute__((btf_type_tag(\"{}\")))", type.name);
        break;
      case Kind::kArray:
        return DeclareArray(chain, btf_.array(id).count, name, after_pointer, level);
      case Kind::kFuncProto:
        return DeclarePrototype(chain, id, name, after_pointer, level);
      case Kind::kStruct:
      case Kind::kUnion:
        Qualifiers(chain);
        type.name.empty() ? CompositeDefinition(id, level) : Forward(id);
        break;
      case Kind::kFwd:
        Qualifiers(chain);
        Forward(id);
        break;
      case Kind::kEnum:
      case Kind::kEnum64:
        Qualifiers(chain);
        if (type.name.empty()) {
          EnumDefinition(id, level);
        } else {
          text_ += "enum " + NameOf(id);
        }
        break;
      case Kind::kTypedef:
        Qualifiers(chain);
        text_ += NameOf(id);
        break;
      case Kind::kVoid:
      case Kind::kInt:
      case Kind::kFloat:
      case Kind::kFunc:
      case Kind::kVar:
      case Kind::kDatasec:
      case Kind::kDeclTag:
        Qualifiers(chain);
        text_ += type.kind == Kind::kVoid ? "void" : type.name;
        break;
    }
    after_pointer = type.kind == Kind::kPtr;
  }
  Name(name, after_pointer);
}

void CDeclarator::DeclareArray(Chain& chain, uint32_t count, std::string_view name,
                               bool after_pointer, int level) {
  DropQualifiers(chain);
  if (chain.empty()) {
    Name(name, after_pointer);
  } else {
    if (!name.empty() && !after_pointer) text_ += ' ';
    const bool in_parentheses = btf_.kind(chain.back()) != Kind::kArray;
    if (in_parentheses) text_ += '(';
    DeclareChain(chain, name, level);
    if (in_parentheses) text_ += ')';
  }
  text_ += fmt::format("[{}]", count);
}

void CDeclarator::DeclarePrototype(Chain& chain, uint32_t id, std::string_view name,
                                   bool after_pointer, int level) {
  DropQualifiers(chain);
  if (chain.empty()) {
    Name(name, after_pointer);
  } else {
    text_ += " (";
    DeclareChain(chain, name, level);
    text_ += ')';
  }
  text_ += '(';
  const uint32_t count = btf_.type(id).vlen;
  // clang describes "(void)" as one parameter of type void.
  const bool none = count == 0 || (count == 1 && btf_.parameter(id, 0).type == 0);
  if (none) text_ += "void";
  for (uint32_t i = 0; i < count && !none && !overflow_; ++i) {
    if (i > 0) text_ += ", ";
    const Parameter parameter = btf_.parameter(id, i);
    if (parameter.type == 0 && i + 1 == count) {
      text_ += "...";
    } else {
      Declare(parameter.type, parameter.name, level);
    }
  }
  text_ += ')';
}

}  // namespace skep::btf
