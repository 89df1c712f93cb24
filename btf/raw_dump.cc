// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "btf/c_dump.h"

namespace skep::btf {
namespace {

std::string_view Shown(std::string_view name) { return name.empty() ? "(anon)" : name; }

std::string Upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::string_view LinkageName(Linkage linkage) {
  switch (linkage) {
    case Linkage::kStatic:
      return "static";
    case Linkage::kGlobal:
      return "global";
    case Linkage::kExtern:
      return "extern";
  }
  return "(unknown)";
}

std::string IntText(const Btf& btf, uint32_t id, const Type& type) {
  const IntInfo info = btf.integer(id);
  const std::string_view encoding = info.is_signed ? "SIGNED"
                                    : info.is_char ? "CHAR"
                                    : info.is_bool ? "BOOL"
                                                   : "(none)";
  return fmt::format(" size={} bits_offset={} nr_bits={} encoding={}", type.size_or_type,
                     info.bit_offset, info.bits, encoding);
}

std::string MembersText(const Btf& btf, uint32_t id, const Type& type) {
  std::string out = fmt::format(" size={} vlen={}", type.size_or_type, type.vlen);
  for (uint32_t i = 0; i < type.vlen; ++i) {
    const Member member = btf.member(id, i);
    out += fmt::format("\n\t'{}' type_id={} bits_offset={}", Shown(member.name), member.type,
                       member.bit_offset);
    if (member.bitfield_size != 0) out += fmt::format(" bitfield_size={}", member.bitfield_size);
  }
  return out;
}

std::string EnumText(const Btf& btf, uint32_t id, const Type& type) {
  std::string out =
      fmt::format(" encoding={} size={} vlen={}", type.kind_flag ? "SIGNED" : "UNSIGNED",
                  type.size_or_type, type.vlen);
  for (uint32_t i = 0; i < type.vlen; ++i) {
    const Enumerator e = btf.enumerator(id, i);
    out += fmt::format("\n\t'{}' val=", Shown(e.name));
    const bool is_signed = type.kind_flag;
    const std::string_view suffix = type.kind == Kind::kEnum ? "" : is_signed ? "LL" : "ULL";
    out += is_signed ? fmt::format("{}{}", e.value, suffix)
                     : fmt::format("{}{}", static_cast<uint64_t>(e.value), suffix);
  }
  return out;
}

std::string PrototypeText(const Btf& btf, uint32_t id, const Type& type) {
  std::string out = fmt::format(" ret_type_id={} vlen={}", type.size_or_type, type.vlen);
  for (uint32_t i = 0; i < type.vlen; ++i) {
    const Parameter parameter = btf.parameter(id, i);
    out += fmt::format("\n\t'{}' type_id={}", Shown(parameter.name), parameter.type);
  }
  return out;
}

std::string SectionText(const Btf& btf, uint32_t id, const Type& type) {
  std::string out = fmt::format(" size={} vlen={}", type.size_or_type, type.vlen);
  for (uint32_t i = 0; i < type.vlen; ++i) {
    const SectionVariable v = btf.section_variable(id, i);
    out += fmt::format("\n\ttype_id={} offset={} size={}", v.type, v.offset, v.size);
    const std::string_view kind = KindName(btf.kind(v.type));
    out += fmt::format(" ({} '{}')", Upper(kind), btf.name(v.type));
  }
  return out;
}

std::string Details(const Btf& btf, uint32_t id) {
  const Type type = btf.type(id);
  switch (type.kind) {
    case Kind::kVoid:
      return "";
    case Kind::kInt:
      return IntText(btf, id, type);
    case Kind::kArray: {
      const ArrayInfo array = btf.array(id);
      return fmt::format(" type_id={} index_type_id={} nr_elems={}", array.element, array.index,
                         array.count);
    }
    case Kind::kStruct:
    case Kind::kUnion:
      return MembersText(btf, id, type);
    case Kind::kEnum:
    case Kind::kEnum64:
      return EnumText(btf, id, type);
    case Kind::kFwd:
      return fmt::format(" fwd_kind={}", type.kind_flag ? "union" : "struct");
    case Kind::kPtr:
    case Kind::kTypedef:
    case Kind::kVolatile:
    case Kind::kConst:
    case Kind::kRestrict:
    case Kind::kTypeTag:
      return fmt::format(" type_id={}", type.size_or_type);
    case Kind::kFunc:
      return fmt::format(" type_id={} linkage={}", type.size_or_type, LinkageName(btf.linkage(id)));
    case Kind::kVar:
      return fmt::format(" type_id={}, linkage={}", type.size_or_type,
                         LinkageName(btf.linkage(id)));
    case Kind::kFuncProto:
      return PrototypeText(btf, id, type);
    case Kind::kDatasec:
      return SectionText(btf, id, type);
    case Kind::kFloat:
      return fmt::format(" size={}", type.size_or_type);
    case Kind::kDeclTag:
      return fmt::format(" type_id={} component_idx={}", type.size_or_type,
                         btf.decl_tag(id).component);
  }
  return "";
}

}  // namespace

std::string DumpRaw(const Btf& btf, std::span<const uint32_t> ids) {
  std::string out;
  const auto line = [&](uint32_t id) {
    out += fmt::format("[{}] {} '{}'{}\n", id, Upper(KindName(btf.kind(id))), Shown(btf.name(id)),
                       Details(btf, id));
  };
  for (const uint32_t id : ids) line(id);
  for (uint32_t id = btf.first_id(); ids.empty() && id < btf.type_count(); ++id) line(id);
  return out;
}

}  // namespace skep::btf
